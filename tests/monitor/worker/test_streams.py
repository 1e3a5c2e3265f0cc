"""Streams wake when they send, and fall asleep when they do not."""

from __future__ import annotations

import pytest

from monitor.worker.metrics import new_metrics
from monitor.worker.settings import SettingsInForce
from tests.support.kafka_fakes import partition, streams_of
from tests.support.stub_detector import Memory, StubDetector


def test_silent_streams_fall_asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time set, or sooner where too many are awake; they come back as they were."""
    monkeypatch.setattr("monitor.worker.streams.time.monotonic", lambda: 1000.0)
    detector, metrics = StubDetector(), new_metrics()
    in_force = SettingsInForce(metrics)
    streams = streams_of(detector, in_force, metrics, max_awake=2, sleep_after_s=300.0)
    part = partition()
    for at, (name, sent_s) in enumerate([("a", 600.0), ("b", 800.0), ("c", 801.0), ("d", 802.0)]):
        detector.memory[name, 0] = Memory(chunks=at)
        part.note(name, at, sent_s)
        part.advance(at)
    streams.put_to_sleep([part])
    assert len(detector.streams()) == 4  # nothing is committed yet
    part.commit(list("abcd"), 0, {name: at for at, name in enumerate("abcd")})
    streams.put_to_sleep([part])
    assert (detector.streams(), part.awake) == (["c", "d"], 2)
    assert [part.asleep(name) for name in "abcd"] == [0, 1, None, None]
