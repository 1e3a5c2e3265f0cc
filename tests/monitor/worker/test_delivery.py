"""Parcels in one transaction, or flushed before the commit."""

from __future__ import annotations

import pytest
from kafka.errors import CommitFailedError, KafkaTimeoutError, MessageSizeTooLargeError, ProducerFencedError

from monitor.config import Settings, load_settings
from monitor.errors import BrokerError
from monitor.worker.delivery import (
    AtLeastOnce,
    Delivery,
    ExactlyOnce,
    Parcel,
    open_delivery,
    probe_transactions,
)
from monitor.worker.partition import Outgoing
from monitor.worker.positions import commit_entry
from tests.support.kafka_fakes import STABLE, FakeConsumer, FakeProducer, place

EVENT = Outgoing("events", b"s", b"event", [])
STATE = Outgoing("state", b"s", b"state", [], 3)
PARCEL = Parcel([EVENT], [STATE], {place(): commit_entry(9, 7)}, STABLE)


def _with(
    producer: FakeProducer, monkeypatch: pytest.MonkeyPatch, mode: str, consumer: FakeConsumer
) -> Delivery:
    monkeypatch.setattr("monitor.worker.delivery.open_producer", lambda *_: producer)
    return open_delivery(load_settings(None, {"delivery.mode": mode}), consumer)


def _exactly_once(producer: FakeProducer, monkeypatch: pytest.MonkeyPatch) -> Delivery:
    return _with(producer, monkeypatch, "exactly_once", FakeConsumer())


def test_a_transaction_holds_output_state_and_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this order, each to its topic and partition."""
    producer = FakeProducer()
    delivery = _exactly_once(producer, monkeypatch)
    assert isinstance(delivery, ExactlyOnce)
    assert delivery.deliver(PARCEL)
    assert producer.calls == ["init", "begin", "send", "send", "offsets", "commit"]
    assert [(topic, options["partition"]) for topic, options in producer.sent] == [
        ("events", None),
        ("state", 3),
    ]
    assert set(delivery.stage_seconds) == {"produce", "commit"}


@pytest.mark.parametrize("step", ["send", "offsets", "commit"])
def test_a_failed_transaction_is_aborted_and_may_be_tried_again(
    monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Nothing of it is committed."""
    error = MessageSizeTooLargeError() if step == "send" else CommitFailedError()
    producer = FakeProducer(**{step: error})
    assert not _exactly_once(producer, monkeypatch).deliver(PARCEL)
    assert producer.calls[-1] == "abort"
    assert "commit" not in producer.calls[:-1] or step == "commit"


def test_a_fenced_worker_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another producer of the same id has taken over; what is in memory is not the truth."""
    fenced = ProducerFencedError()
    delivery = _exactly_once(FakeProducer(commit=fenced, abort=fenced), monkeypatch)
    with pytest.raises(BrokerError, match="cannot be aborted"):
        delivery.deliver(PARCEL)


def test_a_producer_that_does_not_close_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends all the same."""
    _exactly_once(FakeProducer(close=KafkaTimeoutError()), monkeypatch).close()


def test_at_least_once_sends_events_then_state_then_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot goes out only when the output that it stands for is out."""
    producer, consumer = FakeProducer(), FakeConsumer()
    delivery = _with(producer, monkeypatch, "at_least_once", consumer)
    assert isinstance(delivery, AtLeastOnce)
    assert delivery.deliver(PARCEL)
    assert producer.calls == ["send", "flush", "ack"] * 2
    assert consumer.commits == [PARCEL.offsets]


def test_at_least_once_commits_nothing_that_was_not_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The offsets stay, so a restart does it again."""
    consumer = FakeConsumer()
    delivery = _with(FakeProducer(ack=KafkaTimeoutError()), monkeypatch, "at_least_once", consumer)
    assert not delivery.deliver(PARCEL)
    assert consumer.commits == []
    delivery.close()


def test_transactional_ids_are_the_members_or_random(monkeypatch: pytest.MonkeyPatch) -> None:
    """A static member fences its earlier life; dynamic ones never fence each other."""
    ids: list[str] = []

    def note(_: Settings, transactional_id: str) -> FakeProducer:
        ids.append(transactional_id)
        return FakeProducer()

    monkeypatch.setattr("monitor.worker.delivery.open_producer", note)
    for instance in ("pod-0", None, None):
        ExactlyOnce(load_settings(None, {"kafka.instance_id": instance}))
    assert ids[0] == "ecg-monitor-pod-0"
    assert len(set(ids)) == 3


def test_a_probe_fences_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """It uses an id of its own; without transactions there is nothing to probe."""
    ids: list[str] = []

    def note(_: Settings, transactional_id: str) -> FakeProducer:
        ids.append(transactional_id)
        return FakeProducer()

    monkeypatch.setattr("monitor.worker.delivery.open_producer", note)
    probe_transactions(load_settings(None, {"kafka.instance_id": "pod-0"}))
    probe_transactions(load_settings(None, {"delivery.mode": "at_least_once"}))
    assert len(ids) == 1
    assert "pod-0" not in ids[0]
