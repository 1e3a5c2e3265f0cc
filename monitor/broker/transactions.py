"""Transactions of kafka-python with every wait bounded, and nothing kept of one that was not committed.

kafka-python 3.0.12 waits for the coordinator without an end in `send_offsets_to_transaction` and
`commit_transaction`; its sender forgets a request whose coordinator's connection fails in a certain moment
(`Sender._maybe_send_transactional_request`), so that such a wait never ends. It keeps the offsets of an
aborted transaction (`TransactionManager._pending_txn_offset_commits`) and commits them with the next one,
also those of partitions that meanwhile belong to another worker. And where a topic's metadata do not come,
`send` returns a future that has failed and will never wake its waiter, while the transaction goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata

from monitor.broker.clients import close_producer, explained, open_producer
from monitor.config import KafkaSettings

BLOCK_S = 5.0  # for a topic's metadata, and for the coordinator at the beginning
LOOK_S = 0.05  # for a partition that was added
BACKOFF_MS = 20  # the broker ends a transaction after it has answered; one that follows at once must wait
REQUEST_S = 10.0  # after which a connection that is silent is given up


class Deadline:
    """A moment until which several waits may take together."""

    def __init__(self, seconds: float) -> None:
        self._at_s = time.monotonic() + seconds

    @property
    def left_s(self) -> float:
        """Seconds until then; not below 0."""
        return max(0.0, self._at_s - time.monotonic())


class TransactionalProducer:
    """A producer that has fenced its predecessors of the same id; to be discarded after a failure."""

    def __init__(self, settings: KafkaSettings, transactional_id: str) -> None:
        self._producer = open_producer(
            settings,
            transactional_id,
            max_block_ms=round(1000 * BLOCK_S),
            request_timeout_ms=round(1000 * REQUEST_S),
            retry_backoff_ms=BACKOFF_MS,
        )
        try:
            with explained(settings):
                # Ends what an earlier producer of this id has left open: committed or not, it is then known.
                self._producer.init_transactions()
        except BaseException:
            self.discard()
            raise

    def begin(self) -> None:
        """Begin a transaction; raises KafkaError."""
        self._producer.begin_transaction()

    def await_partitions(self, places: Iterable[TopicPartition], deadline: Deadline) -> None:
        """As the function below."""
        await_partitions(self._producer, places, deadline)

    def send(self, topic: str, value: bytes | None, **options: Any) -> Any:
        """Hand a record over; what becomes of it is known by the future. Raises KafkaError."""
        return self._producer.send(topic, value, **options)

    def add_offsets(
        self,
        offsets: Mapping[TopicPartition, OffsetAndMetadata],
        member: ConsumerGroupMetadata,
        deadline: Deadline,
    ) -> None:
        """Make input offsets part of the transaction; raises KafkaError."""
        manager = self._producer._transaction_manager
        self._await(manager.send_offsets_to_transaction(dict(offsets), member), "the offsets", deadline)

    def commit(self, deadline: Deadline) -> None:
        """Commit; raises KafkaError, after which nobody knows whether it was committed."""
        self._await(self._producer._transaction_manager.begin_commit(), "the commit", deadline)

    def _await(self, result: Any, what: str, deadline: Deadline) -> None:
        self._producer._sender.wakeup()
        if not result.wait(timeout_ms=1000 * deadline.left_s):
            raise KafkaTimeoutError(f"the broker has not answered in time: {what}")

    def discard(self) -> None:
        """Let go of the producer at once, whatever it has in hand; its transaction is left to the broker."""
        with suppress(KafkaError):
            self._producer._sender.force_close()
            self._producer.close(timeout=0)

    def close(self, timeout_s: float) -> None:
        """Close in order; an open transaction is left to the broker."""
        close_producer(self._producer, timeout_s)


def await_partitions(producer: Any, places: Iterable[TopicPartition], deadline: Deadline) -> None:
    """Wait until a producer knows these partitions; raises KafkaTimeoutError.

    It looks for those added lately only now and then, and would call a record for one a caller's mistake.
    """
    for place in places:
        while place.partition not in producer.partitions_for(place.topic):
            if not deadline.left_s:
                raise KafkaTimeoutError(f"{place.topic} has no partition {place.partition}")
            producer._metadata.request_update()
            producer._sender.wakeup()
            time.sleep(LOOK_S)


def await_sent(futures: Sequence[Any], deadline: Deadline) -> list[Any]:
    """Where every record lies, once it is acknowledged; raises the KafkaError of the first that was not."""
    found = []
    for future in futures:
        # One that failed before there was a batch wakes nobody.
        if future.is_done and future.failed():
            raise future.exception
        found.append(future.get(timeout=deadline.left_s))
    return found
