"""Output and input offsets leave together: in one transaction, or flushed before the commit."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from kafka import TopicPartition
from kafka.errors import InvalidProducerEpochError, KafkaError, ProducerFencedError
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata

from monitor.broker.clients import close_producer, open_producer
from monitor.broker.reading import answers
from monitor.broker.transactions import (
    BLOCK_S,
    Deadline,
    TransactionalProducer,
    await_partitions,
    await_sent,
)
from monitor.config import Settings
from monitor.errors import BrokerError

logger = logging.getLogger(__name__)
CLOSE_S = 5.0  # an unreachable broker must not hold up the end of the process
ANSWER_S = 8.0  # for all of a transaction, or of flush and commit
REOPEN_S = 3.0  # to reach the broker for a new producer; then the loop goes round first


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to be produced; partition None means by the key's hash."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Parcel:
    """Everything that one commit holds."""

    records: list[Outgoing]  # events, beats, dead letters, and the ends of streams' states
    snapshots: list[Outgoing]
    offsets: dict[TopicPartition, OffsetAndMetadata]
    member: ConsumerGroupMetadata  # lets the broker refuse a worker that lost its partitions


class OutcomeUnknownError(Exception):
    """Whether a transaction was committed is not known, or another worker has taken our place.

    What is in memory may be behind or ahead of the commit: partitions are to be taken up again from there.
    """


class Delivery(Protocol):
    """How a parcel is sent."""

    stage_seconds: dict[str, float]  # "produce" and "commit" of the last delivery that succeeded
    placed: list[int]  # offsets of its snapshots, in order

    def deliver(self, parcel: Parcel) -> bool:
        """True if all is committed, False if none is and it may be tried again; else OutcomeUnknownError."""
        ...

    def settle(self) -> None:
        """End what an attempt of ours that failed has left open: taking up would wait for the broker to."""
        ...

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Let go of the producer."""
        ...


class ExactlyOnce:
    """One Kafka transaction a parcel; it never spans a poll, so a rebalance finds none open.

    After one that was not committed the producer is replaced: what the client keeps of it would be
    committed with the next one.
    """

    def __init__(self, settings: Settings, answers: Callable[[], bool] = lambda: True) -> None:
        """answers: whether the broker does, asked before a producer is made anew."""
        self.stage_seconds: dict[str, float] = {}
        self.placed: list[int] = []
        self._kafka, self._answers = settings.kafka, answers
        # A static member fences its earlier life at once; a dynamic one's transaction times out.
        member = settings.kafka.instance_id or uuid.uuid4().hex
        self._id = f"{settings.kafka.transactional_id_prefix}-{member}"
        self._producer: TransactionalProducer | None = TransactionalProducer(settings.kafka, self._id)

    def deliver(self, parcel: Parcel) -> bool:
        """True if the transaction was committed; False if it never will be."""
        producer = self._ready()
        if producer is None:
            return False
        began, deadline = time.perf_counter(), Deadline(ANSWER_S)
        try:
            producer.begin()
            records = [*parcel.records, *parcel.snapshots]
            producer.await_partitions(_placed(records), deadline)
            futures = _send(producer, records, deadline)
            producer.add_offsets(parcel.offsets, parcel.member, deadline)
            sent = await_sent(futures, deadline)
        except (ProducerFencedError, InvalidProducerEpochError) as error:
            self._discard(error)
            raise OutcomeUnknownError(f"another worker uses {self._id}: {error}") from error
        except KafkaError as error:
            self._discard(error)
            return False
        produced = time.perf_counter()
        try:
            producer.commit(deadline)
        except KafkaError as error:
            self._discard(error)
            raise OutcomeUnknownError(
                f"transaction of {self._id} may be committed or not: {error}"
            ) from error
        self.placed = [record.offset for record in sent[len(parcel.records) :]]
        self.stage_seconds = {"produce": produced - began, "commit": time.perf_counter() - produced}
        return True

    def settle(self) -> None:
        """By a new producer, whose beginning ends an open transaction of the one before at once."""
        self._ready()

    def _ready(self) -> TransactionalProducer | None:
        """A producer, made anew where the last one was discarded; None while the broker is away."""
        if self._producer is None and self._answers():
            quick = min(REOPEN_S, self._kafka.connect_timeout_s)
            settings = self._kafka.model_copy(update={"connect_timeout_s": quick})
            try:
                self._producer = TransactionalProducer(settings, self._id)
            except BrokerError as error:
                logger.warning("no producer for %s yet: %s", self._id, error)
        return self._producer

    def _discard(self, error: KafkaError) -> None:
        logger.warning("transaction of %s not committed: %s", self._id, error)
        if self._producer is not None:
            self._producer.discard()
        self._producer = None

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Close the producer; an open transaction is left to the broker."""
        if self._producer is not None:
            self._producer.close(timeout_s)


class AtLeastOnce:
    """Flush, then commit: a crash between the two repeats output, with the same event ids."""

    def __init__(self, settings: Settings, consumer: Any) -> None:
        self.stage_seconds: dict[str, float] = {}
        self.placed: list[int] = []
        self._producer = open_producer(settings.kafka, max_block_ms=round(1000 * BLOCK_S))
        self._consumer = consumer

    def deliver(self, parcel: Parcel) -> bool:
        """True if all was acknowledged and the offsets are committed."""
        began, deadline = time.perf_counter(), Deadline(ANSWER_S)
        try:
            self._flush(parcel.records, deadline)
            # Only then: a restart skips the input before a snapshot, so its output must be out.
            self.placed = [record.offset for record in self._flush(parcel.snapshots, deadline)]
            produced = time.perf_counter()
            self._consumer.commit(parcel.offsets, timeout_ms=round(1000 * deadline.left_s))
        except KafkaError as error:
            logger.warning("commit failed, will be tried again: %s", error)
            return False
        self.stage_seconds = {"produce": produced - began, "commit": time.perf_counter() - produced}
        return True

    def settle(self) -> None:
        """Nothing is ever open."""

    def _flush(self, records: Sequence[Outgoing], deadline: Deadline) -> list[Any]:
        await_partitions(self._producer, _placed(records), deadline)
        return await_sent(_send(self._producer, records, deadline), deadline)

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Close the producer."""
        close_producer(self._producer, timeout_s)


def open_delivery(settings: Settings, consumer: Any) -> Delivery:
    """The delivery that the settings name."""
    if settings.delivery.mode == "exactly_once":
        first = TopicPartition(settings.kafka.topics.signal, 0)
        return ExactlyOnce(settings, partial(answers, consumer, first))
    return AtLeastOnce(settings, consumer)


def probe_transactions(settings: Settings) -> None:
    """Raise BrokerError if the delivery that the settings name is not allowed or not known here."""
    if settings.delivery.mode == "exactly_once":
        # Not the worker's own id: a check must not fence a worker that runs.
        probe = settings.kafka.model_copy(update={"instance_id": f"check-{uuid.uuid4().hex}"})
        ExactlyOnce(settings.model_copy(update={"kafka": probe})).close()


def _placed(records: Sequence[Outgoing]) -> set[TopicPartition]:
    return {TopicPartition(item.topic, item.partition) for item in records if item.partition is not None}


def _send(producer: Any, records: Sequence[Outgoing], deadline: Deadline) -> list[Any]:
    futures = []
    for item in records:
        future = producer.send(
            item.topic, item.value, key=item.key, headers=item.headers, partition=item.partition
        )
        futures.append(future)
        # Each may have waited for metadata in vain, BLOCK_S long: the rest would, too.
        if not deadline.left_s or future.is_done:
            await_sent([future], deadline)
    return futures
