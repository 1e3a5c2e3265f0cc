"""Whether this tree finds and measures what another revision did.

    python -m tests.benchmarks.unchanged scan --against f2233cd --data DATA/mitdb --records 100,207
    python -m tests.benchmarks.unchanged protocols --against f2233cd --data DATA --protocols ec57,qrs

`scan` wants the same `--beats` file byte for byte and the same `--json` but for how long it took;
`protocols` the same `--json` of `ecg-train evaluate`. Each difference is a line; the exit status is 1 if
there is one, `--figures-may-differ` leaving out a scan's figures against annotations. What the other
revision gave is kept in build/unchanged, as are the folds of cross-fitting, which both trees share.
`--against` may also name a folder that holds `monitor` and `training`; a revision needs git.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from tests.support.project import ROOT

KEPT = Path("build") / "unchanged"
CLOCK = {"elapsed_s", "times_real_time"}  # how long something took
WHAT_IS_FOUND = "events_per_hour"  # a scan's one figure that asks no annotation
PACKAGES = ("monitor", "training")
RECORD_S, PROTOCOL_S = 600, 3600  # longer is a fault


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is not what it was."""

    of: str  # the record or protocol
    where: str
    before: Any
    after: Any

    @property
    def of_a_figure(self) -> bool:
        """Whether a figure against annotations differs."""
        return self.where.startswith("figures.") and f".{WHAT_IS_FOUND}" not in self.where

    def __str__(self) -> str:
        return f"{self.of}: {self.where}: {self.before} -> {self.after}"


def tree_of(against: str) -> Path:
    """A folder with both packages as a revision has them, or the folder that is named."""
    if (Path(against) / "monitor").is_dir():
        return Path(against).absolute()
    folder = KEPT / against / "tree"
    if not folder.is_dir():
        command = ["git", "-C", str(ROOT), "archive", against, "--", *PACKAGES]
        packed = subprocess.run(command, check=True, capture_output=True).stdout
        with tarfile.open(fileobj=BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
    return folder.absolute()


def scan(tree: Path, record: Path, out: Path) -> None:
    """Write what a tree's `ecg-monitor scan` finds: `out`.csv and `out`.json."""
    flags = ["--beats", str(out.with_suffix(".csv")), "--json", str(out.with_suffix(".json"))]
    _run(tree, "monitor", ["scan", str(record), *flags], RECORD_S)


def evaluate(tree: Path, protocol: str, data: Path, out: Path) -> None:
    """Write what a tree's `ecg-train evaluate` measures: `out`.json."""
    flags = ["--protocol", protocol, "--data", str(data), "--json", str(out.with_suffix(".json"))]
    _run(tree, "training", ["evaluate", *flags], PROTOCOL_S)


def _run(tree: Path, package: str, arguments: list[str], limit_s: float) -> None:
    """Run a command line of a tree, wherever this environment's own packages lie."""
    KEPT.mkdir(parents=True, exist_ok=True)
    program = [sys.executable, "-c", f"from {package}.cli import main; main()", *arguments]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    done = subprocess.run(
        program, check=False, cwd=KEPT, env=environment, timeout=limit_s, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{tree}: {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")


def values(report: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a report with its place in it; figures by name and group, clocks left out."""
    if isinstance(report, dict):
        for key, value in report.items():
            if key not in CLOCK:
                yield from values(value, f"{where}.{key}".lstrip("."))
    elif isinstance(report, list):
        for index, value in enumerate(report):
            named = isinstance(value, dict) and "better" in value
            name = f"{value['name']}/{value.get('group')}" if named else str(index)
            if not named or value["name"] not in CLOCK:
                yield from values(value, f"{where}.{name}")
    else:
        yield where, report


def differences(of: str, before: Path, after: Path) -> list[Difference]:
    """How two results differ: their JSON value by value, and their beats as bytes if there are any."""
    old, new = (
        dict(values(json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))))
        for path in (before, after)
    )
    found = [
        Difference(of, where, old.get(where, "nothing"), new.get(where, "nothing"))
        for where in dict.fromkeys([*old, *new])
        if repr(old.get(where, "nothing")) != repr(new.get(where, "nothing"))  # a NaN equals a NaN
    ]
    rows = [path.with_suffix(".csv") for path in (before, after)]
    if rows[0].is_file() and rows[0].read_bytes() != rows[1].read_bytes():
        found.append(Difference(of, "beats", f"{rows[0].stat().st_size} bytes", "other ones"))
    return found


def compare(what: str, against: str, data: Path, names: list[str], jobs: int = 1) -> list[Difference]:
    """Run both trees on every name, the other revision's only where nothing is kept, and compare."""
    trees = {Path(against).name: tree_of(against), "now": ROOT}

    def one(name: str) -> list[Difference]:
        places = [KEPT.absolute() / each / what / name for each in trees]
        for place, tree in zip(places, trees.values(), strict=True):
            place.parent.mkdir(parents=True, exist_ok=True)
            if tree != ROOT and place.with_suffix(".json").is_file():
                continue
            if what == "scan":
                scan(tree, data.absolute() / name, place)
            else:
                evaluate(tree, name, data.absolute(), place)
        return differences(name, *places)

    with ThreadPoolExecutor(jobs) as pool:
        told = partial(track, total=len(names), description=what, transient=True)
        return [found for each in told(pool.map(one, names)) for found in each]


def main() -> None:
    """Print every difference, and how many were compared; exit with 1 if there is one that counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("scan", "protocols"))
    parser.add_argument("--against", required=True, help="a revision, or a folder")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--records", help="with commas; all of the folder otherwise")
    parser.add_argument("--protocols", help="with commas")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--figures-may-differ", action="store_true")
    chosen = parser.parse_args()
    named = chosen.records if chosen.what == "scan" else chosen.protocols
    if named is None and chosen.what == "protocols":
        parser.error("--protocols names none")
    names = named.split(",") if named else sorted(path.stem for path in chosen.data.glob("*.hea"))
    found = compare(chosen.what, chosen.against, chosen.data, names, chosen.jobs)
    console = Console(highlight=False, soft_wrap=True)
    for difference in found:
        console.print(str(difference), markup=False)
    counted = [each for each in found if not (chosen.figures_may_differ and each.of_a_figure)]
    same = len(names) - len({each.of for each in counted})
    console.print(
        f"{chosen.what} against {chosen.against}: {same} of {len(names)} the same, {len(found)} differences"
    )
    sys.exit(1 if counted else 0)


if __name__ == "__main__":
    main()
