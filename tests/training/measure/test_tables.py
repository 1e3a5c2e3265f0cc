"""Figures as tables, and the record that is counted in and out."""

from __future__ import annotations

from types import SimpleNamespace

from training.measure.measures import measured
from training.measure.tables import ODD_ONE, WITHOUT, by_key, pivot, with_and_without, without_odd_one

FIGURES = [
    measured("auroc", "V", 0.99, 0.98, 1.0, target=0.998),
    measured("auroc", "S", 0.9),
    measured("f1", "V", float("nan")),
]
ROWS, COLUMNS = {"V": "ventricular", "S": "S"}, {"auroc": "AUROC", "f1": "F1"}


def test_targets_stand_beside_their_values() -> None:
    """A row a group, a column a measure; what is not there is blank, what could not be measured a dash."""
    table = pivot("t", FIGURES, ROWS, COLUMNS)
    assert table.columns == ("group", "AUROC", "F1")
    assert table.rows == [("ventricular", "0.990 (0.980–1.000) ≥ 0.998 ✗", "–"), ("S", "0.900", "")]


def test_a_target_may_have_its_own_column() -> None:
    """Of one measure, last; blank where it has none."""
    table = pivot("t", FIGURES, ROWS, COLUMNS, head="class", target=("auroc", "wanted"))
    assert table.columns == ("class", "AUROC", "F1", "wanted")
    assert [row[1] for row in table.rows] == ["0.990 (0.980–1.000)", "0.900"]
    assert [row[-1] for row in table.rows] == ["≥ 0.998 ✗", ""]


def test_figures_are_found_by_name_and_group() -> None:
    """As tables look them up."""
    assert by_key(FIGURES)["auroc", "S"] is FIGURES[1]


def test_the_odd_one_is_counted_in_and_out() -> None:
    """Only where leaving it out leaves something, and something else."""
    odd, other = SimpleNamespace(name=ODD_ONE), SimpleNamespace(name="100")
    assert with_and_without([odd, other]) == {"": [odd, other], WITHOUT: [other]}
    assert with_and_without([other]) == {"": [other]}
    assert with_and_without([odd]) == {"": [odd]}
    assert without_odd_one([odd]) == []
