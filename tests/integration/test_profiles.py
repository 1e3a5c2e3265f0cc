"""The worker follows what a person sets: within seconds, and the same after a kill."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monitor.formats.events import Event, decode_event
from tests.support.background import beside
from tests.support.daemon.harness import Bench, ecg, producer, wait_until, worker

pytestmark = pytest.mark.integration
CHUNK_S = 0.1  # between chunks; every third of a stream raises an event


@contextmanager
def _sending(bench: Bench, streams: int = 2) -> Iterator[None]:
    """Chunks of every stream in the background, until the block ends."""

    def run(over: threading.Event) -> None:
        number = 0
        with producer(bench.settings()) as out:
            while not over.wait(CHUNK_S):
                for key, value in ecg(streams, number, number + 1):
                    out.send(bench.topic("signal"), value, key=key.encode())
                number += 1

    with beside(run):
        yield


def _last(bench: Bench, stream: str) -> Event:
    return decode_event(bench.events()[stream][-1])


def test_a_profile_holds_within_three_seconds(each_broker: str, tmp_path: Path) -> None:
    """Budget, mark of a pacemaker and names of leads; the other stream is left alone."""
    bench = Bench(each_broker, tmp_path)
    with worker(bench, "one") as running:
        with _sending(bench):
            running.says("took up")
            wait_until(lambda: len(bench.events()) == 2, 20, "events of both streams")
            bench.set_profile(stream="s0", false_alarm_budget_per_hour=60.0, paced=True, lead_names=("aVR",))
            wait_until(lambda: _last(bench, "s0").paced, 20, "an event by the profile")
            event, other = _last(bench, "s0"), _last(bench, "s1")
        bench.await_events()
    assert (event.threshold, event.leads) == (60.0, ("aVR",))
    assert (other.threshold, other.paced, other.leads) == (None, False, ("II",))
    (profile,) = bench.read("profiles")
    written = [each.timestamp for each in bench.read("events") if decode_event(each.value).paced]
    # 2 s until it takes effect, and 0.3 s between events; by the times that the broker has of both.
    assert 2.0 <= (min(written) - profile.timestamp) / 1000 < 3.5
    assert bench.events() == bench.expected()


def test_muted_events_are_written_and_marked(broker: str, tmp_path: Path) -> None:
    """Until the time that was set; a refused record stops nothing."""
    bench = Bench(broker, tmp_path)
    with worker(bench, "one") as running, _sending(bench):
        running.says("took up")
        bench.send([("s0", b"no profile")], "profiles")
        until_us = time.time_ns() // 1000 + 3_500_000
        bench.set_profile(stream="s0", muted_until_us=until_us)
        wait_until(lambda: "s0" in bench.events() and _last(bench, "s0").muted, 20, "a muted event")
        wait_until(lambda: not _last(bench, "s0").muted, 20, "an event that is heard again")
    muted = [decode_event(record.value).muted for record in bench.read("events") if record.key == b"s0"]
    first, after = muted.index(True), len(muted) - muted[::-1].index(True)
    assert all(muted[first:after])
    assert "no profile, passed over: malformed" in running.text()
    with worker(bench, "one"):
        bench.await_events()
    assert bench.events() == bench.expected()


def test_kills_around_a_profile_leave_the_undisturbed_log(kafka_broker: str, tmp_path: Path) -> None:
    """Killed before, while and after profiles take effect, the worker writes what it would have written."""
    bench = Bench(kafka_broker, tmp_path)
    moments = random.Random(1)
    budgets = iter(range(1, 100))
    with _sending(bench, streams=4):
        for _ in range(5):
            for stream in ("s0", "s1"):
                bench.set_profile(stream=stream, false_alarm_budget_per_hour=float(next(budgets)))
            with worker(bench, "one") as running:
                running.says("took up")
                time.sleep(moments.uniform(0.05, 1.2))
    with worker(bench, "one"):
        bench.await_events()
    events = bench.events()
    assert events == bench.expected()
    budgets_seen = {decode_event(value).threshold for value in events["s0"]}
    assert len(budgets_seen - {None}) >= 3
    assert {decode_event(value).threshold for value in events["s3"]} == {None}
