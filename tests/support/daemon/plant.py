"""A whole to be watched: workers, two of them with faults, a replay, training's textfile, and Prometheus."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from kafka.admin import ConfigResource, ConfigResourceType

from monitor.broker.clients import open_admin
from monitor.formats.figures import figure
from monitor.processes import child_process
from monitor.recordings.excerpt import read_excerpt
from tests.support.daemon.harness import Bench, WorkerProcess, chunk, worker
from tests.support.daemon.prometheus import Prometheus, free_port, running_prometheus
from tests.support.project import CLI
from training.report.textfile import TrainingMetrics

RATE_HZ = 360
STREAMS = 16  # the alert on drift wants as many
QUICK = {"session_timeout_s": 3.0, "heartbeat_interval_s": 0.3}  # to share and to move partitions
SLOW_S, STUCK_S = 1.0, 600.0  # over one record
RECORDS = 300  # that wait for a worker with a fault
INSTANCE = "faulty"


@dataclass
class Plant:
    """What runs."""

    prometheus: Prometheus
    bench: Bench  # of the ward
    slow: Bench  # of a worker that falls behind, the third
    textfile: Path
    workers: list[WorkerProcess]  # the last three with faults
    web: WorkerProcess
    stop_replay: Callable[[], None]
    enter: Callable[[AbstractContextManager[WorkerProcess]], WorkerProcess]  # for as long as the plant runs


@contextmanager
def running_plant(servers: str, folder: Path) -> Iterator[Plant]:
    """A ward of two workers, three workers with faults, the page, training's textfile, Prometheus."""
    bench = Bench(servers, folder, kafka=QUICK, metrics={"silent_after_s": 4})
    with ExitStack() as stack:
        ports = [free_port() for _ in range(6)]
        textfile = _trained(folder / "training")
        training = stack.enter_context(_served(textfile.parent))
        # From the start, so that it sees the workers come.
        jobs = {"ecg-monitor": ports[:5], "ecg-web": ports[5:], "ecg-train": [training]}
        prometheus = stack.enter_context(running_prometheus(folder, jobs))
        workers = [stack.enter_context(worker(bench, command=_run(port))) for port in ports[:2]]
        benches = [_faulty(servers, folder / str(port), port) for port in ports[2:5]]
        _refuse_beats(benches[2])
        for one, delay_s in zip(benches, (SLOW_S, STUCK_S, 0.0), strict=True):
            workers.append(stack.enter_context(worker(one, INSTANCE, delay_s=delay_s)))
        web = stack.enter_context(worker(bench, command=_web(ports[5])))
        replay = stack.enter_context(ExitStack())
        replay.enter_context(_replay(bench, folder))
        yield Plant(prometheus, bench, benches[0], textfile, workers, web, replay.close, stack.enter_context)


def _run(port: int) -> tuple[str, ...]:
    return (*CLI, "run", "--metrics-port", str(port), "--config")


def _web(port: int) -> tuple[str, ...]:
    return (*CLI, "web", "--port", str(port), "--config")


def _faulty(servers: str, folder: Path, port: int) -> Bench:
    """Topics with input, for a worker that takes a record a poll."""
    folder.mkdir()
    kafka = {"max_poll_records": 1, "max_poll_interval_s": 600.0, "transactional_id_prefix": f"id-{port}"}
    # Its watchdog would end what is stuck here on purpose.
    metrics = {"port": port, "stalled_after_s": 3600.0}
    bench = Bench(servers, folder, partitions=1, kafka=kafka, metrics=metrics)
    bench.send(("s", chunk("s", number)) for number in range(RECORDS))
    return bench


def _refuse_beats(bench: Bench) -> None:
    """No record fits into the topic of beats any more, so that no transaction with some is committed."""
    admin = open_admin(bench.settings().kafka)
    small = {"max.message.bytes": "1"}
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, bench.topic("beats"), small)])
    admin.close()


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
