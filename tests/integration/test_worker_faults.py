"""A worker whose broker goes away, and one that stands still while others take its place."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.daemon.harness import Bench, ecg, worker
from tests.support.daemon.kafka_node import KafkaNode
from tests.support.daemon.stopping import stop

pytestmark = [pytest.mark.integration, pytest.mark.kafka]
BACK_S = 10.0  # after the broker's return, until what is sent then is out


@pytest.mark.parametrize("fault", [KafkaNode.kill, KafkaNode.freeze], ids=["crash", "freeze"])
def test_a_worker_outlives_its_broker(
    node: KafkaNode, tmp_path: Path, fault: Callable[[KafkaNode], None]
) -> None:
    """The same process goes on within seconds of the broker's return, and writes each event once."""
    bench = Bench(node.servers, tmp_path, kafka={"session_timeout_s": 6.0, "heartbeat_interval_s": 1.0})
    with worker(bench, "one") as running:
        bench.send(ecg(streams=4, first=0, last=6))
        bench.await_events()
        fault(node)
        time.sleep(12.0)
        assert running.process.poll() is None
        node.thaw() if fault is KafkaNode.freeze else node.start()
        bench.send(ecg(streams=4, first=6, last=12))
        began = time.monotonic()
        bench.await_events()
        assert time.monotonic() - began < BACK_S
        assert running.end() == 0
    assert bench.events() == bench.expected()


@pytest.mark.parametrize("names", [("one", "two"), (None, None)], ids=["static", "dynamic"])
def test_a_worker_that_stood_still_doubles_nothing(
    kafka_broker: str, tmp_path: Path, names: tuple[str | None, str | None]
) -> None:
    """Thawed past its session, it commits nothing of what others have done meanwhile, and works on."""
    bench = Bench(kafka_broker, tmp_path, kafka={"session_timeout_s": 2.0, "heartbeat_interval_s": 0.5})
    (tmp_path / "other").mkdir()
    beside = Bench(kafka_broker, tmp_path / "other", kafka=dict(bench.kafka))
    with worker(bench, names[0]) as first, worker(beside, names[1]) as second:
        bench.send(ecg(streams=8, first=0, last=6))
        bench.await_events()
        for number in range(2):
            one, other = (first, second) if number == 0 else (second, first)
            last = 6 + 8 * number
            stop(one.process.pid)
            bench.send(ecg(streams=8, first=last, last=last + 4))
            time.sleep(5.0)
            bench.send(ecg(streams=8, first=last + 4, last=last + 8))
            os.kill(one.process.pid, signal.SIGCONT)
            assert other.process.poll() is None
            bench.await_events()
        assert (first.process.poll(), second.process.poll()) == (None, None)
    assert bench.events() == bench.expected()
