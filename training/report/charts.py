"""Charts of an evaluation, as SVG or PNG for a page."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from monitor.scan.paper import png
from training.measure.measures import MISSED, PatientScores, auroc, average_precision, false_beats, ranking
from training.report.curves import GRID, curves

COLOURS = {"all": "#1a1a1a", "V": "#d8402a", "S": "#c07a00", "F": "#7a4fb5", "Q": "#2a8a6a"}
_NORMAL, _BAR = "#8aa9c9", "#1f66ad"
WORST_RECORDS = 6
_TALLEST = 8.0  # surprise; what is above is drawn there


def draw_curves(patients: Sequence[PatientScores]) -> bytes:
    """ROC and precision-recall of each class against the normal beats, as SVG."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    roc, precision = figure.subplots(1, 2)
    for group, color in COLOURS.items():
        ranks = ranking(patients, group)
        both = curves(ranks)
        if both is None:
            continue
        areas = (auroc(ranks), average_precision(ranks))
        for axes, curve, area in zip((roc, precision), both, areas, strict=True):
            axes.fill_between(GRID, curve.low, curve.high, color=color, alpha=0.12, linewidth=0)
            axes.plot(GRID, curve.value, color=color, linewidth=1.5, label=f"{group}: {area:.3f}")
    roc.set(title="ROC (area)", xlabel="false positive rate", ylabel="sensitivity")
    precision.set(
        title="precision-recall (average precision)", xlabel="sensitivity", ylabel="positive predictivity"
    )
    for axes in (roc, precision):
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
        axes.grid(alpha=0.25)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return _svg(figure)


def draw_records(patients: Sequence[PatientScores]) -> bytes:
    """A row a record: AUROC, false beats an hour, and V sensitivity at the operating point, as SVG."""
    names = [each.name for each in patients]
    columns = {
        "AUROC, all against N": [auroc(ranking([each], "all")) for each in patients],
        "false beats an hour": [
            count / each.hours for count, each in zip(false_beats(patients), patients, strict=True)
        ],
        "V sensitivity": [_sensitivity(each, "V") for each in patients],
    }
    figure = Figure(figsize=(11, 1.2 + 0.24 * len(patients)), layout="constrained")
    for axes, (title, values) in zip(figure.subplots(1, 3, sharey=True), columns.items(), strict=True):
        at = np.arange(len(names))
        axes.barh(at, np.nan_to_num(values), color=_BAR, height=0.7)
        for row, value in zip(at, values, strict=True):
            text = "–" if np.isnan(value) else f"{value:.1f}" if "hour" in title else f"{value:.3f}"
            end = {"xytext": (4, 0), "textcoords": "offset points", "va": "center", "fontsize": 8}
            axes.annotate(text, (np.nan_to_num(value), row), **end)
        axes.set(title=title, yticks=at, yticklabels=names, ylim=(len(names) - 0.4, -0.6))
        axes.set_xlim(0, 1.15 * (max([value for value in values if np.isfinite(value)], default=1) or 1))
        axes.grid(alpha=0.25, axis="x")
        axes.spines[["top", "right"]].set_visible(False)
    return _svg(figure)


def worst_records(patients: Sequence[PatientScores], count: int = WORST_RECORDS) -> list[PatientScores]:
    """Those with the lowest AUROC, of those where it is defined and beats' times are known."""
    areas = [(auroc(ranking([each], "all")), i) for i, each in enumerate(patients) if each.time_s is not None]
    return [patients[i] for area, i in sorted(areas) if np.isfinite(area)][:count]


def draw_over_time(patients: Sequence[PatientScores]) -> bytes:
    """Every beat's score over the time of its record, by class, as PNG: too many points for SVG."""
    figure = Figure(figsize=(11, 0.6 + 1.9 * len(patients)), dpi=120, layout="constrained", facecolor="white")
    canvas = FigureCanvasAgg(figure)
    every = figure.subplots(len(patients), 1, squeeze=False)[:, 0]
    for axes, each in zip(every, patients, strict=True):
        _over_time(axes, each)
    every[-1].set_xlabel("minutes")
    return png(canvas)


def _over_time(axes: Any, patient: PatientScores) -> None:
    if patient.time_s is None:
        raise ValueError(f"{patient.name}: the beats' times are not known")
    minutes = patient.time_s / 60
    score = np.minimum(np.where(patient.score == MISSED, -0.4, patient.score), _TALLEST)
    for group, color in (("N", _NORMAL), ("extra", "#555555"), *COLOURS.items()):
        of_group = patient.label == group
        for flagged, face in ((False, "none"), (True, color)):
            rows = of_group & (patient.flagged == flagged)
            label = group if flagged or not (of_group & patient.flagged).any() else None
            if rows.any():
                axes.scatter(
                    minutes[rows], score[rows], 9, face, edgecolors=color, linewidths=0.6, label=label
                )
    area = auroc(ranking([patient], "all"))
    axes.set_title(f"{patient.name}: AUROC {area:.3f}", fontsize=10, loc="left")
    axes.set(ylabel="surprise", ylim=(-0.7, _TALLEST + 0.3))
    axes.axhline(0, color="#bbbbbb", linewidth=0.6)
    axes.legend(fontsize=8, ncols=6, loc="lower right", bbox_to_anchor=(1, 0.98), frameon=False)


def _sensitivity(patient: PatientScores, group: str) -> float:
    of_group = patient.label == group
    return float(patient.flagged[of_group].mean()) if of_group.any() else float("nan")


def _svg(figure: Figure) -> bytes:
    out = BytesIO()
    # Words stay words: they are sharp at any size, and can be read out.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "ecg-monitor"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()
