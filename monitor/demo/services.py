"""The demo's children: `ecg-monitor run` and `ecg-monitor web`, with settings of their own."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen

from monitor.config import ENV_PREFIX, KafkaSettings, load_settings
from monitor.errors import MonitorError
from monitor.processes import child_process, log_tail

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
    embedded: bool  # the broker was started for the demo, so nothing in the environment is about it

    @property
    def flags(self) -> list[str]:
        """Settings of `ecg-monitor run` that no environment variable may change."""
        flags = ["--config", str(self.path), "--bootstrap-servers", self.broker, "--group-id", self.group_id]
        return [*flags, "--instance-id", "demo"]

    @property
    def page_flags(self) -> list[str]:
        """The same of `ecg-monitor web`."""
        return ["--config", str(self.path), "--bootstrap-servers", self.broker, "--host", HOST]

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
        "metrics": {"host": HOST},
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
    return WorkerSetup(path=path, broker=broker, group_id=name, embedded=embedded)


def listen(preferred: int = 0) -> socket.socket:
    """A socket that listens on the preferred port, or on any other one if that is taken."""
    try:
        return socket.create_server((HOST, preferred))
    except OSError:
        return socket.create_server((HOST, 0))


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
        while not self._is_ready(max(deadline - time.monotonic(), 0.01)):
            self.check()
            if time.monotonic() > deadline:
                raise MonitorError(f"the {self.name} is not ready after {timeout_s:.0f} s, see {self.log}")
            time.sleep(0.1)

    def _is_ready(self, timeout_s: float) -> bool:
        # Its socket listens from the start, so that this waits until it answers, or has ended.
        try:
            with urllib.request.urlopen(self.address + self.ready_path, timeout=timeout_s) as answer:
                return bool(answer.status == 200)
        except OSError:  # 503, or a connection that was cut
            return False


def demo_worker(setup: WorkerSetup, command: Sequence[str] = WORKER) -> AbstractContextManager[DemoService]:
    """A worker while in the block; it commits and leaves at the end."""
    command = [*command, *setup.flags]
    return _service("worker", "metrics", command, setup, log_name="worker.log", ready_path="/readyz")


def demo_page(setup: WorkerSetup, command: Sequence[str] = PAGE) -> AbstractContextManager[DemoService]:
    """The bedside page while in the block."""
    command = [*command, *setup.page_flags]
    return _service("page", "web", command, setup, log_name="web.log", ready_path="/healthz", port=PAGE_PORT)


@contextmanager
def _service(
    name: str,
    section: str,  # of the settings: its listen_fd
    command: Sequence[str],
    setup: WorkerSetup,
    *,
    log_name: str,
    ready_path: str,
    port: int = 0,
) -> Iterator[DemoService]:
    """A child on a socket that listens before it starts, so that no other demo can take its port."""
    with listen(port) as listener:
        descriptor = listener.fileno()
        environment = {**setup.environment, f"{ENV_PREFIX}{section.upper()}__LISTEN_FD": str(descriptor)}
        address = f"http://{HOST}:{listener.getsockname()[1]}"
        log = setup.path.with_name(log_name)
        with child_process(command, log, environment, [descriptor]) as process:
            listener.close()  # the child's alone from here: it ends with it
            yield DemoService(name, process, log, address, ready_path)
