"""How long `scan`, `run` and `demo` take to be ready, with compiled code at hand and without; needs noida-db.

    python -m tests.benchmarks.first_start --json build/first_start.json

Ready is, from the start of the process: `scan` has judged a minute of ECG and ended, `run` answers 200
on /readyz, `demo` sends the first sample. Cold is with an empty NUMBA_CACHE_DIR, as on a fresh machine
without `ecg-monitor warm-up`; warm is with what that command leaves. Each is the median of --runs starts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from statistics import median

import msgspec
import numpy as np

from monitor.broker.embedded import embedded_broker, free_ports
from monitor.broker.topics import create_topics
from monitor.config import KafkaSettings
from monitor.formats.figures import Figure, figure
from monitor.recordings.excerpt import read_excerpt
from tests.support.project import CLI

TARGET_S = 5.0  # warm
LONGEST_S = 300.0  # a start that takes longer has failed
PROGRAM = (sys.executable, *CLI)
MINUTE = 21_600  # samples of the excerpt at 360 Hz
Start = Callable[[Path, dict[str, str]], float]


def scan(folder: Path, environment: dict[str, str]) -> float:
    """Seconds that a scan of one minute takes."""
    path = folder / "minute.csv"
    np.savetxt(path, read_excerpt().ecg_mv[:MINUTE], "%.4f", header="MLII", comments="")
    began = time.perf_counter()
    _run([*PROGRAM, "scan", str(path), "--rate", "360"], environment)
    return time.perf_counter() - began


def run(folder: Path, environment: dict[str, str]) -> float:
    """Seconds until a worker answers 200 on /readyz, on a broker that is up."""
    with embedded_broker("noida", folder / "broker") as servers:
        create_topics(KafkaSettings(bootstrap_servers=servers), 3)
        (port,) = free_ports(1)
        flags = ["--bootstrap-servers", servers, "--instance-id", "first", "--metrics-port", str(port)]
        began = time.perf_counter()
        with subprocess.Popen([*PROGRAM, "run", *flags], env=environment, stderr=subprocess.DEVNULL) as child:
            try:
                _await(lambda: _answers(f"http://127.0.0.1:{port}/readyz"), child)
                return time.perf_counter() - began
            finally:
                child.terminate()


def demo(folder: Path, environment: dict[str, str]) -> float:
    """Seconds until the demo sends its first sample: broker, topics, worker and page are up."""
    began = time.perf_counter()
    command = [*PROGRAM, "demo", "--output", str(folder / "demo")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            if not any(line.startswith("0:00") for line in islice(child.stdout, 50)):
                raise RuntimeError(f"the demo ended with code {child.wait()}")
            return time.perf_counter() - began
        finally:
            child.terminate()


def _await(ready: Callable[[], bool], child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + LONGEST_S
    while not ready():
        if child.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"not ready: {child.args!r}, code {child.poll()}")
        time.sleep(0.05)


def _answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
        return bool(answer.status == 200)
    return False


def _run(command: list[str], environment: dict[str, str]) -> None:
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=LONGEST_S)


STARTS: dict[str, Start] = {"scan": scan, "run": run, "demo": demo}


def measure(names: list[str], states: list[str], runs: int) -> list[Figure]:
    """The seconds of each start in each state."""
    found = []
    if "warm" in states:
        _run([*PROGRAM, "warm-up"], dict(os.environ))
    with tempfile.TemporaryDirectory() as place:
        for name in names:
            for state in states:
                seconds = [_start(name, state, Path(place)) for _ in range(runs)]
                target = TARGET_S if state == "warm" else None
                made = figure("ready_s", median(seconds), f"{name}/{state}", target=target, better="lower")
                found.append(msgspec.structs.replace(made, low=min(seconds), high=max(seconds)))
    return found


def _start(name: str, state: str, place: Path) -> float:
    folder = Path(tempfile.mkdtemp(dir=place))
    environment = {key: value for key, value in os.environ.items() if key != "KAFKA_HOME"}
    environment["PYTHONUNBUFFERED"] = "1"
    if state == "cold":
        environment["NUMBA_CACHE_DIR"] = str(folder / "cold")
    return STARTS[name](folder, environment)


def main() -> None:
    """Measure, print, and write the figures if asked."""
    parser = argparse.ArgumentParser(description="Seconds until ready, cold and warm.")
    parser.add_argument("names", nargs="*", default=list(STARTS), help="scan, run, demo; all if none")
    parser.add_argument("--state", choices=["cold", "warm"], action="append")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures = measure(arguments.names, arguments.state or ["cold", "warm"], arguments.runs)
    for one in figures:
        verdict = "" if one.target is None else f"  wanted ≤ {one.target:g}: {'met' if one.met else 'missed'}"
        sys.stdout.write(f"{one.group:10} {one.value:6.1f} s  ({one.low:.1f} to {one.high:.1f}){verdict}\n")
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"figures": [msgspec.to_builtins(one) for one in figures]}, indent=1)
        arguments.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
