"""The daemon as a process against a broker: what comes out, and that nothing is lost or repeated."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monitor.formats.beats import decode_beats
from monitor.formats.events import decode_event
from tests.support.background import beside
from tests.support.daemon.harness import Bench, WorkerProcess, ecg, producer, wait_until, worker

pytestmark = pytest.mark.integration


@contextmanager
def _sending(bench: Bench, streams: int, chunks: int, pause_s: float) -> Iterator[None]:
    """Produce in the background, a chunk of every stream at a time; all is sent at the end."""

    def run(_: threading.Event) -> None:
        with producer(bench.settings()) as out:
            for number in range(chunks):
                for key, value in ecg(streams, number, number + 1):
                    out.send(bench.topic("signal"), value, key=key.encode())
                time.sleep(pause_s)

    with beside(run):
        yield


def test_ecg_in_events_and_beats_out(each_broker: str, tmp_path: Path) -> None:
    """Every chunk is scored once and every peak becomes an event, in its stream's order."""
    bench = Bench(each_broker, tmp_path)
    with worker(bench, "one") as running:
        bench.send(ecg(streams=6, first=0, last=12))
        bench.await_events()
        assert running.end() == 0
    assert bench.events() == bench.expected()
    first = bench.read("events")[0]
    assert dict(first.headers)["content-type"] == b"application/cloudevents+json"
    assert decode_event(first.value).stream == first.key.decode()
    assert sum(len(decode_beats(record.value)) for record in bench.read("beats")) == 6 * 12


def test_beats_and_state_stay_in_their_streams_partition(broker: str, tmp_path: Path) -> None:
    """Records of ecg.beats and ecg.state have the partition number of their streams' input."""
    bench = Bench(broker, tmp_path)
    bench.send(ecg(streams=6, first=0, last=4))
    home = {record.key.decode(): record.partition for record in bench.read("signal")}
    with worker(bench, "one") as running:
        bench.await_events()
        running.end()
    for record in bench.read("beats"):
        assert {home[stream] for stream in decode_beats(record.value).stream} == {record.partition}
    state = bench.read("state")
    assert {record.key.decode() for record in state} == set(home)
    assert all(home[record.key.decode()] == record.partition for record in state)


@pytest.mark.parametrize(("kind", "seed"), [("kafka", 1), ("kafka", 2), ("noida", 3)])
def test_kill_9_at_any_moment_leaves_the_undisturbed_log(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, seed: int
) -> None:
    """Killed again and again while input comes in, the worker writes each event once, as if never killed."""
    bench = Bench(request.getfixturevalue(f"{kind}_broker"), tmp_path)
    moments = random.Random(seed)
    with _sending(bench, streams=5, chunks=50, pause_s=0.1):
        for _ in range(4):
            with worker(bench, "one", delay_s=0.002) as running:
                running.says("took up")
                time.sleep(moments.uniform(0.05, 0.9))
    with worker(bench, "one"):
        bench.await_events()
    assert bench.events() == bench.expected()


def test_a_killed_dynamic_member_is_replaced(kafka_broker: str, tmp_path: Path) -> None:
    """Without an instance id the partitions move after the session timeout, and the log is whole."""
    bench = Bench(kafka_broker, tmp_path, kafka={"session_timeout_s": 2.0, "heartbeat_interval_s": 0.5})
    with _sending(bench, streams=5, chunks=40, pause_s=0.1):
        with worker(bench) as first:
            first.says("took up")
            time.sleep(1.0)
        with worker(bench) as second:
            second.says("took up")
            bench.await_events()
    with worker(bench):
        bench.await_events()
    assert bench.events() == bench.expected()


def test_sigterm_loses_nothing_and_leaves_nothing_to_replay(each_broker: str, tmp_path: Path) -> None:
    """Stopped in the middle, the worker commits and exits 0, and its successor reads nothing twice."""
    bench = Bench(each_broker, tmp_path, kafka={"max_poll_records": 20})
    bench.send(ecg(streams=5, first=0, last=60))
    with worker(bench, "one", delay_s=0.01) as running:
        wait_until(lambda: bool(bench.events()), 20, "the first events")
        assert running.end(signal.SIGTERM) == 0
    assert bench.events() != bench.expected()
    with worker(bench, "one") as successor:
        bench.await_events()
        starts = [line for line in successor.text().splitlines() if "output from" in line]
    assert bench.events() == bench.expected()
    assert len(starts) == 4
    assert all(_number_after("] from ", line) == _number_after("output from ", line) for line in starts)


def _number_after(words: str, line: str) -> int:
    return int(line.partition(words)[2].partition(",")[0])


def test_a_second_signal_ends_at_once(broker: str, tmp_path: Path) -> None:
    """While the batch in hand is long, a second SIGTERM does not wait for it."""
    bench = Bench(broker, tmp_path)
    bench.send(ecg(streams=2, first=0, last=3))
    with worker(bench, "one", delay_s=5.0) as running:
        running.says("took up")
        time.sleep(0.5)
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        assert running.end(signal.SIGTERM, timeout_s=3) == 130


def test_two_workers_share_and_rebalance(kafka_broker: str, tmp_path: Path) -> None:
    """A second worker takes partitions over while input flows, then leaves; the log is as if alone."""
    bench = Bench(kafka_broker, tmp_path, kafka={"session_timeout_s": 3.0, "heartbeat_interval_s": 0.3})
    with _sending(bench, streams=8, chunks=60, pause_s=0.1), worker(bench) as first:
        first.says("took up 4 partitions")
        time.sleep(0.7)
        with worker(bench) as second:
            second.says("took up 2 partitions")
            time.sleep(1.0)
            assert second.end() == 0
        wait_until(lambda: first.text().count("took up") >= 2, 20, "the first worker to take all back")
        bench.await_events()
        assert first.end() == 0
    with worker(bench):
        bench.await_events()
    assert bench.events() == bench.expected()


def test_at_least_once_loses_nothing(each_broker: str, tmp_path: Path) -> None:
    """Without transactions a kill may repeat events but loses none, and their ids show the repeats."""
    bench = Bench(each_broker, tmp_path, delivery={"mode": "at_least_once"})
    with _sending(bench, streams=5, chunks=40, pause_s=0.05):
        for _ in range(3):
            with worker(bench, "one") as running:
                running.says("took up")
                time.sleep(0.6)
    with worker(bench, "one"):
        wait_until(lambda: _unique(bench.events()) == bench.expected(), 30, "all events")


def _unique(log: dict[str, list[bytes]]) -> dict[str, list[bytes]]:
    return {stream: list(dict.fromkeys(values)) for stream, values in log.items()}


def test_topics_that_are_missing_are_named(broker: str, tmp_path: Path) -> None:
    """A worker whose topics do not exist says which and exits with the broker's code."""
    bench = Bench(broker, tmp_path)
    bench.kafka["topics"] = {**bench.kafka["topics"], "signal": "no.such"}
    running = WorkerProcess(bench)
    assert running.end(0) == 4
    assert "topic no.such does not exist" in running.text()
