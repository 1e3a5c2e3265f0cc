"""Curves with their bands."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve, roc_curve

from training.measure.measures import PatientScores, ranking
from training.report.curves import GRID, curves


def _patient(name: str, seed: int, positives: int = 20) -> PatientScores:
    rng = np.random.default_rng(seed)
    label = np.array(["N"] * 80 + ["V"] * positives)
    score = np.round(rng.normal(size=len(label)) + 1.5 * (label == "V") + 5, 1)
    return PatientScores(name, 0.5, label, score, score > 6)


def test_curves_are_those_of_scikit_learn() -> None:
    """ROC by interpolation; precision at the strictest threshold that finds enough; ties enter at once."""
    ranks = ranking([_patient("a", 1), _patient("b", 2)], "V")
    both = curves(ranks)
    assert both is not None
    roc, precision = both
    false_rate, sensitivity, _ = roc_curve(ranks.positive, ranks.score)
    assert roc.value == pytest.approx(np.interp(GRID, false_rate, sensitivity))
    predictivity, found, _ = precision_recall_curve(ranks.positive, ranks.score)
    for at in (0.1, 0.5, 1.0):
        wanted = predictivity[np.flatnonzero(found >= at - 1e-12)[-1]]
        assert precision.value[np.searchsorted(GRID, at)] == pytest.approx(wanted)


def test_bands_hold_the_curve() -> None:
    """Patients that differ spread the band around what they give together; none leaves 0 to 1."""
    both = curves(ranking([_patient(str(seed), seed) for seed in range(8)], "V"))
    assert both is not None
    for curve in both:
        assert np.mean((curve.low <= curve.value) & (curve.value <= curve.high)) > 0.9
        assert curve.low.min() >= 0
        assert curve.high.max() <= 1


def test_draws_without_the_class_are_left_out() -> None:
    """One patient of many may have all of a class's beats."""
    both = curves(ranking([_patient("a", 1), _patient("b", 2, positives=0)], "V"))
    assert both is not None
    assert all(np.isfinite(curve.low).all() for curve in both)


def test_one_class_has_no_curve() -> None:
    """There is nothing to tell apart."""
    assert curves(ranking([_patient("a", 1, positives=0)], "V")) is None
