"""Debian's Prometheus on loopback, with the project's rules sped up, and questions to its HTTP API."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from monitor.processes import child_process
from tests.conftest import missing
from tests.support.daemon.harness import wait_until
from tests.support.observability import RULE_FILES

WINDOW = "15s"  # what rules and panels look back over; scrapes come every second, and some come late
# Nothing else of a rule is changed, above all not what is compared with what.
_FASTER = (
    (re.compile(r"for: \w+"), "for: 0s"),
    (re.compile(r"\[1d\] offset 1h"), f"[{WINDOW}] offset 5s"),
    (re.compile(r"\[(5m|15m|1h)\]"), f"[{WINDOW}]"),
)


def faster_rules(folder: Path) -> list[Path]:
    """Copies of the rule files that look back over seconds and wait for nothing."""
    folder.mkdir()
    for path in RULE_FILES:
        text = path.read_text(encoding="utf-8")
        for pattern, replacement in _FASTER:
            text = pattern.sub(replacement, text)
        (folder / path.name).write_text(text, encoding="utf-8")
    return sorted(folder.iterdir())


class Prometheus:
    """A running server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, query: str) -> list[float]:
        """The values of an instant query, NaN left out: none is no data."""
        return [float(one["value"][1]) for one in self._results(query) if one["value"][1] != "NaN"]

    def count(self, query: str, since_s: float) -> int:
        """Number of points of a query in the time up to now."""
        now_s = self.query("time()")[0]
        answer = self._get("query_range", query=query, start=now_s - since_s, end=now_s, step=1)
        return sum(len(series["values"]) for series in answer["result"])

    def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        return {
            one["labels"]["alertname"] for one in self._get("alerts")["alerts"] if one["state"] == "firing"
        }

    def await_alert(self, name: str, timeout_s: float = 60.0) -> None:
        """Wait until an alert fires."""
        wait_until(lambda: name in self.firing(), timeout_s, name)

    def await_quiet(self, name: str, timeout_s: float = 30.0) -> None:
        """Wait until an alert does not fire: one scrape that came late is no fault."""
        wait_until(lambda: name not in self.firing(), timeout_s, f"no {name}")

    def _results(self, query: str) -> list[Any]:
        answer = self._get("query", query=query)
        # A number's answer is one value, not a list of series.
        return [{"value": answer["result"]}] if answer["resultType"] == "scalar" else list(answer["result"])

    def _get(self, what: str, **parameters: Any) -> Any:
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{what}?{query}", timeout=20) as answer:
            return json.load(answer)["data"]


@contextmanager
def running_prometheus(folder: Path, jobs: Mapping[str, list[int]]) -> Iterator[Prometheus]:
    """A server that scrapes every second. jobs: ports of /metrics on this machine by the job's name."""
    program = shutil.which("prometheus")
    if program is None:
        missing("prometheus is not installed (Debian's package prometheus)")
    config, port = folder / "prometheus.yml", free_port()
    config.write_text(yaml.safe_dump(_config(faster_rules(folder / "rules"), jobs)))
    options = {
        "config.file": config,
        "storage.tsdb.path": folder / "tsdb",
        "web.listen-address": f"127.0.0.1:{port}",
        "query.lookback-delta": "10s",
    }
    command = [str(program), *(f"--{name}={value}" for name, value in options.items())]
    with child_process(command, folder / "prometheus.log") as process:
        server = Prometheus(f"http://127.0.0.1:{port}")
        wait_until(lambda: _ready(server.url, process), 30, "Prometheus")
        yield server


def _config(rule_files: list[Path], jobs: Mapping[str, list[int]]) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(path) for path in rule_files],
        "scrape_configs": [{"job_name": name, "static_configs": [_targets(jobs[name])]} for name in jobs],
    }


def _targets(ports: list[int]) -> dict[str, Any]:
    return {"targets": [f"127.0.0.1:{port}" for port in ports], "labels": {"cluster": "ward"}}


def free_port() -> int:
    """One that nobody listens on at the moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _ready(url: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "Prometheus has ended: see prometheus.log"
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=2):
            return True
    except OSError:
        return False
