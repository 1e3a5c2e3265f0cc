"""How much a model owes to its seed: the same recipe fitted by other ones, beside the bundled model.

    python -m tests.benchmarks.seeds --data DATA --seeds 1,2 --docs docs/results.md

Every model is measured by protocol `inter-patient`. What is not in build/seeds/SEED is fitted first, a
quarter of an hour each.
"""

from __future__ import annotations

import argparse
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monitor.formats.figures import Figure
from monitor.model.artifact import default_model, read_manifest
from monitor.model.model import load_model
from training.commands.calibrate import calibrate
from training.commands.fit import fit
from training.commands.output import show
from training.data.records import DS2
from training.measure.protocol import Request, Result
from training.measure.tables import DETECTED, WITHOUT, Table, by_key, shown
from training.progress import bar
from training.protocols.registry import evaluate, find
from training.report.markdown import write_section

HOME = Path("build") / "seeds"
BUNDLED = "bundled (seed 0)"
AT = "V-sensitivity-0.95"
# Figure, its group, and what to call it; all without 232.
COLUMNS = (
    ("auroc", f"V{WITHOUT}", "AUROC V"),
    ("auroc", f"S{WITHOUT}", "AUROC S"),
    ("average_precision", f"all{WITHOUT}", "average precision"),
    ("average_precision", f"all{DETECTED}{WITHOUT}", "the same, detected"),
    ("false_beats_per_hour", f"{AT}{WITHOUT}", "false beats/h at V sensitivity 0.95"),
    ("false_beats_per_hour", f"{AT}{DETECTED}{WITHOUT}", "the same, detected"),
    ("sensitivity", f"V{DETECTED}{WITHOUT}", "V flagged at the default budget, detected"),
    ("false_beats_per_hour", f"all{DETECTED}{WITHOUT}", "false beats/h there"),
    ("false_events_per_hour", f"all{DETECTED}{WITHOUT}", "false events/h there"),
)
SUMMARY = (
    "the same recipe by other seeds, fitted anew, beside the bundled model; DS2 without 232, annotated"
    " R peaks unless a column says detected; 3 minutes a model, and a quarter of an hour to fit one"
)


def fitted(seed: int, data: Path, home: Path = HOME) -> Path:
    """The model of a seed, fitted and calibrated if that was not done before."""
    folder = home / str(seed)
    manifest = folder / "manifest.json"
    if not (manifest.is_file() and read_manifest(folder).calibration):
        fit(data=data, out=folder, seed=seed)
        calibrate(data=data, model=folder)
    return folder


def measure(models: Mapping[str, Path], data: Path, records: tuple[str, ...] = DS2) -> Result:
    """The protocol's figures of every model, their groups beginning with its name, and a row a model."""
    figures: list[Figure] = []
    rows = []
    for name, folder in models.items():
        request = Request(data=data, model=load_model(folder), model_folder=folder, records=records, bar=bar)
        found = by_key(evaluate(find("inter-patient"), request)[0].figures)
        own = [found.get((figure, group)) for figure, group, _ in COLUMNS]
        rows.append((name, *(shown(each) or "–" for each in own)))
        figures += [each for each in own if each is not None]
    heads = ("seed", *(text for *_, text in COLUMNS))
    return Result(figures=figures, tables=[Table("By seed, with intervals over patients", heads, rows)])


def main() -> None:
    """Print the table, and put it into a page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--docs", type=Path)
    chosen = parser.parse_args()
    begun = time.monotonic()
    models = {BUNDLED: default_model()}
    models |= {seed: fitted(int(seed), chosen.data) for seed in chosen.seeds.split(",")}
    result = measure(models, chosen.data)
    for table in result.tables:
        show(table)
    if chosen.docs is not None:
        words = ["python", "-m", "tests.benchmarks.seeds", "--data", "DATA", "--seeds", chosen.seeds]
        report: dict[str, Any] = {"protocol": "seeds", "summary": SUMMARY, "model": None}
        report["elapsed_s"] = time.monotonic() - begun
        without_targets = Result(figures=[], tables=result.tables)
        write_section(chosen.docs, report, without_targets, shlex.join([*words, "--docs", str(chosen.docs)]))


if __name__ == "__main__":
    main()
