"""Where a section runs: a broker that several share, topics of its own, and the judge of its output."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kafka import TopicPartition

from monitor.broker.clients import open_reader
from monitor.broker.embedded import embedded_broker
from monitor.formats.beats import decode_beats
from monitor.formats.figures import Figure, figure
from tests.support.daemon.harness import Bench, wait_until
from tests.torture.comparison import Differences, beat_verdicts, compare, event_verdicts
from tests.torture.reference import Undisturbed
from tests.torture.watch import Watch

SETTLE_S = 40.0  # the transaction of a killed worker is ended by the broker


@dataclass
class Ground:
    """One run of all sections."""

    folder: Path
    short: bool
    seed: int
    stack: ExitStack
    particular: dict[str, Any] = field(default_factory=dict)  # beside the figures, by section
    _servers: str | None = None

    def often(self, full: int, short: int) -> int:
        """How often something is done in this form."""
        return short if self.short else full

    def servers(self) -> str:
        """The broker that sections share which leave it alone."""
        if self._servers is None:
            self._servers = self.stack.enter_context(embedded_broker("kafka", self.folder / "broker"))
        return self._servers

    def bench(self, name: str, servers: str | None = None, **settings: Any) -> Bench:
        """Topics and a group of a section's own, on the shared broker if on no other."""
        place = self.folder / name
        place.mkdir(parents=True, exist_ok=True)
        return Bench(servers or self.servers(), place, **settings)

    def note(self, section: str, **facts: Any) -> None:
        """Something to be kept beside the figures."""
        self.particular.setdefault(section, {}).update(facts)

    def judged(
        self,
        section: str,
        bench: Bench,
        watch: Watch,
        streams: Collection[str] | None = None,
        undisturbed_by: Callable[[Iterable[bytes]], Undisturbed] = Undisturbed,
    ) -> list[Figure]:
        """What was written against the undisturbed run over the input; of these streams, or of all."""
        settle(bench)
        undisturbed = undisturbed_by(of_streams(bench.read("signal"), streams))
        written = of_streams(bench.read("events"), streams)
        rows = beat_verdicts(decode_beats(each.value) for each in bench.read("beats"))
        events = compare(undisturbed.events(), event_verdicts(written))
        beats = compare(undisturbed.beats(), (row for row in rows if streams is None or row[0][0] in streams))
        self._keep(section, events=events, beats=beats)
        self.note(section, chunks=undisturbed.chunks)
        back = len(watch.moved_back)
        if back:
            self.note(section, moved_back=watch.moved_back)
        return [
            *events.figures("events", section),
            *beats.figures("beats", section),
            figure("offsets_moved_back", back, section, target=0, better="lower"),
        ]

    def _keep(self, section: str, **found: Differences) -> None:
        for what, differences in found.items():
            if differences.examples:
                self.note(section, **{f"{what}_that_differ": differences.examples})


def of_streams(records: Iterable[Any], streams: Collection[str] | None) -> Iterator[bytes]:
    """The values of those records whose key is one of the streams, or of all."""
    keys = None if streams is None else {stream.encode() for stream in streams}
    return (record.value for record in records if keys is None or record.key in keys)


def settle(bench: Bench) -> None:
    """Wait until no transaction is open, so that all that was committed can be read."""
    kafka = bench.settings().kafka
    readers = [open_reader(kafka, isolation_level=level) for level in ("read_committed", "read_uncommitted")]
    places = [
        TopicPartition(bench.topic(name), number)
        for name in ("events", "beats")
        for number in range(bench.partitions)
    ]
    try:
        wait_until(
            lambda: readers[0].end_offsets(places) == readers[1].end_offsets(places),
            SETTLE_S,
            "open transactions to end",
        )
    finally:
        for reader in readers:
            reader.close()
