"""The demo's children: `ecg-monitor run` and `ecg-monitor web`, with settings of their own."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen

from monitor.children import child_process, log_tail
from monitor.config import ENV_PREFIX, KafkaSettings, load_settings
from monitor.errors import MonitorError

HOST = "127.0.0.1"
READY_S = 180.0  # the first start compiles the signal path's kernels
PAGE_PORT = 8080  # another one where it is taken
_PROGRAM = (sys.executable, "-c", "from monitor.cli import main; main()")
WORKER = (*_PROGRAM, "run")
PAGE = (*_PROGRAM, "web")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSetup:
    """How the demo's worker differs from any other: a group and an address of its own."""

    path: Path  # of its TOML file
    broker: str
    group_id: str
    metrics_port: int
    embedded: bool  # the broker was started for the demo, so nothing in the environment is about it

    @property
    def flags(self) -> list[str]:
        """Settings of `ecg-monitor run` that no environment variable may change."""
        flags = ["--config", str(self.path), "--bootstrap-servers", self.broker, "--group-id", self.group_id]
        return [*flags, "--instance-id", "demo", "--metrics-port", str(self.metrics_port)]

    @property
    def page_flags(self) -> list[str]:
        """The same of `ecg-monitor web`."""
        flags = ["--config", str(self.path), "--bootstrap-servers", self.broker]
        return [*flags, "--host", HOST, "--port", str(free_port(PAGE_PORT))]

    @property
    def environment(self) -> dict[str, str]:
        """The child's environment; for one's own Kafka it may hold how to log in there."""
        mine = (ENV_PREFIX,) if self.embedded else ()
        return {key: value for key, value in os.environ.items() if not key.startswith(mine)}

    def kafka(self) -> KafkaSettings:
        """How the demo's own clients reach the broker: as its worker does."""
        if self.embedded:
            return KafkaSettings(bootstrap_servers=self.broker, group_id=self.group_id)
        flags = {"kafka.bootstrap_servers": self.broker, "kafka.group_id": self.group_id}
        return load_settings(self.path, flags).kafka


def write_setup(output: Path, broker: str, model: Path | None, *, embedded: bool) -> WorkerSetup:
    """The worker's settings, as worker.toml in `output`."""
    name = f"ecg-monitor-demo-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"
    sections: dict[str, dict[str, str | int]] = {
        "kafka": {
            "bootstrap_servers": broker,
            "group_id": name,
            "instance_id": "demo",  # noida-db needs static membership
            "transactional_id_prefix": name,
            "max_poll_interval_s": 10,
            "max_poll_records": 100,  # of one second each: judged well within that, however slow the machine
        },
        "detection": {} if model is None else {"model": str(model.resolve())},
        "metrics": {"host": HOST, "port": free_port()},
        "logging": {"level": "info", "format": "json"},
    }
    # JSON's strings and numbers are TOML's, too.
    lines = [
        line
        for section, values in sections.items()
        for line in (f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()), "")
    ]
    path = output / "worker.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    port = int(sections["metrics"]["port"])
    return WorkerSetup(path=path, broker=broker, group_id=name, metrics_port=port, embedded=embedded)


def free_port(preferred: int = 0) -> int:
    """A port that nobody listens on now, the preferred one if it is free."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that has just been left is free
        try:
            probe.bind((HOST, preferred))
        except OSError:
            probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass(frozen=True, slots=True, eq=False)
class DemoService:
    """A running child that answers HTTP."""

    name: str
    process: Popen[bytes]
    log: Path
    address: str  # http://host:port
    ready_path: str  # answers 200 once the child can do its work

    def check(self) -> None:
        """Raise MonitorError if it has ended, with its last words."""
        code = self.process.poll()
        if code is not None:
            raise MonitorError(
                f"the {self.name} ended with code {code}, see {self.log}: {log_tail(self.log)}"
            )

    def wait_until_ready(self, timeout_s: float = READY_S) -> None:
        """Return once it can work; chunks sent before would wait and spoil the latency."""
        deadline = time.monotonic() + timeout_s
        while not self._is_ready():
            self.check()
            if time.monotonic() > deadline:
                raise MonitorError(f"the {self.name} is not ready after {timeout_s:.0f} s, see {self.log}")
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(self.address + self.ready_path, timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:  # not listening yet, or 503
            return False


@contextmanager
def demo_worker(setup: WorkerSetup, command: Sequence[str] = WORKER) -> Iterator[DemoService]:
    """A worker while in the block; it commits and leaves at the end."""
    log = setup.path.with_name("worker.log")
    with child_process([*command, *setup.flags], log, setup.environment) as process:
        yield DemoService("worker", process, log, f"http://{HOST}:{setup.metrics_port}", "/readyz")


@contextmanager
def demo_page(setup: WorkerSetup, command: Sequence[str] = PAGE) -> Iterator[DemoService]:
    """The bedside page while in the block."""
    log, flags = setup.path.with_name("web.log"), setup.page_flags
    with child_process([*command, *flags], log, setup.environment) as process:
        yield DemoService("page", process, log, f"http://{HOST}:{flags[-1]}", "/healthz")
