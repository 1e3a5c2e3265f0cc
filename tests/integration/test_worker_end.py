"""How a worker ends: told to at any moment, with its broker away or frozen, or by its watchdog."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.support.daemon.harness import Bench, WorkerProcess, ecg, wait_until, worker
from tests.support.daemon.kafka_node import KafkaNode
from tests.support.daemon.prometheus import free_port
from tests.support.project import CLI

pytestmark = pytest.mark.integration
SOON_S, FROZEN_S = 10.0, 25.0


def _ended(running: WorkerProcess, most_s: float) -> None:
    """Tell it to stop; it ends in order and in time."""
    assert running.end(signal.SIGTERM, timeout_s=most_s) == 0, running.text()


def _hears(pid: int) -> bool:
    """True once a process has a handler for SIGTERM; it must not have loaded torch by then."""
    caught = re.search(r"^SigCgt:\s+(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.M)
    assert "torch" not in Path(f"/proc/{pid}/maps").read_text()
    return caught is not None and bool(int(caught[1], 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("after_s", [0.0, 0.6, 1.4, 2.9])
def test_a_start_without_a_broker_can_be_stopped_at_any_moment(after_s: float) -> None:
    """While it imports, loads, warms up, or waits for an address at which nobody answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        server = f"127.0.0.1:{deaf.getsockname()[1]}"
        command = [sys.executable, *CLI, "run", "--bootstrap-servers", server, "--metrics-port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        wait_until(lambda: _hears(process.pid), 10, "its handlers")
        time.sleep(after_s)
        process.terminate()
        said, _ = process.communicate(timeout=5)
    assert process.returncode == 0, said


@pytest.mark.kafka
@pytest.mark.parametrize("after_s", [0.0, 0.4, 0.8])
def test_a_worker_that_joins_and_takes_up_can_be_stopped(
    kafka_broker: str, tmp_path: Path, after_s: float
) -> None:
    """At any moment from when it connects; its successor finds all that it needs."""
    bench = Bench(kafka_broker, tmp_path)
    bench.send(ecg(streams=4, first=0, last=6))
    with worker(bench, "one") as running:
        running.says("metrics on")
        time.sleep(after_s)
        _ended(running, SOON_S)
    with worker(bench, "one"):
        bench.await_events()
    assert bench.events() == bench.expected()


@pytest.mark.kafka
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("instance", "frozen_s"), [("one", 0.0), ("one", 4.0), (None, 12.0)])
def test_a_frozen_broker_does_not_keep_a_worker(
    node: KafkaNode, tmp_path: Path, instance: str | None, frozen_s: float
) -> None:
    """With output in hand it leaves within 25 s, well before an orchestrator's 30, and nothing is lost."""
    bench = Bench(node.servers, tmp_path)
    with worker(bench, instance, delay_s=0.02) as running:
        bench.send(ecg(streams=4, first=0, last=6))
        bench.await_events()
        bench.send(ecg(streams=4, first=6, last=40))
        node.freeze()
        time.sleep(frozen_s)
        _ended(running, FROZEN_S)
    node.thaw()
    with worker(bench, instance):
        bench.await_events()
    assert bench.events() == bench.expected()


@pytest.mark.kafka
def test_a_frozen_broker_does_not_keep_a_start(node: KafkaNode, tmp_path: Path) -> None:
    """Nor one that asks for its topics."""
    bench = Bench(node.servers, tmp_path)
    node.freeze()
    running = WorkerProcess(bench)
    running.says("metrics on")
    time.sleep(2.0)
    _ended(running, 2.0)


def _health(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.mark.kafka
@pytest.mark.timeout(180)
def test_the_loop_turns_while_the_broker_is_away(node: KafkaNode, tmp_path: Path) -> None:
    """Longer than any one call may take: alive, not ready, and the same process goes on afterwards.

    Crashes are of the torture, which looks at both paths, too.
    """
    port = free_port()
    bench = Bench(node.servers, tmp_path, metrics={"port": port})
    with worker(bench, "one") as running:
        bench.send(ecg(streams=4, first=0, last=6))
        bench.await_events()
        node.freeze()
        until_s = time.monotonic() + 26.0
        wait_until(lambda: _health(port, "readyz") == 503, 20, "unready")
        while time.monotonic() < until_s:
            assert _health(port, "healthz") == 200
            time.sleep(0.5)
        assert _health(port, "readyz") == 503
        node.thaw()
        bench.send(ecg(streams=4, first=6, last=8))
        bench.await_events()
        _ended(running, SOON_S)
    assert bench.events() == bench.expected()


def test_a_call_that_does_not_return_is_ended(broker: str, tmp_path: Path) -> None:
    """The watchdog names it, and the code is 4."""
    bench = Bench(broker, tmp_path, metrics={"stalled_after_s": 2.0})
    bench.send(ecg(streams=1, first=0, last=1))
    with worker(bench, "one", delay_s=600.0) as running:
        assert running.process.wait(30) == 4
    assert "the main loop has not got on for 2 s" in running.text()
    assert "stub_detector.py" in running.text().partition("stands in ")[2].partition("<")[0]
