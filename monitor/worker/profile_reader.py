"""The worker's eye on `ecg.profiles`: a consumer without a group, from the topic's beginning."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from kafka import TopicPartition

from monitor.broker.clients import explained, open_reader
from monitor.config import KafkaSettings
from monitor.errors import BrokerError

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

    def open(self) -> None:
        """Connect; nothing is read yet."""
        self._reader = open_reader(self._settings)
        with explained(self._settings):
            topic = self._settings.topics.profiles
            numbers = sorted(self._reader.partitions_for_topic(topic) or ())
            self._places = [TopicPartition(topic, number) for number in numbers]
            self._reader.assign(self._places)
            self._reader.seek_to_beginning(*self._places)

    def catch_up(self, timeout_s: float = 60.0) -> None:
        """Hand on all that is there now; before a partition is taken up, as its last owner may have."""
        deadline = time.monotonic() + timeout_s
        with explained(self._settings):
            ends = self._reader.end_offsets(self._places)
            while any((self._reader.position(place) or 0) < end for place, end in ends.items()):
                self._poll(100)
                if time.monotonic() > deadline:
                    raise BrokerError(f"{self._settings.topics.profiles} cannot be read to its end")

    def follow(self) -> None:
        """Hand on what is new, at most once in POLL_S."""
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + POLL_S
            self._poll(0)

    def close(self) -> None:
        """Leave the broker, if it was reached."""
        if self._reader is not None:
            self._reader.close(timeout_ms=2000)

    def _poll(self, timeout_ms: int) -> None:
        for records in self._reader.poll(timeout_ms=timeout_ms).values():
            for record in records:
                self._learn(record)
