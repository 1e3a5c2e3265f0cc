"""The benchmark of first starts, and the command that spares them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.first_start import PROGRAM
from tests.support.unprivileged import unprivileged

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the signal path compiled by `ecg-monitor warm-up`."""
    folder = tmp_path_factory.mktemp("cache")
    done = warm_up(folder)
    assert "half a minute" in done.stderr
    assert "compiled in" in done.stdout
    return folder


def warm_up(folder: Path) -> subprocess.CompletedProcess[str]:
    """`ecg-monitor warm-up` in a process that can write only what its user may."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    command = unprivileged(*PROGRAM, "warm-up")
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_it_is_done_once(cache: Path) -> None:
    """A second call finds all of it."""
    done = warm_up(cache)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"compiled already, kept in {cache}" in done.stdout


def test_a_scan_is_ready_in_time(cache: Path, tmp_path: Path) -> None:
    """The benchmark, small: two scans that compile nothing."""
    command = [sys.executable, "-m", "tests.benchmarks.first_start", "scan", "--state", "warm", "--runs", "2"]
    command += ["--json", str(tmp_path / "found.json")]
    own = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    subprocess.run(command, env=own, check=True, capture_output=True)
    (found,) = json.loads((tmp_path / "found.json").read_text())["figures"]
    assert (found["name"], found["group"], found["target"]) == ("ready_s", "scan/warm", 5.0)
    assert found["low"] <= found["value"] <= found["high"]
    assert found["value"] < 10, "twice the target: this machine may be busy"


def test_code_that_could_not_be_kept_is_a_failure(tmp_path: Path) -> None:
    """An image without it would compile at every start."""
    (tmp_path / "closed").mkdir(mode=0o555)
    done = warm_up(tmp_path / "closed")
    assert done.returncode == 1
    assert "compiled functions could not be kept" in done.stderr
