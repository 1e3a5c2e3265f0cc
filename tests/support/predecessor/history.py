"""An earlier release's code, from git's history: the daemon, alone and with the stub detector."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from tests.support.project import ROOT

COMMIT = "f2233cd"
STUB_WORKER = ("-m", "tests.integration.stub_worker")  # as it lay there
_PARTS = (
    *("monitor", "tests/__init__.py", "tests/stub_detector.py"),
    *("tests/integration/__init__.py", "tests/integration/stub_worker.py"),
)
_YIELDING = """
import os, signal
from monitor.assignment import Assignment
from tests.integration.stub_worker import main
Assignment.on_partitions_revoked = lambda self, revoked: os.kill(os.getpid(), signal.SIGKILL)
main()
"""
YIELDING_WORKER = ("-c", _YIELDING)  # the same, dying as it gives up partitions
_WARM_UP = """
from monitor.model import load_model
from monitor.warm_up import warm_up
warm_up(load_model())
"""
WARM_UP = ("-c", _WARM_UP)  # compiles that release's signal path beside its sources


class NoHistoryError(Exception):
    """The predecessor's code is not here; says what to do."""


def unpack(folder: Path, root: Path = ROOT) -> Path:
    """The folder with what that release's workers need; NoHistoryError if `root` has not its history."""
    command = ["git", "-C", str(root), "archive", "--format=tar", COMMIT, *_PARTS]
    try:
        done = subprocess.run(command, check=True, capture_output=True, timeout=60)
    except FileNotFoundError as exc:
        raise _missing("there is no git") from exc
    except subprocess.CalledProcessError as exc:
        raise _missing(exc.stderr.decode(errors="replace").strip().partition("\n")[0]) from exc
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as packed:
        packed.extractall(folder, filter="data")
    return folder


def _missing(why: str) -> NoHistoryError:
    return NoHistoryError(
        f"the code of {COMMIT} is not here ({why}): run this in a clone with its whole history; "
        "`git fetch --unshallow` makes one of a shallow clone"
    )
