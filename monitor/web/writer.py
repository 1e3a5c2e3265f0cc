"""What people decide, written to Kafka; every call returns once the broker has it."""

from __future__ import annotations

import threading
from typing import Any

from kafka.errors import KafkaError, KafkaTimeoutError

from monitor.broker.clients import explained, listens, open_producer
from monitor.config import KafkaSettings
from monitor.errors import BrokerError
from monitor.formats.profiles import Profile, encode_profile
from monitor.formats.reviews import Review, encode_review, partition_of

ACKNOWLEDGED_S = 10.0
_REACHED_S = 5.0


class Writer:
    """A producer of verdicts and profiles, opened for the first of them."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings.model_copy(
            update={"connect_timeout_s": min(_REACHED_S, settings.connect_timeout_s)}
        )
        self._lock = threading.Lock()
        self._producer: Any = None

    def review(self, review: Review) -> None:
        """Write a verdict beside its stream's others; raises BrokerError."""
        topic = self._settings.topics.feedback
        with self._lock:
            place = partition_of(review.stream, self._partitions(topic))
            self._send(topic, review.key, encode_review(review), place)

    def profile(self, profile: Profile) -> None:
        """Write a stream's settings; raises BrokerError."""
        with self._lock:
            self._send(self._settings.topics.profiles, profile.stream.encode(), encode_profile(profile), None)

    def close(self) -> None:
        """Leave the broker."""
        with self._lock:
            self._drop()

    def _opened(self) -> Any:
        if self._producer is None:
            if not listens(self._settings):  # a producer that can't connect leaves a thread behind
                raise BrokerError(f"{self._settings.bootstrap_servers}: nothing listens there")
            self._producer = open_producer(
                self._settings,
                request_timeout_ms=5000,
                delivery_timeout_ms=round(1000 * ACKNOWLEDGED_S),
                max_block_ms=5000,
                linger_ms=0,
            )
        return self._producer

    def _partitions(self, topic: str) -> list[int]:
        try:
            numbers = self._opened().partitions_for(topic)
        except KafkaTimeoutError:
            numbers = None
        if not numbers:
            servers = self._settings.bootstrap_servers
            raise BrokerError(f"{servers}: no answer about topic {topic}; `ecg-monitor check` tells more")
        return sorted(numbers)

    def _send(self, topic: str, key: bytes, value: bytes, partition: int | None) -> None:
        headers = [("content-type", b"application/json")]
        try:
            with explained(self._settings):
                future = self._opened().send(
                    topic, key=key, value=value, headers=headers, partition=partition
                )
                future.get(timeout=ACKNOWLEDGED_S + 1)
        except BrokerError:
            self._drop()  # the next one begins anew: an idempotent producer does not outlive every failure
            raise

    def _drop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                producer.close(timeout=1)
            except KafkaError:
                return  # it had failed before
