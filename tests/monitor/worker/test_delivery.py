"""Parcels in one transaction, or flushed before the commit."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kafka.errors import CommitFailedError, KafkaTimeoutError, ProducerFencedError

from monitor.config import Settings, load_settings
from monitor.worker.delivery import (
    AtLeastOnce,
    Delivery,
    ExactlyOnce,
    OutcomeUnknownError,
    Outgoing,
    Parcel,
    open_delivery,
    probe_transactions,
)
from monitor.worker.positions import commit_entry
from tests.support.kafka_fakes import STABLE, FakeConsumer, FakeProducer, place

EVENT = Outgoing("events", b"s", b"event", [])
STATE = Outgoing("state", b"s", b"state", [], 3)
PARCEL = Parcel([EVENT], [STATE], {place(): commit_entry(9, 7)}, STABLE)


def _with(
    producers: list[FakeProducer], monkeypatch: pytest.MonkeyPatch, mode: str, consumer: FakeConsumer
) -> Delivery:
    monkeypatch.setattr("monitor.broker.transactions.open_producer", lambda *_, **options: producers.pop(0))
    monkeypatch.setattr("monitor.worker.delivery.open_producer", lambda *_, **options: producers.pop(0))
    return open_delivery(load_settings(None, {"delivery.mode": mode}), consumer)


def _exactly_once(monkeypatch: pytest.MonkeyPatch, *producers: FakeProducer) -> Delivery:
    return _with(list(producers), monkeypatch, "exactly_once", FakeConsumer())


def test_a_transaction_holds_output_state_and_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every record is acknowledged before the commit; each goes to its topic and partition."""
    producer = FakeProducer()
    delivery = _exactly_once(monkeypatch, producer)
    assert isinstance(delivery, ExactlyOnce)
    assert delivery.deliver(PARCEL)
    assert producer.calls == ["init", "begin", "send", "send", "offsets", "ack", "ack", "commit"]
    assert [(topic, options["partition"]) for topic, options in producer.sent] == [
        ("events", None),
        ("state", 3),
    ]
    assert set(delivery.stage_seconds) == {"produce", "commit"}


@pytest.mark.parametrize("step", ["begin", "send", "offsets", "ack"])
def test_what_was_not_committed_goes_by_another_producer(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Nothing of it is committed, and nothing that the client keeps of it can be later."""
    failed, next_one = FakeProducer(**{step: CommitFailedError()}), FakeProducer()
    delivery = _exactly_once(monkeypatch, failed, next_one)
    assert not delivery.deliver(PARCEL)
    assert failed.calls[-2:] == ["force", "close"]
    assert "commit" not in failed.calls
    assert delivery.deliver(PARCEL)
    assert next_one.calls[0] == "init"
    assert next_one.calls[-1] == "commit"


def test_a_commit_that_is_not_answered_has_no_known_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been carried out: sending the same again could double it."""
    monkeypatch.setattr("monitor.worker.delivery.ANSWER_S", 0.01)
    for failed in (FakeProducer(never="commit"), FakeProducer(commit=KafkaTimeoutError())):
        delivery = _exactly_once(monkeypatch, failed)
        with pytest.raises(OutcomeUnknownError, match="may be committed or not"):
            delivery.deliver(PARCEL)
        assert failed.calls[-2:] == ["force", "close"]


def test_no_wait_is_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """kafka-python forgets a request in some crashes: then its answer never comes."""
    monkeypatch.setattr("monitor.worker.delivery.ANSWER_S", 0.01)
    assert not _exactly_once(monkeypatch, FakeProducer(never="offsets")).deliver(PARCEL)


def test_a_fenced_worker_begins_again_from_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another producer of the same id has taken over: what is in memory is not the truth."""
    delivery = _exactly_once(monkeypatch, FakeProducer(ack=ProducerFencedError()), FakeProducer())
    with pytest.raises(OutcomeUnknownError, match="another worker uses ecg-monitor-"):
        delivery.deliver(PARCEL)
    assert delivery.deliver(PARCEL)


def test_what_was_left_open_is_ended_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A producer of the same id ends it at once; the broker does so after its time only."""
    failed, next_one = FakeProducer(never="commit"), FakeProducer()
    monkeypatch.setattr("monitor.worker.delivery.ANSWER_S", 0.01)
    delivery = _exactly_once(monkeypatch, failed, next_one)
    with pytest.raises(OutcomeUnknownError):
        delivery.deliver(PARCEL)
    for _ in range(2):
        delivery.settle()
        assert next_one.calls == ["init"]


def test_a_broker_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """One attempt a call, none where nobody answers; the loop goes round in between."""
    failed, unready, ready = (
        FakeProducer(ack=CommitFailedError()),
        FakeProducer(init=KafkaTimeoutError()),
        FakeProducer(),
    )
    consumer = FakeConsumer()
    delivery = _with([failed, unready, ready], monkeypatch, "exactly_once", consumer)
    assert not delivery.deliver(PARCEL)
    consumer.answers = False
    assert not delivery.deliver(PARCEL)
    assert unready.calls == []
    consumer.answers = True
    assert not delivery.deliver(PARCEL)
    assert unready.calls == ["init", "force", "close"]
    assert delivery.deliver(PARCEL)
    delivery.close()
    assert ready.calls[-1] == "close"


def test_a_producer_that_does_not_close_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends all the same."""
    _exactly_once(monkeypatch, FakeProducer(close=KafkaTimeoutError())).close()


def test_at_least_once_sends_events_then_state_then_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot goes out only when the output that it stands for is out."""
    producer, consumer = FakeProducer(), FakeConsumer()
    delivery = _with([producer], monkeypatch, "at_least_once", consumer)
    assert isinstance(delivery, AtLeastOnce)
    assert delivery.deliver(PARCEL)
    assert producer.calls == ["send", "ack"] * 2
    assert consumer.commits == [PARCEL.offsets]


def test_at_least_once_commits_nothing_that_was_not_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The offsets stay, so a restart does it again."""
    consumer = FakeConsumer()
    delivery = _with([FakeProducer(ack=KafkaTimeoutError())], monkeypatch, "at_least_once", consumer)
    assert not delivery.deliver(PARCEL)
    assert consumer.commits == []
    delivery.close()


def test_transactional_ids_are_the_members_or_random(monkeypatch: pytest.MonkeyPatch) -> None:
    """A static member fences its earlier life; dynamic ones never fence each other."""
    ids: list[str] = []

    def note(_: Settings, transactional_id: str, **options: int) -> FakeProducer:
        ids.append(transactional_id)
        return FakeProducer()

    monkeypatch.setattr("monitor.broker.transactions.open_producer", note)
    for instance in ("pod-0", None, None):
        ExactlyOnce(load_settings(None, {"kafka.instance_id": instance}))
    assert ids[0] == "ecg-monitor-pod-0"
    assert len(set(ids)) == 3


def test_a_probe_fences_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """It uses an id of its own; without transactions there is nothing to probe."""
    ids: list[str] = []

    def note(_: Settings, transactional_id: str, **options: int) -> FakeProducer:
        ids.append(transactional_id)
        return FakeProducer()

    monkeypatch.setattr("monitor.broker.transactions.open_producer", note)
    probe_transactions(load_settings(None, {"kafka.instance_id": "pod-0"}))
    probe_transactions(load_settings(None, {"delivery.mode": "at_least_once"}))
    assert len(ids) == 1
    assert "pod-0" not in ids[0]


def test_one_failed_send_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without metadata each waits for seconds: many would keep the loop for minutes."""
    producer = FakeProducer()
    failed = SimpleNamespace(is_done=True, failed=lambda: True, exception=KafkaTimeoutError())

    def send(*_: object, **options: object) -> object:
        producer.calls.append("send")
        return failed

    monkeypatch.setattr(producer, "send", send)
    parcel = Parcel([EVENT] * 1000, [], PARCEL.offsets, STABLE)
    assert not _exactly_once(monkeypatch, producer).deliver(parcel)
    assert producer.calls.count("send") == 1


def test_flush_and_commit_share_one_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """One after the other, each with its own, they would stand longer than the watchdog allows."""
    monkeypatch.setattr("monitor.worker.delivery.ANSWER_S", 0.5)
    consumer, given = FakeConsumer(), list[float]()
    monkeypatch.setattr(consumer, "commit", lambda offsets, timeout_ms: given.append(timeout_ms))
    assert _with([FakeProducer()], monkeypatch, "at_least_once", consumer).deliver(PARCEL)
    assert 0 < given[0] <= 500
