"""How many beats QRS detectors find, miss and make up, as figures and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from monitor.formats.figures import Figure
from monitor.scan.matching import positive_predictivity, sensitivity
from training.measure.measures import BOOTSTRAPS, draws, interval, measured
from training.measure.qrs_peers import GQRS_PERCENT
from training.measure.tables import Table, target_shown

OURS, GQRS = "ours", "gqrs"
Measure = Literal["sensitivity", "positive_predictivity", "f1"]
MEASURES: tuple[Measure, ...] = ("sensitivity", "positive_predictivity", "f1")
CLEAN_TARGETS: dict[Measure, float] = {"sensitivity": 0.998, "positive_predictivity": 0.9975}
SNR_DB = {"24": "24", "18": "18", "12": "12", "06": "6", "00": "0", "_6": "-6"}  # by the name's end
NEARLY = 0.001  # at SNRs where all detectors are nearly perfect, this much less than the best is as good
NEARLY_AT = ("24", "18")


@dataclass(frozen=True, slots=True)
class QrsCount:
    """A record's beats after the first five minutes."""

    name: str
    found: int
    missed: int
    extra: int

    @property
    def sensitivity(self) -> float:
        """Part of the beats that were found."""
        return sensitivity(self.found, self.missed)

    @property
    def positive_predictivity(self) -> float:
        """Part of the detections that are beats."""
        return positive_predictivity(self.found, self.extra)


Counts = Mapping[str, Sequence[QrsCount]]  # by detector, ours first; each has the same records


def clean_figures(counts: Counts) -> list[Figure]:
    """Averages over records, each of which counts alike as in the published figures; ours pooled, too."""
    figures = []
    for detector, rows in counts.items():
        targets = CLEAN_TARGETS if detector == OURS else {}
        figures += _average(_group("all", detector), rows, targets)
    ours = counts[OURS]
    found, missed, extra = (sum(getattr(row, part) for row in ours) for part in ("found", "missed", "extra"))
    return [
        *figures,
        measured("sensitivity", "gross", sensitivity(found, missed)),
        measured("positive_predictivity", "gross", positive_predictivity(found, extra)),
    ]


def noise_figures(counts: Counts) -> list[Figure]:
    """Averages by signal-to-noise ratio; ours should have an F1 above every other detector's."""
    figures = []
    for ending, snr in SNR_DB.items():
        at_snr = {name: [row for row in rows if row.name.endswith(ending)] for name, rows in counts.items()}
        if not at_snr[OURS]:
            continue
        group = f"{snr}dB"
        peers = [
            figure
            for name, rows in at_snr.items()
            if name != OURS
            for figure in _average(_group(group, name), rows)
        ]
        found, right = (percent / 100 for percent in GQRS_PERCENT[snr])
        peers.append(measured("f1", _group(group, GQRS), f1(found, right)))
        best = max(figure.value or 0.0 for figure in peers if figure.name == "f1")
        target = best - NEARLY if snr in NEARLY_AT else best
        figures += [*_average(group, at_snr[OURS], {"f1": target}), *peers]
    return figures


def f1(found: float, right: float) -> float:
    """Harmonic mean of sensitivity and positive predictivity; NaN where one is, or both are 0."""
    return 2 * found * right / (found + right) if found + right else float("nan")


def _group(group: str, detector: str) -> str:
    return group if detector == OURS else f"{group}/{detector}"


def _average(
    group: str, rows: Sequence[QrsCount], targets: Mapping[Measure, float] | None = None
) -> list[Figure]:
    """Mean over records of sensitivity and positive predictivity, and the F1 of the means."""
    weights = draws(len(rows), BOOTSTRAPS) / len(rows)
    values = np.array([(row.sensitivity, row.positive_predictivity) for row in rows])
    means, drawn = values.mean(axis=0), weights @ values
    columns = {
        "sensitivity": (means[0], drawn[:, 0]),
        "positive_predictivity": (means[1], drawn[:, 1]),
        "f1": (f1(*means), np.array([f1(*pair) for pair in drawn])),
    }
    figures = []
    for name in MEASURES:
        value, draws_of_it = columns[name]
        low, high = interval(draws_of_it) if len(rows) > 2 else (None, None)
        figures.append(measured(name, group, float(value), low, high, target=(targets or {}).get(name)))
    return figures


def summary_table(figures: Sequence[Figure]) -> Table:
    """A row a group and detector, a column a measure; targets are our detector's."""
    cells: dict[str, dict[str, str]] = {}
    for each in figures:
        text = "–" if each.value is None else f"{100 * each.value:.2f}"
        if each.target is not None:
            text += f" {target_shown(each)}"
        cells.setdefault(each.group, {})[each.name] = text
    rows = [(group, *(row.get(name, "") for name in MEASURES)) for group, row in cells.items()]
    columns = ("group", "sensitivity %", "positive predictivity %", "F1 %")
    return Table("QRS detection, first lead", columns, rows)


def record_table(title: str, counts: Counts) -> Table:
    """A row a record; sensitivity and positive predictivity of each detector, in %."""
    rows = [
        (
            row.name, str(row.found), str(row.missed), str(row.extra),
            *(_both(others[index]) for others in counts.values()),
        )
        for index, row in enumerate(counts[OURS])
    ]  # fmt: skip
    return Table(title, ("record", "found", "missed", "extra", *counts), rows)


def _both(row: QrsCount) -> str:
    return f"{100 * row.sensitivity:.1f}/{100 * row.positive_predictivity:.1f}"
