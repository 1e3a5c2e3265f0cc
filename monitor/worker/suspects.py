"""Which record made the worker fail: found by going record by record, and from then on left alone.

Whatever raises while records are decoded, judged or encoded, the process must outlive it: restarted, it
would read the same records and fail again. What the failure left half done is dropped, and the partitions
are taken up again from their commit. Then the records of that poll go one by one, and the one that fails
alone is buried unread.

What ends the process itself (a fault in compiled code, memory, the watchdog) leaves no exception, so commits
say beforehand what is judged: once a take-up in ordinary life; after a process that ended before it got on,
before each part of a poll, and record by record where that one had been. A record at which DEADLY processes
have ended while it was judged alone is buried.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kafka import TopicPartition

from monitor.broker.reading import place_name
from monitor.errors import DecodeError
from monitor.worker.partition import Partition
from monitor.worker.positions import Mark

logger = logging.getLogger(__name__)
MOST_IN_A_ROW = 20  # records that fail with none between them that does not: then we test ourselves
# Any kill may fall into the milliseconds in which a record is judged alone; that it falls thrice on the same
# one, with nothing done before it in these lives, is no chance.
DEADLY = 3
TURN_S = 2.0  # after which what goes record by record goes on in the loop's next turn

Batch = Mapping[Partition, Sequence[Any]]


class Suspects:
    """Offsets up to which records go one by one, and the records that have failed alone."""

    def __init__(self, self_test: Callable[[], None]) -> None:
        """self_test: raises where it is not the records."""
        self._self_test = self_test
        self._until: dict[TopicPartition, int] = {}
        self._failed: dict[tuple[TopicPartition, int], str] = {}  # what each raised
        self._in_a_row = 0
        self._deaths: dict[tuple[TopicPartition, int], int] = {}  # before our own attempt, which we survive

    def parts(self, batch: Batch) -> Iterator[Batch]:
        """The batch as it is; where it holds any that are suspected, these one by one, in order."""
        if not any(self._suspected(partition, records) for partition, records in batch.items()):
            yield batch
            return
        runs = {partition: list(self._runs(partition, records)) for partition, records in batch.items()}
        together = {
            partition: own.pop(0)
            for partition, own in runs.items()
            if not self._is_alone(partition, own[0][0].offset)
        }
        if together:
            yield together
        for partition, own in runs.items():
            for run in own:
                yield {partition: run}

    def _suspected(self, partition: Partition, records: Sequence[Any]) -> bool:
        return partition.suspected or records[0].offset <= self._until.get(partition.place, -1)

    def _is_alone(self, partition: Partition, offset: int) -> bool:
        return offset <= self._until.get(partition.place, -1) or partition.alone(offset)

    def _runs(self, partition: Partition, records: Sequence[Any]) -> Iterator[list[Any]]:
        run: list[Any] = []
        for record in records:
            alone = self._is_alone(partition, record.offset)
            if run and (alone or self._is_alone(partition, run[-1].offset)):
                yield run
                run = []
            run.append(record)
        yield run

    def marks(
        self, owned: Mapping[TopicPartition, Partition], batch: Batch, part: Batch
    ) -> dict[TopicPartition, Mark]:
        """What a commit must say before this part of a batch is judged; nothing in ordinary life."""
        marks = {}
        for place, partition in owned.items():
            if not partition.noted and not partition.careful:
                # One commit for all partitions that are new; of those not in hand it says: whatever comes.
                records = batch.get(partition)
                marks[place] = _mark(records) if records else Mark(partition.next_offset)
        for partition, records in part.items():
            offset = records[0].offset
            if self._is_deadly(partition, offset) or not (partition.careful or offset in partition.deaths):
                continue
            marks[partition.place] = _mark(records)
            if len(part) == len(records) == 1 and len(partition.deaths) <= MOST_IN_A_ROW:
                # Once a process, however often it tries: a broker that goes away ends no process.
                before = self._deaths.setdefault((partition.place, offset), partition.deaths.get(offset, 0))
                partition.deaths[offset] = before + 1
        return marks

    def _ended(self, partition: Partition, offset: int) -> int:
        """How many other processes have ended at this record alone."""
        return self._deaths.get((partition.place, offset), partition.deaths.get(offset, 0))

    def _is_deadly(self, partition: Partition, offset: int) -> bool:
        return self._ended(partition, offset) >= DEADLY

    def failed(self, part: Batch, error: Exception) -> None:
        """Suspect these records; one alone is found. Raises the self-test's error: it is not the records.

        A sender's fault may be in all that it sends, and its partition be read by us alone; so how many
        records fail says nothing by itself.
        """
        for partition, records in part.items():
            until = self._until.get(partition.place, -1)
            self._until[partition.place] = max(until, records[-1].offset)
        ((partition, records), *others) = part.items()
        if others or len(records) > 1:
            count = sum(map(len, part.values()))
            logger.error("one of %d records made us fail, looking for it: %r", count, error, exc_info=error)
            return
        self._in_a_row += 1
        if self._in_a_row > MOST_IN_A_ROW:
            self._self_test()
            self._in_a_row = 0
        offset = records[0].offset
        self._failed[partition.place, offset] = f"{type(error).__name__}: {error}"
        logger.error("%s@%d made us fail: %r", place_name(partition.place), offset, error, exc_info=error)

    def passed(self, part: Batch) -> None:
        """These did not fail; what lies before their commit is over."""
        for partition, records in part.items():
            for record in records if partition.deaths else ():
                if not self._is_deadly(partition, record.offset):
                    partition.deaths.pop(record.offset, None)
                    self._deaths.pop((partition.place, record.offset), None)
        if self._failed:  # seldom: nothing is looked up record by record
            seen = {(partition.place, each.offset) for partition, records in part.items() for each in records}
            if not seen.isdisjoint(self._failed):
                return  # buried, which is no sign that others would do
            committed = {partition.place: partition.committed for partition in part}
            for place, offset in list(self._failed):
                if offset < committed.get(place, 0):
                    del self._failed[place, offset]
        self._in_a_row = 0

    def check(self, partition: Partition, offset: int) -> None:
        """Raise DecodeError for a record that has failed alone, or ended the process too often."""
        raised = self._failed.get((partition.place, offset))
        if raised is not None:
            raise DecodeError("failed", f"the worker failed on it: {raised}")
        if partition.deaths and self._is_deadly(partition, offset):
            partition.hasten_all()  # so that it is not met again in a replay, from which many could be known
            ended = self._ended(partition, offset)
            logger.error("%s@%d ended %d processes, passed over", place_name(partition.place), offset, ended)
            raise DecodeError("failed", f"{ended} processes ended while they judged it alone")


def _mark(records: Sequence[Any]) -> Mark:
    return Mark(records[0].offset, records[-1].offset)
