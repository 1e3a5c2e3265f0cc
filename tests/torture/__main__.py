"""Worker processes killed, frozen and poisoned, and their output compared; needs KAFKA_HOME.

    python -m tests.torture --json build/torture.json
    python -m tests.torture --short --only crash

Each section compares what was committed to `ecg.events` and `ecg.beats` with an undisturbed run, as multisets
of id and verdict. The exit code is 1 if a figure misses its target. With --keep the workers' logs stay.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from monitor.formats.figures import Figure, figure
from tests.support.predecessor.history import NoHistoryError
from tests.torture.ground import Ground
from tests.torture.sections import NOT_IN_SHORT, SECTIONS, missed


def run(ground: Ground, names: list[str]) -> list[Figure]:
    """The figures of these sections; one that fails is a figure, too, and the others go on."""
    found: list[Figure] = []
    for name in names:
        began = time.monotonic()
        try:
            of_one = SECTIONS[name](ground)
        except NoHistoryError as error:
            sys.stdout.write(f"{name}: {error}\n")
            of_one = [figure("failed", 1, name, target=0, better="lower")]
        except Exception as error:  # noqa: BLE001  whatever it is, it is told, and the run ends with 1
            traceback.print_exc()
            ground.note(name, failed=f"{type(error).__name__}: {error}")
            of_one = [figure("failed", 1, name, target=0, better="lower")]
        took_s = time.monotonic() - began
        ground.note(name, seconds=round(took_s, 1))
        found += of_one
        beyond = [each for each in of_one if missed(each)]
        verdict = "missed: " + ", ".join(map(_words, beyond)) if beyond else "met"
        sys.stdout.write(f"{name:8} {took_s:6.1f} s  {len(of_one)} figures, {verdict}\n")
        sys.stdout.flush()
    return found


def names_of(short: bool) -> list[str]:
    """The sections that run if none is named."""
    return [name for name in SECTIONS if not (short and name in NOT_IN_SHORT)]


def _words(one: Figure) -> str:
    sign = "≥" if one.better == "higher" else "≤"
    got = "not measured" if one.value is None else f"{one.value:g}"
    return f"{one.name} {got} (wanted {sign} {one.target:g})"


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="ecg-torture-") as place:
            yield Path(place)
        return
    shutil.rmtree(keep, ignore_errors=True)
    keep.mkdir(parents=True)
    yield keep


def _write(path: Path, figures: list[Figure], particular: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = msgspec.json.encode({"figures": figures, **particular})
    path.write_bytes(msgspec.json.format(whole, indent=1) + b"\n")


def main() -> int:
    """Run, print and write; 1 if a figure misses its target."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description="See the module's text.")
    parser.add_argument("--only", action="append", choices=list(SECTIONS), help="this section; several times")
    parser.add_argument("--short", action="store_true", help="fewer of everything, for CI")
    parser.add_argument("--seed", type=int, default=15, help="of the moments")
    parser.add_argument("--json", type=Path, default=Path("build/torture.json"))
    parser.add_argument("--keep", type=Path, help="a folder for logs and the broker's data, emptied first")
    options = parser.parse_args()
    if not os.environ.get("KAFKA_HOME"):
        parser.error("KAFKA_HOME is not set")
    began = time.monotonic()
    with _folder(options.keep) as folder, ExitStack() as stack:
        ground = Ground(folder, options.short, options.seed, stack)
        figures = run(ground, options.only or names_of(options.short))
    _write(options.json, figures, {"short": options.short, "seed": options.seed, **ground.particular})
    beyond = [each for each in figures if missed(each)]
    for one in figures:
        if one.target is None or missed(one):
            sys.stdout.write(f"  {one.group:8} {_words(one) if one.target is not None else _plain(one)}\n")
    sys.stdout.write(f"{len(figures)} figures, {len(beyond)} missed, {time.monotonic() - began:.0f} s\n")
    return 1 if beyond else 0


def _plain(one: Figure) -> str:
    return f"{one.name} {one.value:g}" if one.value is not None else f"{one.name} not measured"


if __name__ == "__main__":
    sys.exit(main())
