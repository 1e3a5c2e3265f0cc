"""Where a partition is taken up, and the state that is found there."""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from monitor.broker.clients import open_consumer, open_producer
from monitor.broker.topics import create_topics
from monitor.config import KafkaSettings, Topics
from monitor.errors import BrokerError
from monitor.worker.positions import StartPoint, commit_entry, snapshot_headers
from monitor.worker.recovery import read_snapshots, start_points
from tests.support.kafka_fakes import place


class FakeOffsets:
    """A consumer that knows a beginning and a commit."""

    def __init__(self, first: int, committed: OffsetAndMetadata | None) -> None:
        self.first, self.entry = first, committed

    def beginning_offsets(self, places: list[TopicPartition], timeout_ms: float) -> dict[TopicPartition, int]:
        """As set."""
        return dict.fromkeys(places, self.first)

    def committed(self, where: TopicPartition, metadata: bool, timeout_ms: float) -> Any:
        """As set."""
        return self.entry


@pytest.mark.parametrize(
    ("first", "committed", "start"),
    [
        (0, None, StartPoint(0, 0)),
        (40, None, StartPoint(40, 40)),
        (0, commit_entry(9, 5), StartPoint(5, 9)),
        (7, commit_entry(9, 5), StartPoint(7, 9)),
        (12, commit_entry(9, 5), StartPoint(12, 12, lost=3)),
    ],
)
def test_where_a_partition_goes_on(
    monkeypatch: pytest.MonkeyPatch, first: int, committed: OffsetAndMetadata | None, start: StartPoint
) -> None:
    """At the replay offset, but not before what retention has left; what was lost is counted."""
    monkeypatch.setattr("monitor.worker.recovery.read_snapshots", lambda *_: {0: {}})
    points = start_points(FakeOffsets(first, committed), KafkaSettings(), [place()])
    assert points == {place(): start}


@pytest.fixture
def settings(broker: str) -> KafkaSettings:
    """Topics of the test's own."""
    own = uuid.uuid4().hex[:8]
    names = {name: f"{own}.{name}" for name in Topics.model_fields}
    settings = KafkaSettings(bootstrap_servers=broker, topics=Topics(**names), group_id=own)
    create_topics(settings, 2)
    return settings


def _write(settings: KafkaSettings, *records: tuple[str, bytes | None, int, str]) -> None:
    producer = open_producer(settings)
    for key, value, offset, group in records:
        headers = snapshot_headers(group, offset)
        producer.send(settings.topics.state, value, key=key.encode(), headers=headers, partition=1)
    producer.flush(timeout=10)
    producer.close(timeout=5)


@pytest.mark.integration
def test_the_last_snapshot_of_each_stream_is_found(settings: KafkaSettings) -> None:
    """Another group's is not ours, a deleted one is gone, and an empty partition is empty."""
    mine = settings.group_id
    _write(
        settings,
        ("a", b"old", 3, mine),
        ("b", b"state", 4, mine),
        ("a", b"new", 8, mine),
        ("a", b"theirs", 9, "another"),
        ("c", b"state", 5, mine),
        ("c", None, 6, mine),
    )
    found = read_snapshots(settings, [0, 1])
    assert found[0] == {}
    assert {(each.stream, each.offset, each.state) for each in found[1].values()} == {
        ("a", 8, b"new"),
        ("b", 4, b"state"),
    }


@pytest.mark.integration
def test_a_commit_is_read_back(settings: KafkaSettings) -> None:
    """What one member commits in a transaction, the next finds."""
    where = TopicPartition(settings.topics.signal, 1)
    producer = open_producer(settings, f"{settings.group_id}-one")
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(settings.topics.signal, b"x", key=b"k", partition=1)
    producer.send_offsets_to_transaction({where: commit_entry(1, 0)}, settings.group_id)
    producer.commit_transaction()
    producer.close(timeout=5)
    consumer = open_consumer(settings)
    try:
        points = start_points(consumer, settings, [where])
    finally:
        consumer.close(timeout_ms=1000)
    assert points == {where: StartPoint(0, 1)}


@pytest.mark.integration
@pytest.mark.kafka
def test_a_killed_workers_open_transaction_is_waited_for(kafka_broker: str) -> None:
    """It hides what its successor committed after it; reading on without would find older state."""
    own = uuid.uuid4().hex[:8]
    names = {name: f"{own}.{name}" for name in Topics.model_fields}
    settings = KafkaSettings(
        bootstrap_servers=kafka_broker, topics=Topics(**names), group_id=own, transaction_timeout_s=2.0
    )
    create_topics(settings, 2)
    _write(settings, ("a", b"old", 1, own))
    zombie = open_producer(settings, f"{own}-zombie")
    zombie.init_transactions()
    zombie.begin_transaction()
    headers = snapshot_headers(own, 2)
    zombie.send(settings.topics.state, b"never", key=b"a", headers=headers, partition=1)
    zombie.flush(timeout=10)
    _write(settings, ("a", b"new", 3, own))
    with pytest.raises(BrokerError, match=r"state\[1\] cannot be read to the end"):
        read_snapshots(settings, [1], timeout_s=0.3)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(read_snapshots(settings, [1])[1]["a"].state))
    began = time.monotonic()
    reader.start()
    reader.join(30)
    assert found == [b"new"]
    assert time.monotonic() - began < 15
    zombie.close(timeout=1)
