"""Measures repeated over the splits of one set of beats: their mean, and the worst and best split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from monitor.formats.figures import Figure
from training.measure.measures import measured
from training.measure.tables import Table, pivot

Values = Mapping[tuple[str, str], Sequence[float]]  # by measure and group, one value a split


def areas(normal: NDArray[np.float64], anomalous: NDArray[np.float64]) -> dict[str, float]:
    """AUROC and average precision of scores, higher being stranger; NaN without one or the other."""
    if not len(normal) or not len(anomalous):
        return {"auroc": float("nan"), "average_precision": float("nan")}
    score = np.concatenate([normal, anomalous])
    truth = np.arange(len(score)) >= len(normal)
    return {
        "auroc": float(roc_auc_score(truth, score)),
        "average_precision": float(average_precision_score(truth, score)),
    }


def collect(into: dict[tuple[str, str], list[float]], group: str, values: Mapping[str, float]) -> None:
    """Add one split's values of a group."""
    for name, value in values.items():
        into.setdefault((name, group), []).append(value)


def split_figures(values: Values, targets: Mapping[tuple[str, str], float]) -> list[Figure]:
    """The mean over splits of each measure; low and high are the lowest and the highest split.

    The splits share beats, so that their spread is no confidence interval.
    """
    figures = []
    for (name, group), each in values.items():
        spread = (min(each), max(each)) if len(each) > 1 and np.isfinite(each).all() else (None, None)
        mean = float(np.mean(each))
        figures.append(measured(name, group, mean, *spread, target=targets.get((name, group))))
    return figures


def by_split(values: Values) -> list[dict[str, Any]]:
    """JSON-ready: a row a measure and group, with every split's value."""
    return [{"name": name, "group": group, "values": list(each)} for (name, group), each in values.items()]


def scorer_table(title: str, figures: Sequence[Figure], scorers: Mapping[str, str]) -> Table:
    """A row a scorer; scorers: what to call each, by its suffix of group "all" ("" = the best one's)."""
    return _table(title, "scorer", figures, {f"all{suffix}": text for suffix, text in scorers.items()})


def class_table(title: str, figures: Sequence[Figure], groups: Sequence[str]) -> Table:
    """A row a class, where there is anything of it to measure."""
    return _table(title, "class", figures, {group: group for group in groups})


def _table(title: str, head: str, figures: Sequence[Figure], names: Mapping[str, str]) -> Table:
    """A row a group under the name it is given, a column a measure."""
    used = [each for each in figures if each.group in names]
    present = {each.group for each in used}
    rows = {group: text for group, text in names.items() if group in present}
    return pivot(title, used, rows, {each.name: each.name.replace("_", " ") for each in used}, head=head)
