"""A whole to be watched: workers, two of them with faults, a replay, training's textfile, and Prometheus."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from monitor.children import child_process
from monitor.excerpt import read_excerpt
from monitor.figures import figure
from tests.integration.harness import Bench, WorkerProcess, chunk, worker
from tests.integration.prometheus import Prometheus, free_port, running_prometheus
from training.textfile import TrainingMetrics

CLI = ("-c", "from monitor.cli import main; main()")
RATE_HZ = 360
STREAMS = 16  # the alert on drift wants as many
QUICK = {"session_timeout_s": 3.0, "heartbeat_interval_s": 0.3}  # to share and to move partitions
SLOW_S, STUCK_S = 1.0, 600.0  # over one record


@dataclass
class Plant:
    """What runs."""

    prometheus: Prometheus
    bench: Bench
    textfile: Path
    workers: list[WorkerProcess]  # the last two with faults
    web: WorkerProcess
    stop_replay: Callable[[], None]


@contextmanager
def running_plant(servers: str, folder: Path) -> Iterator[Plant]:
    """A ward of two workers with eight streams, two workers with faults, training's textfile, Prometheus."""
    bench = Bench(servers, folder, kafka=QUICK, metrics={"silent_after_s": 4})
    with ExitStack() as stack:
        ports = [free_port() for _ in range(5)]
        textfile = _trained(folder / "training")
        training = stack.enter_context(_served(textfile.parent))
        # From the start, so that it sees the workers come.
        jobs = {"ecg-monitor": ports[:4], "ecg-web": ports[4:], "ecg-train": [training]}
        prometheus = stack.enter_context(running_prometheus(folder, jobs))
        workers = [stack.enter_context(worker(bench, command=_run(port))) for port in ports[:2]]
        for port, delay_s in zip(ports[2:4], (SLOW_S, STUCK_S), strict=True):
            workers.append(stack.enter_context(_faulty(servers, folder / str(port), port, delay_s)))
        web = stack.enter_context(worker(bench, command=_web(ports[4])))
        replay = stack.enter_context(ExitStack())
        replay.enter_context(_replay(bench, folder))
        yield Plant(prometheus, bench, textfile, workers, web, replay.close)


def _run(port: int) -> tuple[str, ...]:
    return (*CLI, "run", "--metrics-port", str(port), "--config")


def _web(port: int) -> tuple[str, ...]:
    return (*CLI, "web", "--port", str(port), "--config")


@contextmanager
def _faulty(servers: str, folder: Path, port: int, delay_s: float) -> Iterator[WorkerProcess]:
    """A worker with input of its own, one record a poll, that takes so long over each."""
    folder.mkdir()
    bench = Bench(servers, folder, partitions=1, kafka={"max_poll_records": 1}, metrics={"port": port})
    bench.send(("s", chunk("s", number)) for number in range(300))
    with worker(bench, f"late-{port}", delay_s=delay_s) as running:
        yield running


def _trained(folder: Path) -> Path:
    """The textfile that fit, calibrate and evaluate leave."""
    path = folder / "metrics"
    for command in ("fit", "calibrate"):
        TrainingMetrics(command, path, None).succeeded("mitdb", "v1", data_s=time.time() - 3600)
    figures = [figure(name, 0.9) for name in ("auroc", "average_precision")]
    TrainingMetrics("evaluate", path, None).succeeded("mitdb", "v1", protocol="beatgan", figures=figures)
    return path


@contextmanager
def _served(folder: Path) -> Iterator[int]:
    """The folder's files over HTTP, as a port."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _replay(bench: Bench, folder: Path) -> Iterator[None]:
    """A minute of record 208 over and over, as many streams."""
    recording, ecg_mv = folder / "208.csv", read_excerpt().ecg_mv[: 60 * RATE_HZ]
    np.savetxt(recording, ecg_mv, "%.4f", header="MLII", comments="")
    options = {"config": bench.write_toml(), "rate": RATE_HZ, "streams": STREAMS}
    words = [f"--{name}={value}" for name, value in options.items()]
    with child_process(
        [sys.executable, *CLI, "replay", str(recording), "--loop", *words], folder / "replay.log"
    ):
        yield
