"""The benchmark of first starts, and the command that spares them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.commands.warm_up import warm_up
from monitor.ecg import kernels
from monitor.errors import MonitorError
from tests.benchmarks.first_start import PROGRAM

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_the_signal_path_is_compiled_once() -> None:
    """A call that finds nothing says that it compiles; one after it finds all."""
    command = [*PROGRAM, "warm-up"]
    first, second = (subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(2))
    assert ("half a minute" in first.stderr) == ("compiled in" in first.stdout)
    assert "compiled already, kept in" in second.stdout
    assert second.stderr == ""


def test_code_that_could_not_be_kept_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image without it would compile at every start."""
    monkeypatch.setattr("monitor.detect.warm_up.warm_up", lambda _: None)
    monkeypatch.setattr(kernels, "USE", kernels.CacheUse(compiled=7, unkept=2))
    with pytest.raises(MonitorError, match="2 of 7 compiled functions could not be kept"):
        warm_up()


def test_scans_are_timed(tmp_path: Path) -> None:
    """The benchmark, small: a scan that compiles nothing."""
    found = tmp_path / "found.json"
    words = ["scan", "--state", "warm", "--runs", "1", "--json", str(found)]
    command = [sys.executable, "-m", "tests.benchmarks.first_start", *words]
    subprocess.run(command, check=True, capture_output=True)
    (figure,) = json.loads(found.read_text())["figures"]
    assert (figure["name"], figure["group"], figure["target"]) == ("ready_s", "scan/warm", 5.0)
    assert figure["low"] <= figure["value"] <= figure["high"]
    assert figure["value"] < 10, "twice the target: this machine may be busy"
