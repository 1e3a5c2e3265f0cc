"""Output and input offsets leave together: in one transaction, or flushed before the commit."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kafka import TopicPartition
from kafka.errors import KafkaError
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata

from monitor.broker.clients import explained, open_producer
from monitor.config import Settings
from monitor.errors import BrokerError
from monitor.worker.partition import Outgoing

logger = logging.getLogger(__name__)
CLOSE_S = 5.0  # an unreachable broker must not hold up the end of the process


@dataclass(frozen=True, slots=True)
class Parcel:
    """Everything that one commit holds."""

    records: Sequence[Outgoing]  # events, beats, dead letters
    snapshots: Sequence[Outgoing]
    offsets: dict[TopicPartition, OffsetAndMetadata]
    member: ConsumerGroupMetadata  # lets the broker refuse a worker that lost its partitions


class Delivery(Protocol):
    """How a parcel is sent."""

    stage_seconds: dict[str, float]  # "produce" and "commit" of the last delivery that succeeded

    def deliver(self, parcel: Parcel) -> bool:
        """True if all is committed, False if none is and it may be tried again; else BrokerError."""
        ...

    def close(self) -> None:
        """Let go of the producer."""
        ...


class ExactlyOnce:
    """One Kafka transaction a parcel; it never spans a poll, so a rebalance finds none open."""

    def __init__(self, settings: Settings) -> None:
        self.stage_seconds: dict[str, float] = {}
        # A static member fences its own earlier life at once; a dynamic one's transaction times out.
        member = settings.kafka.instance_id or uuid.uuid4().hex
        self._id = f"{settings.kafka.transactional_id_prefix}-{member}"
        self._producer = open_producer(settings.kafka, self._id)
        with explained(settings.kafka):
            self._producer.init_transactions()

    def deliver(self, parcel: Parcel) -> bool:
        """True if the transaction was committed; False if it was aborted."""
        began = time.perf_counter()
        try:
            self._producer.begin_transaction()
            _send(self._producer, [*parcel.records, *parcel.snapshots])
            produced = time.perf_counter()  # handed over; the commit waits for the broker
            self._producer.send_offsets_to_transaction(parcel.offsets, parcel.member)
            self._producer.commit_transaction()
        except KafkaError as error:
            self._abort(error)
            return False
        self.stage_seconds = {"produce": produced - began, "commit": time.perf_counter() - produced}
        return True

    def _abort(self, error: KafkaError) -> None:
        logger.warning("transaction of %s aborted: %s", self._id, error)
        try:
            self._producer.abort_transaction()
        except KafkaError as exc:
            # Fenced by a newer producer of the same id, or timed out: what is in memory is not the truth.
            raise BrokerError(f"transaction of {self._id} cannot be aborted: {exc}; after {error}") from exc

    def close(self) -> None:
        """Close the producer; an open transaction is left to the broker."""
        _close(self._producer)


class AtLeastOnce:
    """Flush, then commit: a crash between the two repeats output, with the same event ids."""

    def __init__(self, settings: Settings, consumer: Any) -> None:
        self.stage_seconds: dict[str, float] = {}
        self._producer = open_producer(settings.kafka)
        self._consumer = consumer

    def deliver(self, parcel: Parcel) -> bool:
        """True if all was acknowledged and the offsets are committed."""
        began = time.perf_counter()
        try:
            self._flush(parcel.records)
            # Only then: a restart skips the input before a snapshot, so its output must be out.
            self._flush(parcel.snapshots)
            produced = time.perf_counter()
            self._consumer.commit(parcel.offsets, timeout_ms=10_000)
        except KafkaError as error:
            logger.warning("commit failed, will be tried again: %s", error)
            return False
        self.stage_seconds = {"produce": produced - began, "commit": time.perf_counter() - produced}
        return True

    def _flush(self, records: Sequence[Outgoing]) -> None:
        futures = _send(self._producer, records)
        self._producer.flush(timeout=30.0)
        for future in futures:
            future.get(timeout=0)  # raises what went wrong

    def close(self) -> None:
        """Close the producer."""
        _close(self._producer)


def open_delivery(settings: Settings, consumer: Any) -> Delivery:
    """The delivery that the settings name."""
    if settings.delivery.mode == "exactly_once":
        return ExactlyOnce(settings)
    return AtLeastOnce(settings, consumer)


def probe_transactions(settings: Settings) -> None:
    """Raise BrokerError if the delivery that the settings name is not allowed or not known here."""
    if settings.delivery.mode == "exactly_once":
        # Not the worker's own id: a check must not fence a worker that runs.
        probe = settings.kafka.model_copy(update={"instance_id": f"check-{uuid.uuid4().hex}"})
        ExactlyOnce(settings.model_copy(update={"kafka": probe})).close()


def _send(producer: Any, records: Sequence[Outgoing]) -> list[Any]:
    return [
        producer.send(item.topic, item.value, key=item.key, headers=item.headers, partition=item.partition)
        for item in records
    ]


def _close(producer: Any) -> None:
    try:
        producer.close(timeout=CLOSE_S)
    except KafkaError as error:
        logger.warning("producer did not close in order: %s", error)
