"""Topics that belong together are raised together, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.broker import topics as topics_module
from monitor.broker.clients import open_admin, open_consumer
from monitor.broker.topics import (
    create_topics,
    partition_counts,
    raise_partitions,
    signal_id,
    topic_problems,
)
from monitor.config import KafkaSettings
from monitor.errors import BrokerError
from tests.support.daemon.harness import wait_until
from tests.support.daemon.topics import own_topics

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(broker: str) -> KafkaSettings:
    """Topics of the test's own, with two partitions."""
    return own_topics(broker, 2)


def _raise(settings: KafkaSettings, name: str, count: int) -> None:
    admin = open_admin(settings)
    try:
        admin.create_partitions({name: count})
    finally:
        admin.close()


def test_all_that_belong_together_are_raised(
    settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`signal` last, so that none of its partitions is ever without its mirrors; a second time nothing is."""
    order: list[str] = []
    names = settings.topics

    def seen(admin: Any, settings: KafkaSettings, name: str, count: int) -> None:
        order.append(name)
        wait(admin, settings, name, count)

    wait = topics_module._await_partitions
    monkeypatch.setattr(topics_module, "_await_partitions", seen)
    raised = raise_partitions(settings, 5)
    following = set(names.model_dump().values()) - {names.deadletter}
    assert raised == dict.fromkeys(following, 2)
    assert (set(order), order[-1]) == (following, names.signal)
    assert partition_counts(settings) == dict.fromkeys(following, 5) | {names.deadletter: 1}
    assert raise_partitions(settings, 5) == {}


def test_topics_that_somebody_raised_by_hand_are_brought_together(settings: KafkaSettings) -> None:
    """Those that have the number stay."""
    _raise(settings, settings.topics.signal, 4)
    assert topic_problems(settings)
    assert settings.topics.signal not in raise_partitions(settings, 4)
    assert topic_problems(settings) == []


def test_partitions_are_never_to_be_taken_away(settings: KafkaSettings) -> None:
    """One topic with more: nothing is changed, and what would do is named."""
    _raise(settings, settings.topics.beats, 6)
    before = partition_counts(settings)
    with pytest.raises(BrokerError, match=rf"{settings.topics.beats} has 6; .*wanted 6 or more"):
        raise_partitions(settings, 4)
    assert partition_counts(settings) == before


def test_a_broker_that_is_away_tells_no_id() -> None:
    """Which is not the same as one that has none."""
    with pytest.raises(BrokerError, match=r"127\.0\.0\.1:1: cannot be reached"):
        signal_id(KafkaSettings(bootstrap_servers="127.0.0.1:1"))


def test_a_broker_without_ids_tells_none(noida_broker: str) -> None:
    """Though the topic is there."""
    settings = KafkaSettings(bootstrap_servers=noida_broker)
    create_topics(settings, 1)
    assert signal_id(settings) is None


@pytest.mark.kafka
def test_a_topic_made_anew_has_another_id(kafka_broker: str) -> None:
    """Though its name is the same."""
    settings = own_topics(kafka_broker, 1)
    topics = settings.topics
    before = signal_id(settings)
    assert before == signal_id(settings) is not None
    consumer = open_consumer(settings)  # which names it in the same way, in kafka-python 3.0.12
    consumer.partitions_for_topic(topics.signal)
    assert str(consumer._cluster.topic_id(topics.signal)) == before
    consumer.close(timeout_ms=1000)
    admin = open_admin(settings)
    try:
        admin.delete_topics([topics.signal])
    finally:
        admin.close()
    wait_until(lambda: bool(create_topics(settings, 1)), 20, "the topic to be gone")
    assert signal_id(settings) not in (None, before)
