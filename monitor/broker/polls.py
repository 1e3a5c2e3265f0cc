"""How much of a poll is judged at once: bounded in bytes, so that a turn of the loop and its memory are, too.

A record may hold a minute of twelve leads, and 300 of those compress to 22 kB: a number of records is no
bound.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from kafka import TopicPartition

MAX_BYTES = 4 << 20  # of values; two million samples at most, judged in about two seconds

Polled = Mapping[TopicPartition, Sequence[Any]]


class Polls:
    """How many records the next poll may give, and what of one is taken."""

    def __init__(self, max_records: int) -> None:
        self._most = self.max_records = max_records

    def take(self, polled: Polled) -> tuple[Polled, dict[TopicPartition, int]]:
        """The first records of up to MAX_BYTES, one at least, and where the rest is to be read again.

        Read again it is fetched again, so the next polls are made small enough.
        """
        sizes = [len(record.value or b"") for records in polled.values() for record in records]
        if not sizes:
            return polled, {}
        sums = list(accumulate(sizes))
        mean = max(1, sums[-1] // len(sums))
        self.max_records = min(self._most, max(1, MAX_BYTES // mean))
        count = max(1, bisect_right(sums, MAX_BYTES))
        taken: dict[TopicPartition, Sequence[Any]] = {}
        left: dict[TopicPartition, int] = {}
        for place, records in polled.items():
            if count:
                taken[place] = records[:count]
            if len(records) > count:
                left[place] = records[count].offset
            count = max(0, count - len(records))
        return taken, left
