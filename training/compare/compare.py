"""Every kind of encoder-decoder on the same data and budget, as figures, one table, and one chart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from monitor.formats.figures import Figure
from training.compare.beside import gain_figures
from training.compare.contenders import DEFAULT, Contender
from training.compare.data import Budget, read_kind_data
from training.compare.trial import Trial, try_kind, work
from training.data.noise_records import noise_halves
from training.measure.measures import measured, ranking_figures
from training.measure.protocol import Request, Result
from training.measure.splits import split_figures
from training.measure.tables import DETECTED, WITHOUT, Table, by_key, shown

INTER_PATIENT, ECG5000 = f"{DETECTED}{WITHOUT}", "/ecg5000"
GROUPS = ("V", "all")
# Of the table: a figure's name and group, what it is called there, and whether its interval is, too.
COLUMNS = (
    ("parameters", "", "parameters", False),
    ("training_time_s", "", "training, s", False),
    ("reconstruction_error_uv", "", "error, µV", False),
    ("compression_ratio", "", "ratio", False),
    ("prd", "", "PRD, %", False),
    ("auroc", f"V{INTER_PATIENT}", "AUROC V", False),
    ("auroc", f"all{INTER_PATIENT}", "AUROC all", False),
    ("average_precision", f"all{INTER_PATIENT}", "AP all", False),
    ("average_precision_gain", f"all{INTER_PATIENT}", f"AP over {DEFAULT}", True),
    ("auroc", f"all{ECG5000}", "ECG5000 AUROC", False),
    ("average_precision", f"all{ECG5000}", "ECG5000 AP", False),
    ("windows_per_second", "", "windows/s", False),
    ("artifact_bytes", "", "bytes", False),
)


def compare(request: Request, budget: Budget, kinds: Sequence[Contender]) -> Result:
    """Train and measure the kinds one after the other, under one bar; raises DataError for missing data."""
    data = read_kind_data(request.data, budget, request.bar)
    noise = None
    if any(each.objective.denoising is not None for each in kinds):
        noise = np.concatenate([first for first, _ in noise_halves(request.data, data.spec).values()])
    with request.bar("comparing", len(kinds) * work(budget)) as advance:
        trials = [try_kind(each, data, budget, noise, advance) for each in kinds]
    figures = kind_figures(trials)
    return Result(
        figures=figures,
        tables=[kind_table(figures)],
        details={
            "budget": {"epochs": budget.epochs, "train": budget.train, "test": budget.test},
            "kinds": [_row(trial) for trial in trials],
        },
    )


def kind_figures(trials: Sequence[Trial]) -> list[Figure]:
    """Every measure of every kind; groups begin with the kind: "conv/all/detected/without-232"."""
    figures: list[Figure] = []
    by_kind = {trial.kind: trial for trial in trials}
    for trial in trials:
        costs = {
            "parameters": trial.parameters,
            "training_time_s": trial.train_s,
            "reconstruction_error_uv": trial.error_uv,
            "prd": trial.prd,
            "artifact_bytes": trial.artifact_bytes,
        }
        figures += [measured(name, trial.kind, value, better="lower") for name, value in costs.items()]
        gains = {"compression_ratio": trial.ratio, "windows_per_second": trial.windows_per_s}
        figures += [measured(name, trial.kind, value) for name, value in gains.items()]
        found = [
            each
            for group in GROUPS
            for each in ranking_figures(trial.patients, group, INTER_PATIENT, lambda *_: None)
        ]
        if trial.kind != DEFAULT and DEFAULT in by_kind:
            found += gain_figures(trial.patients, by_kind[DEFAULT].patients, INTER_PATIENT)
        values = {
            (name, f"all{ECG5000}"): [split[name] for split in trial.splits]
            for name in ("auroc", "average_precision")
        }
        found += split_figures(values, {})
        figures += [_of_kind(trial.kind, each) for each in found]
    return figures


def _of_kind(kind: str, figure: Figure) -> Figure:
    # Whether a kind gains over the default is told by its interval: there is no target to meet.
    return measured(
        figure.name, f"{kind}/{figure.group}", _known(figure.value), figure.low, figure.high, better="higher"
    )


def _known(value: float | None) -> float:
    return float("nan") if value is None else value


def kind_table(figures: Sequence[Figure]) -> Table:
    """A row a kind."""
    found = by_key(figures)
    kinds = dict.fromkeys(each.group.partition("/")[0] for each in figures)
    rows = []
    for kind in kinds:
        cells = [
            _cell(found.get((name, f"{kind}/{group}".rstrip("/"))), with_interval)
            for name, group, _, with_interval in COLUMNS
        ]
        rows.append((kind, *cells))
    return Table("The kinds beside each other", ("kind", *(column for _, _, column, _ in COLUMNS)), rows)


def _cell(figure: Figure | None, with_interval: bool) -> str:
    if figure is None:
        return "–"
    return shown(figure if with_interval else msgspec.structs.replace(figure, low=None, high=None))


def _row(trial: Trial) -> dict[str, Any]:
    return {"kind": trial.kind, "what": trial.what, "epochs": trial.epochs, "splits": trial.splits}
