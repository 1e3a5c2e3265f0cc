"""Protocol `calibration`: does a nominal rate hold on patients who were not calibrated on?

Twenty times the training patients are dealt into two halves: one calibrates, as `ecg-train calibrate`
does, the other is measured; every patient is scored by networks that have not seen him, and on his
normal beats and windows alone. Achieved over nominal: 1 is right, above 1 alarms too often.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.formats.figures import Figure
from training.data.records import normal_records
from training.errors import DataError
from training.fit.build import all_normals
from training.fit.calibration_splits import NOMINAL, Measured, countable_budget, score, split
from training.fit.crossfit import FIRST_RUN
from training.measure.measures import measured
from training.measure.protocol import Protocol, Request, Result
from training.measure.tables import Table, by_key, target_shown

SPLITS = 20
AT = 1e-2  # where the splits within a factor 2 are counted
FACTOR, EVENT_FACTOR, SHARE = 1.5, 2.0, 0.5  # wanted: medians within these, and of splits within 2
LEAST = 1e-3  # a ratio of 0 counts as this: wrong by a factor of 1000
MEDIAN_PATIENT = "/median-patient"


def run(request: Request) -> Result:
    """Every split's ratios, their spread, and every patient's."""
    model = request.required_model()
    names = model.manifest.data.get("records")
    if not isinstance(names, list):
        raise DataError(f"{model.name} names no training records to split")
    names = [name for name in names if not request.records or name in request.records]
    cross = request.cross_fitted(names)
    patients = all_normals(normal_records(request.data, names), model.manifest.windows, request.bar)
    with request.bar("scores", len(patients)) as advance:
        scored = []
        for patient in patients:
            scored.append(score(model, cross, patient))
            advance(1)
    splits = []
    with request.bar("splits", SPLITS) as advance:
        for seed in range(SPLITS):
            order = np.random.default_rng(seed).permutation(len(scored))
            half = len(order) // 2
            one, other = ([scored[i] for i in part] for part in (order[:half], order[half:]))
            splits.append(split(model, cross, one, other))
            advance(1)
    budget = countable_budget(model, scored)
    figures = _figures(splits, budget)
    return Result(
        figures=figures,
        tables=[_spread_table(splits, figures), _patient_table(splits, budget)],
        details={"splits": [_plain(each) for each in splits]},
    )


def ratios(splits: Sequence[Measured]) -> dict[str, NDArray[np.float64]]:
    """Every split's ratio, (splits,), by group: over all patients' windows, and the median patient's."""
    out = {}
    for group in splits[0].pooled:
        out[group] = np.array([each.pooled[group] for each in splits])
        out[group + MEDIAN_PATIENT] = np.array([np.median(each.by_patient[group]) for each in splits])
    return out


def factor(ratio: float) -> float:
    """How far from 1, either way: 2 is twice as much or half as much."""
    known = max(ratio, LEAST)
    return max(known, 1 / known)


def _figures(splits: Sequence[Measured], budget_per_hour: float) -> list[Figure]:
    """Medians over splits with quartiles as low and high, and how far they are from 1."""
    figures = []
    # A budget says what the median patient's events may be (training.fit.calibration).
    wanted = {f"{part}/{rate:g}": FACTOR for part in ("beats", "fixed") for rate in NOMINAL}
    wanted[f"events/{budget_per_hour:g}{MEDIAN_PATIENT}"] = EVENT_FACTOR
    for group, values in ratios(splits).items():
        middle = float(np.median(values))
        low, high = (float(q) for q in np.quantile(values, [0.25, 0.75]))
        figures.append(measured("achieved_over_nominal", group, middle, low, high))
        target = wanted.get(group)
        figures.append(measured("calibration_factor", group, factor(middle), target=target, better="lower"))
        within = float(np.mean([factor(value) <= 2 for value in values]))
        share = SHARE if group in (f"beats/{AT:g}", f"fixed/{AT:g}") else None
        figures.append(measured("splits_within_2", group, within, target=share))
    return figures


def _spread_table(splits: Sequence[Measured], figures: Sequence[Figure]) -> Table:
    found = by_key(figures)
    rows = []
    for group, values in ratios(splits).items():
        low, lower, middle, upper, high = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
        off, within = found["calibration_factor", group], found["splits_within_2", group]
        rows.append(
            (
                group,
                f"{middle:.2f}",
                f"{lower:.2f}–{upper:.2f}",
                f"{low:.2f}–{high:.2f}",
                f"{within.value:.2f} {target_shown(within)}".strip(),
                f"{off.value:.2f} {target_shown(off)}".strip(),
            )
        )
    columns = ("achieved / nominal", "median", "quartiles", "range", "splits within 2", "median off by")
    return Table(f"Over {len(splits)} splits of the patients", columns, rows)


def _patient_table(splits: Sequence[Measured], budget_per_hour: float) -> Table:
    """Each patient's median ratio over the splits in which he was measured."""
    groups = (f"beats/{AT:g}", f"fixed/{AT:g}", f"events/{budget_per_hour:g}")
    rows = []
    for name in sorted({name for each in splits for name in each.patients}):
        own = [
            np.median([s.by_patient[group][s.patients.index(name)] for s in splits if name in s.patients])
            for group in groups
        ]
        rows.append((name, *(f"{value:.2f}" for value in own)))
    return Table("By record, achieved / nominal", ("record", *groups), rows)


def _plain(each: Measured) -> dict[str, Any]:
    return {
        "patients": each.patients,
        "by_patient": {group: np.round(values, 4).tolist() for group, values in each.by_patient.items()},
        "pooled": {group: round(value, 4) for group, value in each.pooled.items()},
    }


PROTOCOL = Protocol(
    name="calibration",
    summary=f"{SPLITS} splits of the training patients, nominal and achieved rates; 2 minutes, {FIRST_RUN}",
    run=run,
)
