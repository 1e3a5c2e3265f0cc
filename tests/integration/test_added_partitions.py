"""Partitions added to the topics while workers run, or while they are away."""

from __future__ import annotations

import json
import signal
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

from monitor.broker.clients import open_admin
from monitor.broker.topics import raise_partitions
from tests.support.daemon.harness import Bench, WorkerProcess, ecg, producer, wait_until, worker
from tests.support.daemon.yielding_worker import YIELDING_WORKER

pytestmark = [pytest.mark.integration, pytest.mark.kafka]
SOON_S = 25.0  # with a look a second; a minute with the thirty that are set by default


def _bench(servers: str, folder: Path, **kafka: float) -> Bench:
    times = {"metadata_max_age_s": 1.0, "session_timeout_s": 6.0, "heartbeat_interval_s": 0.5}
    return Bench(servers, folder, partitions=2, kafka=times | kafka)


def _others(bench: Bench, count: int) -> None:
    """Streams that lie in partitions added lately."""
    bench.send(ecg(streams=8, first=0, last=6))
    numbers = {record.partition for record in bench.read("signal")}
    assert numbers & set(range(2, count))


def test_a_static_worker_takes_up_partitions_added_while_it_runs(kafka_broker: str, tmp_path: Path) -> None:
    """Its client looks for them, and its producer does for their state."""
    bench = _bench(kafka_broker, tmp_path)
    with worker(bench, "one") as running:
        bench.send([("warm", ecg(1, 0, 1)[0][1])])
        running.says("took up 2 partitions")
        raise_partitions(bench.settings().kafka, 5)
        _others(bench, 5)
        bench.await_events(SOON_S)
        assert running.end() == 0
    assert bench.events() == bench.expected()


@pytest.mark.parametrize("workers", [1, 2])
def test_static_workers_started_again_take_up_what_was_added(
    kafka_broker: str, tmp_path: Path, workers: int
) -> None:
    """The broker gives each its old partitions back without asking who reads the new ones."""
    bench = _bench(kafka_broker, tmp_path)
    names = [f"w{number}" for number in range(workers)]
    running = [WorkerProcess(bench, name) for name in names]
    try:
        for each in running:
            each.says("took up")
        wait_until(lambda: _stable(bench, workers), 20, "both to be members")
        for each in running:
            assert each.end() == 0
        raise_partitions(bench.settings().kafka, 5)
        _others(bench, 5)
        running = [WorkerProcess(bench, name) for name in names]
        bench.await_events(SOON_S)
        for each in running:
            assert each.end() == 0
    finally:
        for each in running:
            each.end(9)
    assert bench.events() == bench.expected()


def _stable(bench: Bench, members: int) -> bool:
    admin = open_admin(bench.settings().kafka)
    try:
        group = admin.describe_groups([bench.kafka["group_id"]])[bench.kafka["group_id"]]
    finally:
        admin.close()
    shares = [member["member_assignment"] for member in group["members"]]
    return group["group_state"] == "Stable" and len(shares) == members and all(shares)


def test_a_partition_without_its_mirrors_harms_no_other(kafka_broker: str, tmp_path: Path) -> None:
    """It waits, and `/readyz` says why; with the mirrors there it is taken up."""
    bench = _bench(kafka_broker, tmp_path)
    with worker(bench, "one") as running:
        running.says("took up 2 partitions")
        admin = open_admin(bench.settings().kafka)
        admin.create_partitions({bench.topic("signal"): 3})
        admin.close()
        wait_until(lambda: "wanted 3" in _unready(running), SOON_S, "the reason")
        bench.send(ecg(streams=8, first=0, last=6))
        kept = [record for record in bench.read("signal") if record.partition < 2]
        wanted = sum(map(len, bench.expected_of(kept).values()))
        wait_until(lambda: sum(map(len, bench.events().values())) == wanted, SOON_S, "the others' events")
        assert raise_partitions(bench.settings().kafka, 3)
        bench.await_events(SOON_S)
        wait_until(lambda: _unready(running) == "", SOON_S, "readiness")
    assert bench.events() == bench.expected()


def _unready(running: WorkerProcess) -> str:
    line = next(line for line in running.text().splitlines() if "metrics on http" in line)
    url = line.partition("metrics on ")[2].partition("/metrics")[0] + "/readyz"
    try:
        with urllib.request.urlopen(url, timeout=5):
            return ""
    except urllib.error.HTTPError as error:
        return "; ".join(json.load(error)["reasons"])


def _homes(bench: Bench) -> dict[str, list[int]]:
    """The partitions that hold records of each stream."""
    pairs = sorted({(record.key.decode(), record.partition) for record in bench.read("signal")})
    return {stream: [number for name, number in pairs if name == stream] for stream, _ in pairs}


def _by_partition(bench: Bench) -> Counter[bytes]:
    """What an undisturbed run over each partition by itself would have written."""
    records = bench.read("signal")
    parts = [
        bench.expected_of(each for each in records if each.partition == number)
        for number in {record.partition for record in records}
    ]
    return Counter(value for part in parts for values in part.values() for value in values)


def _written(bench: Bench) -> Counter[bytes]:
    return Counter(value for values in bench.events().values() for value in values)


@pytest.mark.parametrize(("workers", "number"), [(1, signal.SIGKILL), (2, signal.SIGTERM)])
def test_a_stream_that_moves_begins_afresh_and_what_comes_late_goes_on(
    kafka_broker: str, tmp_path: Path, workers: int, number: signal.Signals
) -> None:
    """Each partition is judged by itself: the old one keeps the state for a sender's last records there."""
    bench = _bench(kafka_broker, tmp_path)
    names = [f"w{number}" for number in range(workers)]
    running = [WorkerProcess(bench, name) for name in names]
    try:
        for each in running:
            each.says("took up")
        bench.send(ecg(streams=8, first=0, last=6))
        bench.await_events(SOON_S)
        old = {stream: numbers[0] for stream, numbers in _homes(bench).items()}
        raise_partitions(bench.settings().kafka, 5)
        _send_both(bench, old, first=6)
        assert {len(numbers) for numbers in _homes(bench).values()} == {1, 2}  # some streams have moved
        wait_until(lambda: _written(bench) == _by_partition(bench), SOON_S, "all to be judged")
        for each in running:
            each.end(number)
        running = [WorkerProcess(bench, name) for name in names]
        _send_both(bench, old, first=12)
        wait_until(lambda: _written(bench).total() >= _by_partition(bench).total(), 40, "the rest")
        for each in running:
            assert each.end() == 0
    finally:
        for each in running:
            each.end(9)
    assert _written(bench) == _by_partition(bench)


def _send_both(bench: Bench, old: dict[str, int], first: int) -> None:
    """Three chunks of each stream to where it was, by a sender that knows no better; then three more."""
    with producer(bench.settings()) as out:
        for stream, value in ecg(streams=8, first=first, last=first + 3):
            out.send(bench.topic("signal"), value, key=stream.encode(), partition=old[stream])
    bench.send(ecg(streams=8, first=first + 3, last=first + 6))


def test_what_an_older_leader_leaves_unread_is_shared_out(kafka_broker: str, tmp_path: Path) -> None:
    """It died as it gave partitions up, and came back under its name: nobody else asks the group anew."""
    bench = _bench(kafka_broker, tmp_path, session_timeout_s=30.0)
    (tmp_path / "older").mkdir()
    # As f2233cd, which looks neither for partitions that were added nor for those that nobody reads.
    older = Bench(kafka_broker, tmp_path / "older", kafka=bench.kafka | {"metadata_max_age_s": 3600.0})
    bench.send(ecg(streams=8, first=0, last=6))
    with worker(older, "leader", command=YIELDING_WORKER) as leader:
        leader.says("took up 2 partitions")
        with worker(bench, "follower") as follower:
            leader.process.wait(20)
            with worker(older, "leader") as again:
                again.says("took up 1 partitions")
                follower.says("took up 1 partitions", SOON_S)
                bench.send(ecg(streams=8, first=6, last=12))
                bench.await_events(SOON_S)
                assert (again.end(), follower.end()) == (0, 0)
    assert "read by nobody" in follower.text()
    assert bench.events() == bench.expected()
