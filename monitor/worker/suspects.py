"""Which record made the worker fail: found by going record by record, and from then on left alone.

Whatever raises while records are decoded, judged or encoded, the process must outlive it: restarted, it
would read the same records and fail again. What the failure left half done is dropped, and the partitions
are taken up again from their commit. Then the records of that poll go one by one, and the one that fails
alone is buried unread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kafka import TopicPartition

from monitor.broker.reading import place_name
from monitor.errors import DecodeError
from monitor.worker.partition import Partition

logger = logging.getLogger(__name__)
MOST_IN_A_ROW = 20  # records that fail with none between them that does not: then we test ourselves

Batch = Mapping[Partition, Sequence[Any]]


class Suspects:
    """Offsets up to which records go one by one, and the records that have failed alone."""

    def __init__(self, self_test: Callable[[], None]) -> None:
        """self_test: raises where it is not the records."""
        self._self_test = self_test
        self._until: dict[TopicPartition, int] = {}
        self._failed: dict[tuple[TopicPartition, int], str] = {}  # what each raised
        self._in_a_row = 0

    def parts(self, batch: Batch) -> Iterator[Batch]:
        """The batch as it is, or record by record where it holds any that are suspected."""
        if all(records[0].offset > self._until.get(each.place, -1) for each, records in batch.items()):
            yield batch
            return
        for partition, records in batch.items():
            for record in records:
                yield {partition: [record]}

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
        if self._failed:  # seldom: nothing is looked up record by record
            seen = {(partition.place, each.offset) for partition, records in part.items() for each in records}
            if not seen.isdisjoint(self._failed):
                return  # buried, which is no sign that others would do
            committed = {partition.place: partition.committed for partition in part}
            for place, offset in list(self._failed):
                if offset < committed.get(place, 0):
                    del self._failed[place, offset]
        self._in_a_row = 0

    def check(self, place: TopicPartition, offset: int) -> None:
        """Raise DecodeError for a record that has failed alone."""
        raised = self._failed.get((place, offset))
        if raised is not None:
            raise DecodeError("failed", f"the worker failed on it: {raised}")
