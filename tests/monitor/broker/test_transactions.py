"""What the library must have for every wait to be bounded, and what becomes of a record that was not sent."""

from __future__ import annotations

import inspect
from functools import partial
from types import SimpleNamespace

import kafka
import pytest
from kafka.errors import KafkaTimeoutError, TopicAuthorizationFailedError
from kafka.producer.future import FutureProduceResult, FutureRecordMetadata
from kafka.producer.sender import Sender
from kafka.producer.transaction_manager import TransactionalRequestResult, TransactionManager

from monitor.broker.transactions import Deadline, await_partitions, await_sent
from tests.support.kafka_fakes import FakeProducer


def test_the_library_is_as_we_reach_into_it() -> None:
    """A release that renames what we call, or that bounds its waits itself, is to be looked at."""
    assert kafka.__version__ == "3.0.12"
    assert {"wakeup", "force_close"} <= set(dir(Sender))
    assert list(inspect.signature(TransactionManager.send_offsets_to_transaction).parameters)[1:] == [
        "offsets",
        "group_metadata",
    ]
    assert list(inspect.signature(TransactionManager.begin_commit).parameters) == ["self"]
    assert "timeout_ms" in inspect.signature(TransactionalRequestResult.wait).parameters
    for method in (kafka.KafkaProducer.send_offsets_to_transaction, kafka.KafkaProducer.commit_transaction):
        assert "result.wait()" in inspect.getsource(method)


def test_a_result_that_never_comes_is_not_waited_for() -> None:
    """The library's own answer to a bounded wait is False."""
    assert TransactionalRequestResult().wait(timeout_ms=1.0) is False


def test_a_record_that_was_never_sent_is_told() -> None:
    """Without a topic's metadata the future has failed, and its own `get` waits in vain."""
    future = FutureRecordMetadata(
        FutureProduceResult(kafka.TopicPartition("t", None)), -1, None, None, 0, 0, 0
    ).failure(TopicAuthorizationFailedError())
    with pytest.raises(TopicAuthorizationFailedError):
        await_sent([future], Deadline(60.0))


def test_waits_share_one_deadline() -> None:
    """Many records together take no longer than one."""
    waits: list[float] = []
    future = SimpleNamespace(is_done=False, get=partial(_note, waits))
    await_sent([future, future], Deadline(0.0))
    assert waits == [0.0, 0.0]
    with pytest.raises(KafkaTimeoutError):
        await_sent([_Never()], Deadline(0.01))


def test_a_partition_added_lately_is_asked_for() -> None:
    """The library would call a record for it the caller's mistake."""
    producer = FakeProducer()
    producer.partitions = {0}
    producer._metadata.request_update = lambda: producer.partitions.add(1)
    await_partitions(producer, [kafka.TopicPartition("t", 0), kafka.TopicPartition("t", 1)], Deadline(5.0))
    with pytest.raises(KafkaTimeoutError, match="t has no partition 2"):
        await_partitions(producer, [kafka.TopicPartition("t", 2)], Deadline(0.0))


def _note(waits: list[float], timeout: float) -> None:
    waits.append(timeout)


class _Never:
    is_done = False

    def get(self, timeout: float) -> None:
        raise KafkaTimeoutError(f"Timeout after waiting for {timeout} secs.")
