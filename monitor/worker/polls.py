"""How much of a poll is judged at once: bounded in bytes, so that a turn of the loop and its memory are, too.

A record may hold a minute of twelve leads, and 300 of those compress to 22 kB: a number of records is no
bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        if sizes:
            mean = sum(sizes) // len(sizes)
            self.max_records = min(self._most, max(1, MAX_BYTES // max(1, mean)))
        if sum(sizes) <= MAX_BYTES:
            return polled, {}
        taken: dict[TopicPartition, Sequence[Any]] = {}
        left: dict[TopicPartition, int] = {}
        room = MAX_BYTES
        for place, records in polled.items():
            count = 0
            for record in records:
                room -= len(record.value or b"")
                if room < 0 and (taken or count):
                    left[place] = record.offset
                    break
                count += 1
            if count:
                taken[place] = records[:count]
        return taken, left
