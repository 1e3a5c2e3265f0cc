"""Gauges that follow clock and broker."""

from __future__ import annotations

import time

import pytest
from prometheus_client import generate_latest

from monitor.config import load_settings
from monitor.worker.gauges import Gauges
from monitor.worker.metrics import Metrics, new_metrics
from tests.support.kafka_fakes import FakeConsumer, partition, place
from tests.support.stub_detector import Memory, StubDetector

LAG = 'partition="0",topic="ecg.signal"'


class Clock:
    """The monotonic clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 50.0
        monkeypatch.setattr("monitor.worker.gauges.time.monotonic", lambda: self.now_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """At 50 s."""
    return Clock(monkeypatch)


@pytest.fixture
def consumer() -> FakeConsumer:
    """Of one partition that ends at 10."""
    consumer = FakeConsumer()
    consumer.highwaters[place()] = 10
    return consumer


@pytest.fixture
def metrics() -> Metrics:
    """Fresh."""
    return new_metrics()


@pytest.fixture
def gauges(clock: Clock, consumer: FakeConsumer, metrics: Metrics) -> Gauges:
    """With one stream that learns."""
    detector = StubDetector()
    detector.memory["s", 0] = Memory()
    return Gauges(load_settings(), detector, metrics, consumer)


def _lines(metrics: Metrics) -> list[str]:
    return [
        line.removeprefix("ecg_monitor_") for line in generate_latest(metrics.registry).decode().splitlines()
    ]


def test_streams_fall_silent_and_come_back(gauges: Gauges, clock: Clock, metrics: Metrics) -> None:
    """By the time since their last record."""
    gauges.saw([("s", 0), ("t", 0)])
    clock.now_s += 11
    gauges.saw([("t", 0)])
    gauges.update({})
    assert {"streams_silent 1.0", "streams_active 1.0", "streams_learning 1.0"} <= set(_lines(metrics))


def test_silence_shows_within_five_seconds(gauges: Gauges, clock: Clock, metrics: Metrics) -> None:
    """By default, though gauges are set once a second; a chunk a second is no silence."""
    gauges.update({})
    for step in range(50):
        if step % 10 == 0 and step <= 10:
            gauges.saw([("s", 0)])
        gauges.update({})
        assert "streams_silent 0.0" in _lines(metrics)
        clock.now_s += 0.1
    clock.now_s += 1.0
    gauges.update({})
    assert "streams_silent 1.0" in _lines(metrics)


def test_a_stream_long_silent_is_no_longer_counted(gauges: Gauges, clock: Clock, metrics: Metrics) -> None:
    """A patient who went home does not stay a fault for ever."""
    gauges.saw([("s", 0)])
    clock.now_s += 3601
    gauges.update({})
    assert {"streams_silent 0.0", "streams_active 0.0"} <= set(_lines(metrics))


def test_a_stream_in_two_partitions_is_one_and_is_told(
    gauges: Gauges, clock: Clock, metrics: Metrics
) -> None:
    """While it sends to both."""
    gauges.saw([("s", 0), ("t", 0), ("s", 1)])
    gauges.update({})
    assert {"streams_active 2.0", "streams_in_two_partitions 1.0"} <= set(_lines(metrics))
    clock.now_s += 11
    gauges.saw([("s", 1), ("t", 0)])
    gauges.update({})
    assert {"streams_active 2.0", "streams_silent 0.0"} <= set(_lines(metrics))
    assert "streams_in_two_partitions 0.0" in _lines(metrics)


def test_lag_is_counted_and_timed(gauges: Gauges, metrics: Metrics) -> None:
    """By the end of the partition, and by the age of the last record processed."""
    gauges.reached(place(), round(1000 * (time.time() - 30)))
    gauges.update({place(): partition(replay=4)})
    lines = _lines(metrics)
    assert f"consumer_lag_records{{{LAG}}} 6.0" in lines
    (seconds,) = (line for line in lines if line.startswith("consumer_lag_seconds{"))
    assert float(seconds.split()[1]) == pytest.approx(30, abs=1)


def test_no_lag_is_no_age(gauges: Gauges, metrics: Metrics, consumer: FakeConsumer) -> None:
    """However long ago the last record was; so is an end that is not known."""
    gauges.reached(place(), 0)
    gauges.update({place(): partition(replay=10), place(1): partition(replay=3, number=1)})
    assert f"consumer_lag_seconds{{{LAG}}} 0.0" in _lines(metrics)
    assert 'consumer_lag_records{partition="1",topic="ecg.signal"} 0.0' in _lines(metrics)


def test_a_partition_given_away_is_no_longer_shown(gauges: Gauges, metrics: Metrics) -> None:
    """Its next owner shows it; and its streams are no longer counted."""
    gauges.saw([("s", 0)])
    gauges.update({place(): partition()})
    gauges.forget(place(), ["s"])
    gauges.forget(place(1), [])
    assert not [line for line in _lines(metrics) if line.startswith("consumer_lag_records{")]


def test_gauges_are_set_once_a_second(gauges: Gauges, clock: Clock, metrics: Metrics) -> None:
    """They cost as much as streams there are."""
    gauges.update({})
    gauges.saw([("s", 0)])
    gauges.update({})
    assert "streams_active 0.0" in _lines(metrics)
    clock.now_s += 1
    gauges.update({})
    assert "streams_active 1.0" in _lines(metrics)
