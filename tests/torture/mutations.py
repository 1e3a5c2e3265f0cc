"""Brings known faults back, one at a time, in a copy of the tree: the torture has to see each of them.

    python -m tests.torture.mutations                # all; about a minute each, needs KAFKA_HOME
    python -m tests.torture.mutations kept-offsets   # one
    python -m tests.torture.mutations --list

A check that cannot fail is no check. The exit code is 1 if a fault passes its section.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from monitor.formats.figures import Figure
from tests.support.project import ROOT
from tests.torture.faults import FAULTS, Fault
from tests.torture.sections import SECTIONS, missed

LIMIT_S = 300.0  # for a section in its short form; one that has not come to its end by then has not passed
TREE = ("monitor", "tests")  # with the kernels that have been compiled: they go by their source


def main(words: Sequence[str] | None = None) -> int:
    """Run, print; 1 if one passed."""
    known = {fault.name: fault for fault in FAULTS}
    parser = argparse.ArgumentParser(prog="python -m tests.torture.mutations", description="See the text.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}")
    parser.add_argument("--list", action="store_true", help="say what there is")
    parser.add_argument("--limit-s", type=float, default=LIMIT_S, help="for one section")
    options = parser.parse_args(words)
    if unknown := set(options.names) - known.keys():
        parser.error(f"no such faults: {', '.join(sorted(unknown))}")
    chosen = [known[name] for name in options.names or known]
    if options.list:
        sys.stdout.writelines(f"{each.name:20} {each.check:8} {each.what}\n" for each in chosen)
        return 0
    if not os.environ.get("KAFKA_HOME"):
        parser.error("KAFKA_HOME is not set")
    passed = 0
    for fault in chosen:
        found = seen(fault, options.limit_s)
        passed += not found
        sys.stdout.write(f"{fault.name:20} {fault.check:8} {', '.join(found) or 'NOT SEEN'}\n")
        sys.stdout.flush()
    return 1 if passed else 0


def seen(fault: Fault, limit_s: float) -> list[str]:
    """What misses its target, or which tests fail, in a tree with this fault."""
    with tempfile.TemporaryDirectory(prefix=f"ecg-{fault.name}-", ignore_cleanup_errors=True) as folder:
        tree = Path(folder)
        for name in TREE:
            shutil.copytree(ROOT / name, tree / name)
        shutil.copy(ROOT / "pyproject.toml", tree)
        fault.apply(tree)
        by = _by_section if fault.check in SECTIONS else _by_tests
        return by(tree, fault.check, limit_s)


def _by_section(tree: Path, section: str, limit_s: float) -> list[str]:
    report = tree / "found.json"
    places = ["--json", str(report), "--keep", str(tree / "kept")]
    if not _run(tree, ["tests.torture", "--short", "--only", section, *places], limit_s):
        return [f"not done after {limit_s:.0f} s"]
    if not report.is_file():
        raise RuntimeError((tree / "log").read_text("utf-8"))  # the torture itself does not run
    return missed_of(msgspec.json.decode(report.read_bytes()))


def _by_tests(tree: Path, path: str, limit_s: float) -> list[str]:
    _run(tree, ["pytest", "-q", path], limit_s)
    failed = re.findall(r"^FAILED \S+::(\w+)", (tree / "log").read_text("utf-8"), re.MULTILINE)
    return list(dict.fromkeys(failed))  # of one with parameters the name once


def _run(tree: Path, module: Sequence[str], limit_s: float) -> bool:
    """Run a module of the tree with these words; False if it was not done in time."""
    home = str(Path(os.environ["KAFKA_HOME"]).resolve())
    environment = os.environ | {"PYTHONPATH": str(tree), "KAFKA_HOME": home}
    with (tree / "log").open("wb") as log:
        # A group of its own, with the workers; the broker goes when its parent does.
        running = subprocess.Popen(
            [sys.executable, "-m", *module],
            cwd=tree,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        running.wait(limit_s)
    except subprocess.TimeoutExpired:
        return False
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    return True


def missed_of(report: dict[str, Any]) -> list[str]:
    """The figures of a report that missed, each with the sum over its groups, or why a section failed."""
    sums: dict[str, float | None] = {}
    for one in msgspec.convert(report["figures"], list[Figure]):
        if one.name == "failed":
            return [f"failed: {report[one.group]['failed']}"]
        if missed(one):
            before = sums.get(one.name, 0.0)
            sums[one.name] = None if before is None or one.value is None else before + one.value
    return [name if value is None else f"{name} {value:g}" for name, value in sums.items()]


if __name__ == "__main__":
    sys.exit(main())
