"""What the group has committed, looked at all the time: offsets only ever go forwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from kafka import TopicPartition
from kafka.errors import KafkaError

from monitor.broker.clients import open_reader
from tests.support.daemon.harness import Bench

LOOK_S = 0.2
ANSWER_MS = 2000


class Watch:
    """A thread that reads the group's offsets until the block ends."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._places = [TopicPartition(bench.topic("signal"), number) for number in range(bench.partitions)]
        self.committed: dict[TopicPartition, int] = {}
        self.moved_back: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def ends(self) -> dict[TopicPartition, int]:
        """Where the input ends now."""
        reader = open_reader(self._bench.settings().kafka)
        try:
            return dict(reader.end_offsets(self._places))
        finally:
            reader.close()

    def await_end(self, timeout_s: float) -> float:
        """Wait until all input that is there is committed; the seconds that it took."""
        return self.await_(self.ends(), timeout_s)

    def await_(self, ends: Mapping[TopicPartition, int], timeout_s: float) -> float:
        """Wait until the input up to these offsets is committed; the seconds that it took."""
        began = time.monotonic()
        while left := {p.partition: (self.committed.get(p, 0), ends[p]) for p in self._behind(ends)}:
            if time.monotonic() - began > timeout_s:
                raise TimeoutError(f"not committed after {timeout_s:.0f} s: {left}")
            time.sleep(0.05)
        return time.monotonic() - began

    def _behind(self, ends: Mapping[TopicPartition, int]) -> list[TopicPartition]:
        return [place for place, end in ends.items() if self.committed.get(place, 0) < end]

    def _run(self) -> None:
        kafka = self._bench.settings().kafka
        # Uncommitted: an open transaction is nothing to wait for.
        reader = open_reader(kafka, group_id=kafka.group_id, isolation_level="read_uncommitted")
        try:
            while not self._over.wait(LOOK_S):
                for place in self._places:
                    self._look(reader, place)
        finally:
            reader.close()

    def _look(self, reader: Any, place: TopicPartition) -> None:
        try:
            offset = reader.committed(place, timeout_ms=ANSWER_MS)
        except KafkaError:
            return  # the broker is away, which others see to
        before = self.committed.get(place, 0)
        if offset is not None and offset < before:
            self.moved_back.append(f"{place.partition}: {before} to {offset}")
        self.committed[place] = offset or before
