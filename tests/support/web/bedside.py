"""A bedside page over topics of its own, and made-up patients who send to them in real time."""

from __future__ import annotations

import json
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any, Protocol

from kafka import TopicPartition

from monitor.broker.clients import open_producer, open_reader
from monitor.broker.embedded import free_ports
from monitor.broker.sender import ChunkSender
from monitor.broker.topics import create_topics, partition_counts
from monitor.config import KafkaSettings, Topics
from monitor.formats.events import Event, encode_event
from monitor.processes import child_process
from monitor.recordings.excerpt import read_excerpt
from monitor.recordings.recording import encode_slice
from tests.support.project import CLI
from tests.support.web.patients import Patient, together

READY_S = 120.0  # a first start compiles the signal path's kernels
PARTITIONS = 2


def now_us() -> int:
    """Wall time, µs since the epoch."""
    return time.time_ns() // 1000


@dataclass
class Bedside:
    """Topics that no other test uses, and the page's address."""

    servers: str
    directory: Path
    kafka: KafkaSettings = field(init=False)
    port: int = field(init=False)

    def __post_init__(self) -> None:
        own = uuid.uuid4().hex[:8]
        names = {name: f"{own}.{name}" for name in Topics.model_fields}
        self.kafka = KafkaSettings(bootstrap_servers=self.servers, topics=Topics(**names))
        create_topics(self.kafka, PARTITIONS)
        (self.port,) = free_ports(1)

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def working(self) -> Iterator[Popen[bytes]]:
        """A worker with the bundled model, ready, until the end of the block."""
        (port,) = free_ports(1)
        with self._child(
            "run", ["[metrics]", f"port = {port}"], f"http://127.0.0.1:{port}/readyz"
        ) as process:
            yield process

    @contextmanager
    def serving(self) -> Iterator[Popen[bytes]]:
        """The page's server, ready, until the end of the block."""
        with self._child("web", ["[web]", f"port = {self.port}"], f"{self.url}/healthz") as process:
            yield process

    @contextmanager
    def _child(self, command: str, more: list[str], health: str) -> Iterator[Popen[bytes]]:
        kafka = {"bootstrap_servers": self.servers, "group_id": self.kafka.topics.signal}
        # noida-db needs static membership.
        lines = ["[kafka]", *_toml(kafka | {"instance_id": "only"}), "max_poll_interval_s = 10"]
        lines += ["[kafka.topics]", *_toml(self.kafka.topics.model_dump()), *more, ""]
        config = self.directory / f"{command}.toml"
        config.write_text("\n".join(lines), encoding="utf-8")
        log = self.directory / f"{command}-{uuid.uuid4().hex[:4]}.log"
        with child_process([sys.executable, *CLI, command, "--config", str(config)], log) as process:
            _wait(process, log, health)
            yield process

    def read(self, topic: str) -> list[Any]:
        """All committed records of a topic, by its name in the settings, as decoded JSON."""
        name = getattr(self.kafka.topics, topic)
        places = [TopicPartition(name, number) for number in range(partition_counts(self.kafka)[name])]
        reader = open_reader(self.kafka, isolation_level="read_committed")
        try:
            reader.assign(places)
            reader.seek_to_beginning(*places)
            ends = reader.end_offsets(places)
            records = []
            while any((reader.position(place) or 0) < ends[place] for place in places):
                for batch in reader.poll(timeout_ms=100).values():
                    records += batch
        finally:
            reader.close()
        return [json.loads(record.value) for record in sorted(records, key=lambda each: each.timestamp)]


def _toml(values: dict[str, str]) -> list[str]:
    return [f"{name} = {json.dumps(value)}" for name, value in values.items()]


def _wait(process: Popen[bytes], log: Path, address: str) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)


class Source(Protocol):
    """Whose signal is sent."""

    stream: str

    def chunk(self, second: int) -> bytes:
        """One second of signal."""


class Excerpt:
    """Five minutes of record 208 again and again, beginning at `from_s`."""

    def __init__(self, stream: str, began_us: int, from_s: int = 0) -> None:
        self.stream, self._began_us, self._from_s = stream, began_us, from_s
        self._recording = read_excerpt()

    def chunk(self, second: int) -> bytes:
        """One second of signal."""
        rate = round(self._recording.rate_hz)
        first = (second + self._from_s) % (len(self._recording) // rate) * rate
        return encode_slice(
            self._recording,
            first,
            first + rate,
            stream=self.stream,
            session="a",
            first_sample=second * rate,
            start_us=self._began_us + second * 1_000_000,
        )


class Devices:
    """Each second a second of signal of each source; of made-up patients also what a worker would find."""

    def __init__(
        self,
        bedside: Bedside,
        streams: int = 3,
        history_s: int = 30,
        excerpts: dict[str, int] | None = None,  # streams of record 208, and the second at which each begins
        found: bool = True,  # send what a worker would find in the made-up patients; False: one is at work
    ) -> None:
        self.found = found
        self.bedside = bedside
        self.history_s = history_s
        self.began_us = now_us() - history_s * 1_000_000
        self.patients = [Patient(f"bed-{n:03d}", self.began_us, seed=n) for n in range(1, streams + 1)]
        self.excerpts = [Excerpt(name, self.began_us, from_s) for name, from_s in (excerpts or {}).items()]
        self.ahead_s = 0  # so much of the future is sent at once
        self.silent: set[str] = set()  # streams that have stopped sending
        self.last_sent_s: dict[str, float] = {}  # when each stream's last chunk was sent, s since the epoch
        self.sent: list[Event] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Devices:
        self._chunks = ChunkSender(self.bedside.kafka)
        self._results = open_producer(self.bedside.kafka)
        for second in range(self.history_s):
            self._send(second)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._chunks.close()
        self._results.close(timeout=5)

    def _run(self) -> None:
        second = self.history_s
        while not self._stop.wait(max(0.0, self.began_us / 1e6 + second + 1 - self.ahead_s - time.time())):
            self._send(second)
            second += 1

    def _send(self, second: int) -> None:
        sources: list[Source] = [*self.patients, *self.excerpts]
        for source in sources:
            if source.stream not in self.silent:
                self._chunks.send(source.stream, source.chunk(second))
                self.last_sent_s[source.stream] = time.time()
        loud = [each for each in self.patients if each.stream not in self.silent]
        if not loud or not self.found:
            return
        beats = together([patient.windows(second) for patient in loud])
        self._results.send(self.bedside.kafka.topics.beats, value=beats, partition=0)
        for patient in loud:
            for event in patient.events(second):
                self.tell(event)

    def tell(self, event: Event) -> None:
        """Send an event as a worker would."""
        topic = self.bedside.kafka.topics.events
        self._results.send(topic, key=event.stream.encode(), value=encode_event(event))
        self.sent.append(event)

    def flush(self) -> None:
        """Wait until the broker has all of it."""
        self._results.flush(timeout=20)
