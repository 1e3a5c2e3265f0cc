"""The worker's eye on `ecg.profiles`: a consumer without a group, from the topic's beginning."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

from kafka import TopicPartition

from monitor.broker.clients import explained, open_reader
from monitor.broker.reading import offsets_of, partitions_of, poll_once, read_to
from monitor.config import KafkaSettings

POLL_S = 0.25  # between looks; a profile is to be known well before it takes effect
Learn = Callable[[Any], object]  # takes a record


class ProfileReader:
    """Hands on every record of all partitions, each partition's in order; commits nothing."""

    def __init__(self, settings: KafkaSettings, learn: Learn) -> None:
        self._settings = settings
        self._learn = learn
        self._next_s = 0.0
        self._reader: Any = None
        self._places: list[TopicPartition] = []
        self._reached: dict[TopicPartition, int] = {}  # the offset after the last record that was handed on

    def open(self) -> None:
        """Connect; nothing is read yet."""
        self._reader = open_reader(self._settings)
        with explained(self._settings):
            self._places = partitions_of(self._reader, self._settings.topics.profiles)
            self._reader.assign(self._places)
            self._reader.seek_to_beginning(*self._places)

    def cover(self, count: int) -> None:
        """Read so many partitions, those added from their beginning."""
        topic = self._settings.topics.profiles
        added = [TopicPartition(topic, number) for number in range(len(self._places), count)]
        if added:
            self._places = [*self._places, *added]
            self._reader.assign(self._places)  # positions in the others stay
            self._reader.seek_to_beginning(*added)

    def catch_up(self, still_s: float = 60.0) -> Generator[None, None, None]:
        """Hand on all that is there now; before a partition is taken up, as its last owner may have.

        Poll by poll. Raises BrokerError if it does not get on for so long; what was read is not read again.
        """
        with explained(self._settings):
            ends = offsets_of(self._reader.end_offsets, self._places, still_s)
            for records in read_to(self._reader, ends, still_s):
                for place, record in records:
                    self._hand_on(place, record)
                yield

    def follow(self) -> None:
        """Hand on what is new, at most once in POLL_S."""
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + POLL_S
            polled = poll_once(self._reader)
            if polled is None:
                self._go_back()
                return
            for place, records in polled.items():
                for record in records:
                    self._hand_on(place, record)

    def _hand_on(self, place: TopicPartition, record: Any) -> None:
        self._learn(record)
        self._reached[place] = record.offset + 1

    def _go_back(self) -> None:
        for place in self._places:
            if place in self._reached:
                self._reader.seek(place, self._reached[place])
            else:
                self._reader.seek_to_beginning(place)

    def close(self, timeout_s: float = 2.0) -> None:
        """Leave the broker, if it was reached."""
        if self._reader is not None:
            self._reader.close(timeout_ms=round(1000 * timeout_s))
