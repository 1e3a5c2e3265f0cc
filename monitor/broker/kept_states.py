"""States in `ecg.state`: the last ones read in memory, the others in the topic, where they stay."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from kafka import TopicPartition

from monitor.broker.clients import explained, open_reader
from monitor.broker.reading import place_name
from monitor.config import KafkaSettings
from monitor.errors import BrokerError

Source = tuple[str, int]  # a stream as one partition has it, as the detector knows it
POLL_MS = 100
STILL_S = 5.0  # of getting nowhere
NEAR = 20  # records: so far it is quicker to read on than to ask for another place


class KeptStates:
    """Gives the state that lies at an offset of `ecg.state`, from memory where there is room for it.

    A topic that is compacted keeps the last record of a key at its offset, so the offset is all that has
    to be remembered of a stream that does not send.
    """

    def __init__(self, settings: KafkaSettings, most_bytes: int) -> None:
        self._settings = settings
        self._most = most_bytes
        self._held: dict[Source, tuple[int, bytes]] = {}  # in the order in which they came
        self._bytes = 0
        self._reader: Any = None

    def put(self, source: Source, at: int, state: bytes) -> None:
        """Keep a state that was read at this offset for as long as there is room; the oldest goes first."""
        self.drop(source)
        self._held[source] = at, state
        self._bytes += len(state)
        while self._bytes > self._most:
            self.drop(next(iter(self._held)))

    def drop(self, source: Source) -> None:
        """Keep nothing of a stream."""
        _, state = self._held.pop(source, (0, b""))
        self._bytes -= len(state)

    def read(
        self, wanted: Mapping[Source, int], step: Callable[[], object] = lambda: None
    ) -> dict[Source, bytes]:
        """The states at these offsets, without those that are not there any more; kept no longer.

        step: called between two waits. Raises BrokerError if the broker does not give them in time.
        """
        held = {
            source: self._held[source][1]
            for source, at in wanted.items()
            if source in self._held and self._held[source][0] == at
        }
        left = {source: at for source, at in wanted.items() if source not in held}
        read = self._look_up(left, step) if left else {}
        for source in wanted:
            self.drop(source)
        return held | read

    def _look_up(self, wanted: Mapping[Source, int], step: Callable[[], object]) -> dict[Source, bytes]:
        topic = self._settings.topics.state
        sources = {(TopicPartition(topic, source[1]), at): source for source, at in wanted.items()}
        left: dict[TopicPartition, list[int]] = {}
        for place, at in sorted(sources):
            left.setdefault(place, []).append(at)
        try:
            with explained(self._settings):
                found = self._read_at(left, step)
        except BrokerError:
            self.close()  # whatever it stands in, another one does not
            raise
        return {sources[key]: state for key, state in found.items()}

    def _read_at(
        self, left: dict[TopicPartition, list[int]], step: Callable[[], object]
    ) -> dict[tuple[TopicPartition, int], bytes]:
        """What lies at these offsets, rising in each partition; `left` is used up."""
        reader = self._open(list(left))
        for place, offsets in left.items():
            reader.seek(place, offsets[0])
        found: dict[tuple[TopicPartition, int], bytes] = {}
        deadline = time.monotonic() + STILL_S
        while left:
            polled = reader.poll(timeout_ms=POLL_MS)
            step()
            if any(polled.values()):
                deadline = time.monotonic() + STILL_S
            elif time.monotonic() > deadline:
                names = ", ".join(map(place_name, left))
                raise BrokerError(f"{names}: no state could be read in {STILL_S:.0f} s")
            for place, records in polled.items():
                if place in left and records:
                    self._pick(place, records, left, found)
        return found

    def _pick(
        self,
        place: TopicPartition,
        records: list[Any],
        left: dict[TopicPartition, list[int]],
        found: dict[tuple[TopicPartition, int], bytes],
    ) -> None:
        offsets, last = left[place], records[-1].offset
        values = {record.offset: record.value for record in records}
        while offsets and offsets[0] <= last:  # one that was passed over is not there any more
            at = offsets.pop(0)
            if values.get(at) is not None:
                found[place, at] = bytes(values[at])
        if not offsets:
            del left[place]
            self._reader.pause(place)
        elif offsets[0] > last + NEAR:
            self._reader.seek(place, offsets[0])

    def _open(self, places: list[TopicPartition]) -> Any:
        if self._reader is None:
            # What is looked up is committed, so nobody's open transaction is waited for.
            self._reader = open_reader(
                self._settings, isolation_level="read_uncommitted", max_partition_fetch_bytes=1 << 18
            )
        self._reader.assign(places)
        self._reader.resume(*places)
        return self._reader

    def close(self) -> None:
        """Leave the broker; the next look-up finds it again."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close(timeout_ms=1000)
