"""Beat-by-beat measures of one-class detection, with confidence intervals over patients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from monitor.formats.figures import Figure

BOOTSTRAPS = 1000
CONFIDENCE = 0.95
MISSED = -1.0  # score of a beat that was not detected or not judged: it ranks last, since surprise >= 0


@dataclass(frozen=True, slots=True, eq=False)
class PatientScores:
    """One patient's beats as they were judged. n beats: the annotated ones, then extra detections.

    label: (n,) an AAMI class, or "extra", which counts as a negative; score: (n,) higher is stranger,
    MISSED where nothing was judged; flagged: (n,) at the operating point. Where a report is to draw single
    beats: time_s: (n,) of the R peak, from the recording's beginning; kind: (n,) "beat", what it was
    flagged as, "gated", or "missed".
    """

    name: str
    hours: float
    label: NDArray[np.str_]
    score: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    time_s: NDArray[np.float64] | None = None
    kind: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        columns = (self.label, self.score, self.flagged, self.time_s, self.kind)
        if len({len(column) for column in columns if column is not None}) != 1:
            raise ValueError(f"{self.name}: lengths differ: {self.label.shape=}, {self.score.shape=}")
        if np.isnan(self.score).any():
            raise ValueError(f"{self.name}: {np.isnan(self.score).sum()} scores are not numbers")

    @property
    def negative(self) -> NDArray[np.bool_]:
        """(n,) normal beats and what is no beat."""
        return np.isin(self.label, ("N", "extra"))


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """One class against the negatives, over patients: sorted once, then weighted at will.

    positive: (n,); score: (n,); patient: (n,) index into `patients`.
    """

    positive: NDArray[np.bool_]
    score: NDArray[np.float64]
    patient: NDArray[np.int64]
    patients: int


def ranking(patients: Sequence[PatientScores], group: str) -> Ranking:
    """Beats of class `group` ("all": every class but N) and the negatives, in descending order of score."""
    positive, score, owner = [], [], []
    for index, each in enumerate(patients):
        is_positive = ~each.negative if group == "all" else each.label == group
        used = is_positive | each.negative
        positive.append(is_positive[used])
        score.append(each.score[used])
        owner.append(np.full(int(used.sum()), index, np.int64))
    scores = np.concatenate(score)
    order = np.argsort(-scores, kind="stable")
    return Ranking(
        np.concatenate(positive)[order], scores[order], np.concatenate(owner)[order], len(patients)
    )


def auroc(ranks: Ranking, weight: NDArray[np.float64] | None = None) -> float:
    """Area under the ROC curve; NaN unless there are positives and negatives. weight: (n,)."""
    if not _decidable(ranks.positive):
        return float("nan")
    return float(roc_auc_score(ranks.positive, ranks.score, sample_weight=weight))


def average_precision(ranks: Ranking, weight: NDArray[np.float64] | None = None) -> float:
    """Average precision; NaN unless there are positives and negatives. weight: (n,)."""
    if not _decidable(ranks.positive):
        return float("nan")
    return float(average_precision_score(ranks.positive, ranks.score, sample_weight=weight))


def _decidable(positive: NDArray[np.bool_]) -> bool:
    return bool(positive.any() and not positive.all())


def bootstrap_areas(ranks: Ranking, bootstraps: int = BOOTSTRAPS, seed: int = 0) -> NDArray[np.float64]:
    """AUROC and average precision of patients drawn with replacement, (bootstraps, 2).

    NaN in a draw without positives. The same numbers as `auroc` and `average_precision` with patients'
    counts as weights, but sorted once: scikit-learn would sort a thousand times.
    """
    # A threshold admits all beats of one score at once.
    ends = np.append(np.flatnonzero(np.diff(ranks.score)), len(ranks.score) - 1)
    out = np.empty((bootstraps, 2))
    for row, counts in enumerate(draws(ranks.patients, bootstraps, seed)):
        weight = counts[ranks.patient]
        found = np.cumsum(weight * ranks.positive)[ends]
        false = np.cumsum(weight * ~ranks.positive)[ends]
        out[row] = _areas(found, false)
    return out


def draws(patients: int, bootstraps: int, seed: int = 0) -> NDArray[np.float64]:
    """How often each patient is in each draw, (bootstraps, patients); one seed pairs two comparisons."""
    chosen = np.random.default_rng(seed).integers(0, patients, (bootstraps, patients))
    return np.apply_along_axis(np.bincount, 1, chosen, minlength=patients).astype(np.float64)


def _areas(found: NDArray[np.float64], false: NDArray[np.float64]) -> tuple[float, float]:
    if not found[-1] or not false[-1]:
        return float("nan"), float("nan")
    sensitivity, false_rate = np.append(0, found / found[-1]), np.append(0, false / false[-1])
    area = np.sum(np.diff(false_rate) * (sensitivity[1:] + sensitivity[:-1]) / 2)
    flagged = found + false
    precision = np.divide(found, flagged, out=np.zeros_like(found), where=flagged > 0)
    return float(area), float(np.sum(np.diff(sensitivity) * precision))


def interval(values: NDArray[np.float64]) -> tuple[float | None, float | None]:
    """The middle 95 % of bootstrapped values; None if fewer than half of the draws gave one."""
    finite = values[np.isfinite(values)]
    if len(finite) < max(1, len(values) / 2):
        return None, None
    low, high = np.quantile(finite, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def ratio_interval(
    above: NDArray[np.float64], below: NDArray[np.float64], bootstraps: int = BOOTSTRAPS, seed: int = 0
) -> tuple[float | None, float | None]:
    """Interval of sum(above) / sum(below) over patients; above, below: (patients,)."""
    counts = draws(len(above), bootstraps, seed)
    total, denominator = counts @ above, counts @ below
    ratio = np.divide(total, denominator, out=np.full(bootstraps, np.nan), where=denominator > 0)
    return interval(ratio)


def ratio_figure(
    name: str,
    group: str,
    above: Sequence[float],
    below: Sequence[float],
    *,
    target: float | None = None,
    better: Literal["higher", "lower"] = "higher",
) -> Figure:
    """sum(above) / sum(below) over patients as a figure with its interval."""
    total = float(sum(below))
    value = float(sum(above)) / total if total else float("nan")
    low, high = ratio_interval(np.array(above, np.float64), np.array(below, np.float64))
    return measured(name, group, value, low, high, target=target, better=better)


def measured(
    name: str,
    group: str,
    value: float,
    low: float | None = None,
    high: float | None = None,
    *,
    target: float | None = None,
    better: Literal["higher", "lower"] = "higher",
) -> Figure:
    """A figure with its interval and verdict; NaN becomes None, as JSON has no NaN."""
    known = finite_or_none(value)
    met = None
    if target is not None and known is not None:
        met = bool(known >= target if better == "higher" else known <= target)
    return Figure(
        name=name, group=group, value=known, low=low, high=high, target=target, better=better, met=met
    )


def finite_or_none(value: float) -> float | None:
    """The value, or None where there was nothing to measure: JSON has no NaN."""
    return value if np.isfinite(value) else None


def ranking_figures(
    patients: Sequence[PatientScores], group: str, suffix: str, targets: Callable[[str, str], float | None]
) -> list[Figure]:
    """AUROC and average precision of one class; targets: by name and group with suffix."""
    ranks = ranking(patients, group)
    drawn = bootstrap_areas(ranks) if _decidable(ranks.positive) else np.full((1, 2), np.nan)
    full = group + suffix
    values = {"auroc": auroc(ranks), "average_precision": average_precision(ranks)}
    return [
        measured(name, full, value, *interval(drawn[:, column]), target=targets(name, full))
        for column, (name, value) in enumerate(values.items())
    ]


def sensitivity_threshold(patients: Sequence[PatientScores], group: str, sensitivity: float) -> float:
    """The highest score that finds this part of a class's beats; NaN where there are none."""
    scores = np.concatenate([each.score[each.label == group] for each in patients])
    if not len(scores):
        return float("nan")
    needed = int(np.ceil(sensitivity * len(scores) - 1e-9))
    return float(np.sort(scores)[::-1][max(needed, 1) - 1])


def false_beats(patients: Sequence[PatientScores], threshold: float | None = None) -> list[float]:
    """Each patient's flagged negatives, at the operating point or from a score upwards."""

    def flagged(each: PatientScores) -> NDArray[np.bool_]:
        # A beat that was not judged is never flagged, whatever the threshold.
        return each.flagged if threshold is None else (each.score >= threshold) & (each.score > MISSED)

    return [float((flagged(each) & each.negative).sum()) for each in patients]
