"""Very many streams, whose state moves from worker to worker while they send."""

from __future__ import annotations

import re
import signal
import time
from contextlib import ExitStack

from monitor.formats.beats import decode_beats
from monitor.formats.figures import Figure, figure
from tests.support.daemon.harness import REAL_WORKER, Bench, WorkerProcess, worker
from tests.torture.ground import Ground
from tests.torture.ward import Ward
from tests.torture.watch import Watch
from tests.torture.workers import await_partitions, ended, took_up

NAME = "ids"
IDS, IDS_SHORT = 2000, 200
PARTS_S = 10, 8, 8  # of signal: before all, while one is killed, while one comes and goes
PARTITIONS = 6
SNAPSHOT_S, SNAPSHOT_SHORT_S = 5, 2  # within which a stream that has sent is in `ecg.state`
SPARE_S = 1.0
CAUGHT_UP_S = 400.0
KAFKA = {"session_timeout_s": 8.0, "heartbeat_interval_s": 1.0, "transaction_timeout_s": 10.0}


def run(ground: Ground) -> list[Figure]:
    """Two static workers; one is killed and comes back, a dynamic one comes and leaves."""
    count, snapshot_s = ground.often(IDS, IDS_SHORT), ground.often(SNAPSHOT_S, SNAPSHOT_SHORT_S)
    with ExitStack() as stack:
        delivery = {"snapshot_interval_s": float(snapshot_s)}
        bench = ground.bench(NAME, partitions=PARTITIONS, kafka=KAFKA, delivery=delivery)
        ward, watch = Ward(bench, count), stack.enter_context(Watch(bench))

        def begun(name: str | None) -> WorkerProcess:
            return stack.enter_context(worker(bench, name, command=REAL_WORKER))

        workers = [begun("one"), begun("two")]
        ward.send(PARTS_S[0])
        await_partitions(workers)
        watch.await_end(CAUGHT_UP_S)
        time.sleep(snapshot_s + SPARE_S)  # a fast machine has written no state yet, and would need none
        ward.send(PARTS_S[1])
        gone = workers[0]
        gone.end(signal.SIGKILL)
        workers[0] = begun("one")
        await_partitions(workers)
        guest = begun(None)
        ward.send(PARTS_S[2])
        await_partitions([guest])
        left = guest.end(timeout_s=30.0)
        watch.await_end(CAUGHT_UP_S)
        ground.note(NAME, take_ups=sum(map(took_up, [gone, guest, *workers])))
        return [
            figure("ids", _judged_ids(bench), NAME, target=count),
            # One worker of two is killed; input that is read again from its beginning needs no state.
            figure("streams_taken_up", streams_taken_up(workers), NAME, target=count // 4),
            figure("longest_take_up_s", longest_take_up_s([gone, guest, *workers]), NAME),
            figure("guest_that_did_not_leave", left, NAME, target=0, better="lower"),
            ended(workers, NAME),
            *ground.judged(NAME, bench, watch),
        ]


def _judged_ids(bench: Bench) -> int:
    return len({stream for each in bench.read("beats") for stream in decode_beats(each.value).stream})


def longest_take_up_s(workers: list[WorkerProcess]) -> float:
    """By their logs."""
    found = [re.findall(r"took up \d+ partitions in ([\d.]+) s", one.text()) for one in workers]
    return max((float(took_s) for each in found for took_s in each), default=float("nan"))


def streams_taken_up(workers: list[WorkerProcess]) -> int:
    """How many streams came with their state from `ecg.state`, by the workers' logs."""
    found = [re.findall(r" from [1-9]\d*, output from \d+, (\d+) streams", one.text()) for one in workers]
    return sum(int(count) for each in found for count in each)
