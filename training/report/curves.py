"""ROC and precision-recall curves with their bands over patients drawn anew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.measure.measures import CONFIDENCE, Ranking, draws

GRID = np.linspace(0, 1, 401)
BAND_BOOTSTRAPS = 200  # a band is looked at, an interval is quoted: fewer draws than for figures


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A curve over GRID, (points,), with the middle 95 % of those of patients drawn with replacement."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def curves(ranks: Ranking, bootstraps: int = BAND_BOOTSTRAPS) -> tuple[Curve, Curve] | None:
    """Sensitivity over the false positive rate, and positive predictivity over the sensitivity.

    None unless there are positives and negatives; draws that lack either are left out.
    """
    if not ranks.positive.any() or ranks.positive.all():
        return None
    own = _both(ranks, np.ones(ranks.patients))
    drawn = [_both(ranks, counts) for counts in draws(ranks.patients, bootstraps)]
    samples = np.stack([each for each in drawn if np.isfinite(each).all()] or [own])
    low, high = np.quantile(samples, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return Curve(own[0], low[0], high[0]), Curve(own[1], low[1], high[1])


def _both(ranks: Ranking, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Both curves over GRID, (2, points), each patient counted so often; NaN without one class."""
    # A threshold admits all beats of one score at once.
    ends = np.append(np.flatnonzero(np.diff(ranks.score)), len(ranks.score) - 1)
    weight = counts[ranks.patient]
    found, false = np.cumsum(weight * ranks.positive)[ends], np.cumsum(weight * ~ranks.positive)[ends]
    if not found[-1] or not false[-1]:
        return np.full((2, len(GRID)), np.nan)
    sensitivity, false_rate = found / found[-1], false / false[-1]
    roc = np.interp(GRID, np.append(0, false_rate), np.append(0, sensitivity))
    flagged = found + false
    precision = np.divide(found, flagged, out=np.ones_like(found), where=flagged > 0)
    # The least strict threshold that is needed to find so many.
    at = np.minimum(np.searchsorted(sensitivity, GRID - 1e-12), len(ends) - 1)
    return np.stack([roc, precision[at]])
