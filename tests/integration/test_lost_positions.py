"""Positions that no longer fit the input: the topic made anew, or the group's offsets set back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from monitor.broker.clients import open_admin, open_consumer
from monitor.broker.topics import create_topics
from tests.support.daemon.harness import Bench, ecg, producer, wait_until, worker

pytestmark = [pytest.mark.integration, pytest.mark.kafka]


def _made_anew(bench: Bench) -> None:
    """Deleted with all its records, and created again."""
    settings = bench.settings()
    admin = open_admin(settings.kafka)
    try:
        admin.delete_topics([bench.topic("signal")])
    finally:
        admin.close()
    wait_until(lambda: bool(create_topics(settings.kafka, bench.partitions)), 20, "the topic to be gone")


def _set_back(bench: Bench) -> None:
    """To the beginning, as `kafka-consumer-groups --reset-offsets --to-earliest` does."""
    consumer = open_consumer(bench.settings().kafka)
    places = [TopicPartition(bench.topic("signal"), number) for number in range(bench.partitions)]
    try:
        consumer.assign(places)
        consumer.commit({place: OffsetAndMetadata(0, "", -1) for place in places})
    finally:
        consumer.close(timeout_ms=5000)


@pytest.mark.parametrize(
    ("lose", "mode", "said"),
    [
        (_made_anew, "exactly_once", "the topic was made anew: "),
        (_made_anew, "at_least_once", "the topic was made anew: "),
        (_set_back, "exactly_once", "their state holds input that was never committed"),
    ],
)
def test_no_input_vanishes_with_a_lost_position(
    kafka_broker: str, tmp_path: Path, lose: Callable[[Bench], None], mode: str, said: str
) -> None:
    """State that claims input which was never committed is dropped, so all that is there is judged."""
    bench = Bench(kafka_broker, tmp_path, partitions=2, delivery={"mode": mode})
    with worker(bench, None) as running:
        bench.send(ecg(streams=4, first=0, last=6))
        bench.await_events()
        assert running.end() == 0  # its state is written
    before = bench.events()
    lose(bench)
    # The new one grows past where the old one ended.
    bench.send(ecg(streams=4, first=0 if lose is _made_anew else 6, last=12))
    with producer(bench.settings()) as out:  # and what is no snapshot stops nobody
        group = [("group", bench.settings().kafka.group_id.encode())]
        out.send(bench.topic("state"), b"x", key=b"\xff", headers=group, partition=0)
    after = bench.expected()
    with worker(bench, None) as running:
        _await(bench, before, after)
        assert running.end() == 0
    assert bench.events() == {stream: before[stream] + after[stream] for stream in before}
    assert said in running.text()
    assert "passed over: no snapshot" in running.text()


def _await(bench: Bench, *parts: dict[str, list[bytes]]) -> None:
    n_events = sum(len(events) for part in parts for events in part.values())
    wait_until(lambda: sum(map(len, bench.events().values())) >= n_events, 40, f"{n_events} events")


@pytest.mark.parametrize(("instance", "look_s"), [(None, 30.0), ("one", 30.0), ("one", 1.0)])
def test_a_topic_made_anew_under_a_worker_is_read_from_its_beginning(
    kafka_broker: str, tmp_path: Path, instance: str | None, look_s: float
) -> None:
    """No offset of the old one is good for the new one, and no state; nobody has to restart anything."""
    bench = Bench(kafka_broker, tmp_path, partitions=2, kafka={"metadata_max_age_s": look_s})
    with worker(bench, instance) as running:
        bench.send(ecg(streams=4, first=0, last=6))
        bench.await_events()
        before = bench.events()
        _made_anew(bench)
        bench.send(ecg(streams=4, first=0, last=12))
        after = bench.expected()
        _await(bench, before, after)
        running.says("the topic was made anew: ")
        assert running.end() == 0
    assert bench.events() == {stream: before[stream] + after[stream] for stream in before}
