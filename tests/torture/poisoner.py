"""Writes poison into a section's topics, and knows what has to become of it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from monitor.broker.embedded import HOST
from monitor.formats.chunks import CONTENT_TYPE
from tests.support.daemon import poison
from tests.support.daemon.harness import Bench, chunk, producer
from tests.support.daemon.poison import BAD_KEY
from tests.support.daemon.unreadable import BAD_HEADERS, spoil
from tests.torture.comparison import Verdict

SENT_S = 30.0
Headers = Sequence[tuple[str, bytes | None]]
BOMB_SAMPLES = 60_000  # of each record of zeros: a minute of twelve leads
BOMB_OPTIONS: dict[str, Any] = {
    "compression_type": "zstd",
    "linger_ms": 60_000,  # one batch: it leaves when it is flushed
    "batch_size": 1 << 30,
    "max_request_size": 1 << 30,
}


class Poisoner:
    """Counts what it sends."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.letters: list[Verdict] = []  # place and reason of each dead letter that there must be
        self.profiles = self.events = self.reviews = self.snapshots = 0  # records that are none

    def refused(self, number: int) -> None:
        """Every kind that is to be buried, to one partition, and one that the client cannot parse."""
        with producer(self._bench.settings()) as out:
            sent = [
                (self._bad(out, number, value, [(CONTENT_TYPE, kind.encode())]), reason)
                for value, kind, reason in poison.REFUSED.values()
            ]
            sent.append((self._bad(out, number, b"x", [(CONTENT_TYPE, b"\xff\xfe")]), "content_type"))
            sent.append((self._bad(out, number, chunk("bad", 0, peak=True), BAD_HEADERS), "unreadable"))
            for one, reason in sent:
                self._must_be_buried(one, reason)

    def spoilt(self, data: Path) -> None:
        """A batch at the end of partition 0 whose checksum fails; before anybody has read it."""
        with producer(self._bench.settings(), linger_ms=1000) as out:
            sent = [self._bad(out, 0, chunk("bad", number), []) for number in range(2)]
            out.flush(timeout=SENT_S)
            self._must_be_buried(sent[-1], "unreadable")
        spoil(data, self._bench.topic("signal"))

    def hostile(self) -> None:
        """Chunks that are valid, each in its way a burden."""
        rates, leaps = poison.restless("bad-rates", 30), poison.leaping("bad-leap")
        self._bench.send([("bad-rates", value) for value in rates])
        self._bench.send([("bad-leap", value) for value in leaps])
        self._bench.send([(poison.LONG_ID, poison.many_short_beats())])

    def bomb(self, count: int) -> None:
        """A batch of so many records, 300 of which are 22 kB, and 430 MB when it is opened."""
        records = [("bad-zeros", value) for value in poison.zeros("bad-zeros", count, BOMB_SAMPLES)]
        self._bench.send(records, **BOMB_OPTIONS)

    def settings_of(self, streams: Iterable[str]) -> None:
        """Odd ones for these, and what is none."""
        with producer(self._bench.settings()) as out:
            topic = self._bench.topic("profiles")
            for stream, odd in zip(streams, poison.ODD_SETTINGS, strict=True):
                out.send(topic, poison.odd_profile(stream, **odd), key=stream.encode())
                for key, value in poison.no_profiles(stream):
                    if key is not None:  # Kafka takes none without a key into a topic that is compacted
                        out.send(topic, value, key=key)
                        self.profiles += 1
            for number in range(self._bench.partitions):
                out.send(topic, b"{}", key=BAD_KEY, headers=BAD_HEADERS, partition=number)
                self.profiles += 1

    def what_the_page_reads(self) -> None:
        """Records of events and verdicts that are none."""
        with producer(self._bench.settings()) as out:
            for number in range(self._bench.partitions):
                for value in poison.no_events():
                    out.send(self._bench.topic("events"), value, key=BAD_KEY, partition=number)
                    self.events += 1
                for value in poison.no_reviews():
                    out.send(self._bench.topic("feedback"), value, key=BAD_KEY, partition=number)
                    self.reviews += 1

    def state(self) -> None:
        """Records of the group's own state that are none, to every partition."""
        group = self._bench.settings().kafka.group_id
        # A header without a value is nothing that kafka-python would write.
        none = [each for each in poison.no_snapshots(group) if all(value for _, value in each[1])]
        with producer(self._bench.settings()) as out:
            topic = self._bench.topic("state")
            for number in range(self._bench.partitions):
                for key, headers in none:
                    out.send(topic, b"bad", key=key, headers=headers, partition=number)
                    self.snapshots += 1
                out.send(topic, b"bad", key=BAD_KEY, headers=BAD_HEADERS, partition=number)
                self.snapshots += 1

    def _bad(
        self, out: Any, number: int, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]
    ) -> Any:
        return out.send(self._bench.topic("signal"), value, key=BAD_KEY, headers=headers, partition=number)

    def _must_be_buried(self, sent: Any, reason: str) -> None:
        place = sent.get(timeout=SENT_S)
        self.letters.append(((place.partition, place.offset), reason))


def letters_of(bench: Bench) -> Iterator[Verdict]:
    """Place and reason of each dead letter but those of hostile streams, which may have some or none."""
    for letter in bench.read("deadletter"):
        if letter.key is None or letter.key == BAD_KEY or not letter.key.startswith(b"bad-"):
            said = {name: (value or b"").decode() for name, value in letter.headers}
            yield (int(said["source-partition"]), int(said["source-offset"])), said["reason"]


@contextmanager
def dribbling(port: int, clients: int) -> Iterator[None]:
    """So many clients that have begun a request and do not end it."""
    with ExitStack() as stack:
        for _ in range(clients):
            client = stack.enter_context(socket.create_connection((HOST, port), timeout=5))
            client.sendall(b"GET /he")
        yield


def seconds_for(ask: Any) -> float:
    """How long an answer takes; infinity if it is not 200."""
    began = time.monotonic()
    status, _ = ask()
    return time.monotonic() - began if status == 200 else float("inf")
