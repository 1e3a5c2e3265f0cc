"""Records at which the worker's process ends without an exception, on real Kafka and with real processes."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from monitor.worker.suspects import DEADLY
from tests.support.daemon.deadly_worker import DEADLY_WORKER, FAULT, HANG
from tests.support.daemon.harness import Bench, chunk, ecg, wait_until, worker

pytestmark = [pytest.mark.integration, pytest.mark.kafka]
STUCK_S = 2.0


def _letters(bench: Bench) -> list[tuple[bytes | None, bytes | None]]:
    return [(dict(each.headers)["reason"], each.key) for each in bench.read("deadletter")]


def _events(bench: Bench) -> dict[str, list[bytes]]:
    """Once each: at least once may be twice."""
    return {stream: list(dict.fromkeys(values)) for stream, values in bench.events().items()}


def _life(bench: Bench, instance: str | None, wanted: dict[str, list[bytes]]) -> int:
    """Let a worker judge all that there is, and stop it in order; how it ended."""
    with worker(bench, instance, command=DEADLY_WORKER) as running:
        process = running.process
        wait_until(lambda: process.poll() is not None or _events(bench) == wanted, 40, "the events")
        wait_until(lambda: process.poll() is not None or bool(_letters(bench)), 20, "the letter")
        return running.end()


def _lives(bench: Bench, instance: str | None, wanted: dict[str, list[bytes]]) -> list[int]:
    """Start a worker again and again, as an orchestrator does, until all is judged; how each ended."""
    ends = [_life(bench, instance, wanted)]
    while ends[-1] != 0 and len(ends) < DEADLY + 4:
        ends.append(_life(bench, instance, wanted))
    return ends


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("end", "mode", "instance"),
    [(FAULT, "exactly_once", "one"), (FAULT, "at_least_once", None), (HANG, "exactly_once", "one")],
)
def test_a_record_that_ends_the_process_is_found(
    kafka_broker: str, tmp_path: Path, end: str, mode: str, instance: str | None
) -> None:
    """After a few deaths it is buried and all others are judged once; a restart does not meet it again."""
    bench = Bench(
        kafka_broker,
        tmp_path,
        partitions=2,
        kafka={"session_timeout_s": 2.0, "heartbeat_interval_s": 0.5, "transaction_timeout_s": 2.0},
        delivery={"mode": mode},
        metrics={"stalled_after_s": STUCK_S},
    )
    bench.send([*ecg(6, 0, 5), ("bad", chunk("bad", 0, peak=True, session=end)), *ecg(6, 5, 9)])
    good = [record for record in bench.read("signal") if record.key != b"bad"]
    wanted = bench.expected_of(good)
    ends = _lives(bench, instance, wanted)
    assert ends[-1] == 0
    assert set(ends[:-1]) == {-signal.SIGSEGV if end is FAULT else 4}
    assert (_events(bench), _letters(bench)) == (wanted, [(b"failed", b"bad")])
    assert b"processes ended" in dict(bench.read("deadletter")[0].headers)["message"]
    bench.send(ecg(6, 9, 12))
    wanted = bench.expected_of(record for record in bench.read("signal") if record.key != b"bad")
    assert _life(bench, instance, wanted) == 0
    assert (_events(bench), len(_letters(bench))) == (wanted, 1)
    if mode == "exactly_once":
        assert bench.events() == wanted


@pytest.mark.timeout(240)
def test_kills_at_random_bury_nothing(kafka_broker: str, tmp_path: Path) -> None:
    """Wherever they fall, most of them while records are judged; the output is whole."""
    chance = random.Random(5)
    bench = Bench(kafka_broker, tmp_path, partitions=2)
    bench.send(ecg(6, 0, 40))
    for _ in range(6):
        with worker(bench, "one", delay_s=0.02) as running:
            running.says("took up")
            time.sleep(chance.uniform(0.0, 0.8))
            running.end(signal.SIGKILL)
    with worker(bench, "one"):
        bench.await_events()
    assert (bench.events(), _letters(bench)) == (bench.expected(), [])
