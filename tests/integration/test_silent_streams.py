"""Streams that stop sending, and come back: a worker process on a broker."""

from __future__ import annotations

import re
import signal
import time
import urllib.request
from pathlib import Path

import pytest

from monitor.formats.chunks import decode_chunk
from monitor.formats.events import encode_event
from tests.support.daemon.harness import Bench, WorkerProcess, chunk, producer, wait_until, worker
from tests.support.stub_detector import StubDetector

pytestmark = pytest.mark.integration
MINUTE_MS = 60_000


def _gauge(running: WorkerProcess, name: str) -> float:
    served = re.search(r"metrics on (http://\S+/metrics)", running.text())
    if served is None:
        return -1.0
    with urllib.request.urlopen(served[1], timeout=10) as answer:
        found = re.search(rf"^ecg_monitor_{name} (\S+)$", answer.read().decode(), re.M)
    return -1.0 if found is None else float(found[1])


def _asleep(running: WorkerProcess) -> float:
    """Streams that have state and are not in memory."""
    return _gauge(running, "streams_known") - _gauge(running, "streams_awake")


def test_streams_leave_memory_and_come_back_as_they_were(broker: str, tmp_path: Path) -> None:
    """From where they lie in `ecg.state`, after a pause as after a restart."""
    bench = Bench(broker, tmp_path, state={"sleep_after_s": 0.3, "memory_mb": 0})
    numbers = iter(range(0, 99, 3))

    def send() -> None:
        first = next(numbers)
        for name in ("a", "b", "c", "d"):
            bench.send((name, chunk(name, number, peak=True)) for number in range(first, first + 3))
        bench.await_events()

    for _ in range(2):
        with worker(bench, "one") as running:
            for _ in range(2):
                send()
                wait_until(lambda on=running: _asleep(on) == 4, 20, "all asleep")  # type: ignore[misc]
            assert running.end(signal.SIGTERM) == 0
    assert bench.events() == bench.expected()


def test_a_stream_that_comes_back_late_is_new(broker: str, tmp_path: Path) -> None:
    """By its records' times; its state has left `ecg.state` by then, and a stream that went on is kept."""
    bench = Bench(broker, tmp_path, partitions=1, state={"forget_after_days": 5 / 1440})
    began_ms = time.time_ns() // 1_000_000 - 60 * MINUTE_MS
    sent = [("late", 0, 0), *(("other", minute, minute) for minute in range(20)), ("late", 1, 20)]

    def send(first: int, last: int) -> None:
        with producer(bench.settings()) as out:
            for name, number, minute in sent[first:last]:
                out.send(
                    *(bench.topic("signal"), chunk(name, number, peak=True)),
                    key=name.encode(),
                    timestamp_ms=began_ms + minute * MINUTE_MS,
                )

    def ended() -> bool:
        return [each.key for each in bench.read("state") if each.value is None] == [b"late"]

    with worker(bench, "one"):
        for at in range(len(sent) - 1):
            send(at, at + 1)
            time.sleep(0.05 if at else 1.5)  # its state is written
        wait_until(ended, 20, "the end of its state")
        send(len(sent) - 1, len(sent))
        wait_until(lambda: len(bench.events().get("late", ())) == 2, 20, "the last event")
    fresh = StubDetector().process([decode_chunk(chunk("late", 1, peak=True))])
    assert bench.events()["late"][1] == encode_event(fresh.events[0])
    assert bench.events()["other"] == bench.expected()["other"]
