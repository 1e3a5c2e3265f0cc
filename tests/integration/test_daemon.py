"""`ecg-monitor run` with its bundled model on real ECG: the detector that ships, as operators start it."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from monitor.config import Topics
from monitor.detect.detector import Detector
from monitor.detect.findings import p_value
from monitor.formats.beats import decode_beats
from monitor.formats.chunks import decode_chunk
from monitor.formats.events import Event, decode_event, encode_event
from monitor.model.model import load_model
from monitor.recordings.excerpt import read_excerpt
from monitor.recordings.recording import encoded_chunks
from tests.support.daemon.harness import (
    REAL_WORKER,
    START_US,
    Bench,
    WorkerProcess,
    by_stream,
    producer,
    wait_until,
    worker,
)
from tests.support.project import CLI

pytestmark = pytest.mark.integration
SECONDS = 120
STREAMS = ("bed-1", "bed-2")


@pytest.fixture(scope="module")
def ecg() -> list[tuple[str, bytes]]:
    """Two minutes of record 208 as two streams, in the order of time."""
    recording = read_excerpt()
    chunks = {
        stream: list(encoded_chunks(recording, 1.0, stream=stream, start_us=START_US))[:SECONDS]
        for stream in STREAMS
    }
    return [(stream, chunks[stream][at]) for at in range(SECONDS) for stream in STREAMS]


@pytest.fixture(scope="module")
def expected(ecg: list[tuple[str, bytes]]) -> dict[str, list[bytes]]:
    """The events of the detector alone, chunk by chunk."""
    detector = Detector(load_model())
    events = [event for _, value in ecg for event in detector.process([decode_chunk(value)]).events]
    assert len(events) >= 4
    return by_stream((event.stream.encode(), encode_event(event)) for event in events)


def _await(bench: Bench, expected: dict[str, list[bytes]]) -> None:
    wanted = sum(map(len, expected.values()))
    wait_until(lambda: sum(map(len, bench.events().values())) >= wanted, 60, f"{wanted} events")


def _metrics(running: WorkerProcess) -> str:
    found = re.search(r"http://[\d.]+:\d+/metrics", running.text())
    assert found
    with urllib.request.urlopen(found[0], timeout=5) as answer:
        return str(answer.read().decode())


def test_the_daemon_says_what_the_detector_says(
    broker: str, tmp_path: Path, ecg: list[tuple[str, bytes]], expected: dict[str, list[bytes]]
) -> None:
    """Through Kafka, in batches, the events are those of the detector alone, bit for bit."""
    bench = Bench(broker, tmp_path)
    bench.send(ecg)
    with worker(bench, "one", command=REAL_WORKER) as running:
        _await(bench, expected)
        metrics = _metrics(running)
        assert running.end() == 0
    assert bench.events() == expected
    assert f"ecg_monitor_chunks_total {float(len(ecg))}" in metrics
    kinds = [kind for record in bench.read("beats") for kind in decode_beats(record.value).kind]
    assert kinds.count("fixed") > SECONDS / 10
    assert bench.read("deadletter") == []


def test_the_daemon_killed_again_and_again_says_the_same(
    kafka_broker: str, tmp_path: Path, ecg: list[tuple[str, bytes]], expected: dict[str, list[bytes]]
) -> None:
    """Its real state survives in ecg.state: filters, beats in flight, the usual beat, open episodes."""
    bench = Bench(kafka_broker, tmp_path, kafka={"max_poll_records": 20})
    moments = random.Random(5)

    def send() -> None:
        with producer(bench.settings()) as out:
            for stream, value in ecg:
                out.send(bench.topic("signal"), value, key=stream.encode())
                time.sleep(0.05)

    sending = threading.Thread(target=send)
    sending.start()
    for _ in range(2):
        with worker(bench, "one", command=REAL_WORKER) as running:
            running.says("took up")
            time.sleep(moments.uniform(0.3, 3))
    with worker(bench, "one", command=REAL_WORKER):
        _await(bench, expected)
    sending.join()
    assert bench.events() == expected


def test_a_profile_moves_the_daemons_threshold_and_survives_a_kill(
    kafka_broker: str, tmp_path: Path, ecg: list[tuple[str, bytes]]
) -> None:
    """Seconds later events are muted and judged by the budget; killed then, it goes on alike."""
    bench = Bench(kafka_broker, tmp_path)

    def send() -> None:
        with producer(bench.settings()) as out:
            for stream, value in ecg:
                out.send(bench.topic("signal"), value, key=stream.encode())
                time.sleep(0.08)

    def events(stream: str) -> list[Event]:
        return [decode_event(value) for value in bench.events().get(stream, [])]

    sending = threading.Thread(target=send)
    with worker(bench, "one", command=REAL_WORKER) as running:
        running.says("took up", timeout_s=60)
        sending.start()
        wait_until(lambda: len(events("bed-1")) > 1, 30, "the first events")
        bench.set_profile(
            stream="bed-1",
            false_alarm_budget_per_hour=300.0,
            muted_until_us=time.time_ns() // 1000 + 3600_000_000,
        )
        wait_until(lambda: events("bed-1")[-1].muted, 20, "a muted event")
        running.end(signal.SIGKILL)
    sending.join()
    model = load_model()
    expected = bench.expected_by(Detector(model), bench.read("signal"))
    with worker(bench, "one", command=REAL_WORKER):
        _await(bench, expected)
    assert bench.events() == expected
    budget = p_value(model.thresholds_for(300.0)["usual"]["1"])
    by_budget = [e for e in events("bed-1") if e.muted and e.threshold is not None]
    assert budget in {event.threshold for event in by_budget}
    assert budget not in {event.threshold for event in events("bed-2")}
    assert not any(event.muted for event in events("bed-2"))


def _cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *CLI, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def test_check_says_what_is_wrong_and_what_is_right(broker: str, tmp_path: Path) -> None:
    """Before and after the topics are there; the exit code is that of the first failure."""
    bench = Bench(broker, tmp_path)
    bench.kafka["topics"] = {name: f"other.{tmp_path.name[-8:]}.{name}" for name in bench.kafka["topics"]}
    config = str(bench.write_toml())
    before = _cli("check", "--config", config)
    assert before.returncode == 4
    assert re.search(r"topics: topic other\..*\.signal does not exist", before.stdout)
    made = _cli("topics", "--config", config, "--partitions", "2", "--replication", "1")
    assert made.returncode == 0
    assert made.stdout.count("2 partitions, created") == len(Topics.model_fields) - 1  # all but dead letters
    after = _cli("check", "--config", config)
    assert (after.returncode, after.stdout.count(": ok")) == (0, 6)


def test_check_says_more_than_one_thing(tmp_path: Path) -> None:
    """A missing model and an unreachable broker are both named."""
    config = tmp_path / "worker.toml"
    config.write_text(
        '[kafka]\nbootstrap_servers = "127.0.0.1:1"\nconnect_timeout_s = 0.3\n'
        f"[detection]\nmodel = {json.dumps(str(tmp_path / 'none'))}\n"
    )
    done = _cli("check", "--config", str(config))
    assert done.returncode == 3
    assert re.search(r"^model: .*none", done.stdout, re.MULTILINE)
    assert re.search(r"^broker: 127.0.0.1:1: cannot be reached", done.stdout, re.MULTILINE)


def test_a_wrong_setting_is_one_line_and_its_code(tmp_path: Path) -> None:
    """No traceback."""
    config = tmp_path / "worker.toml"
    config.write_text("[kafka]\ngroupid = 1\n")
    done = _cli("run", "--config", str(config))
    assert done.returncode == 2
    assert done.stderr.strip() == f"ecg-monitor: {config}: kafka.groupid: unknown key"
