"""Measures over repeated splits."""

from __future__ import annotations

import numpy as np

from training.measure.splits import areas, by_split, class_table, collect, scorer_table, split_figures


def test_areas_of_scores() -> None:
    """One normal score above one of two anomalous ones; nothing to rank without either."""
    found = areas(np.array([1.0, 2.0]), np.array([1.5, 3.0]))
    assert found["auroc"] == 0.75
    assert 0.8 < found["average_precision"] < 1
    assert np.isnan(areas(np.zeros(0), np.ones(2))["auroc"])


def test_mean_and_extremes_over_splits() -> None:
    """The mean is held against the target; one split alone, or one without a value, has no spread."""
    values: dict[tuple[str, str], list[float]] = {}
    for each in (0.9, 1.0):
        collect(values, "all", {"auroc": each})
    collect(values, "all/other", {"auroc": 0.8})
    collect(values, "S", {"auroc": float("nan")})
    best, other, nothing = split_figures(values, {("auroc", "all"): 0.95})
    assert (best.value, best.low, best.high, best.met) == (0.95, 0.9, 1.0, True)
    assert (other.value, other.low, other.met) == (0.8, None, None)
    assert nothing.value is None
    assert by_split(values)[0] == {"name": "auroc", "group": "all", "values": [0.9, 1.0]}


def test_tables_by_scorer_and_by_class() -> None:
    """Rows come in the order and under the names given; what was not measured has none."""
    values = {("auroc", "all"): [0.9], ("auroc", "all/other"): [0.8], ("auroc", "V"): [0.7]}
    figures = split_figures(values, {})
    table = scorer_table("t", figures, {"/other": "the other", "": "best", "/absent": "absent"})
    assert table.columns == ("scorer", "auroc")
    assert list(table.rows) == [("the other", "0.800"), ("best", "0.900")]
    assert list(class_table("t", figures, ["S", "V"]).rows) == [("V", "0.700")]
