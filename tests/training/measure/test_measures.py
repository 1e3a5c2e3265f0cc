"""Rankings, intervals, and what counts for and against a detector."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.measure.measures import (
    MISSED,
    PatientScores,
    auroc,
    average_precision,
    bootstrap_areas,
    draws,
    false_beats,
    interval,
    measured,
    ranking,
    ranking_figures,
    ratio_figure,
    sensitivity_threshold,
)


def _patient(name: str, label: str, score: list[float], flagged: list[bool] | None = None) -> PatientScores:
    """Beats by one letter each; x is an extra detection."""
    labels = np.array(["extra" if letter == "x" else letter for letter in label], "U5")
    flags = np.array(flagged or [False] * len(score))
    return PatientScores(name, 0.5, labels, np.array(score, np.float64), flags)


def test_classes_are_held_against_normal_beats_alone() -> None:
    """An S beat is no negative of V; of all, every class but N is positive."""
    patient = _patient("a", "NSVFQ", [0, 9, 1, 8, 7])
    assert auroc(ranking([patient], "V")) == 1.0
    assert ranking([patient], "all").positive.tolist() == [True, True, True, True, False]


def test_missed_beats_rank_last_and_extra_ones_are_negatives() -> None:
    """A missed V beat is below every other; a strange detection that is no beat costs precision."""
    assert auroc(ranking([_patient("a", "NNV", [1, 2, MISSED])], "V")) == 0.0
    assert average_precision(ranking([_patient("a", "NVx", [1, 2, 3])], "V")) == 0.5


def test_one_class_alone_has_no_area() -> None:
    """Without positives there is nothing to rank: the figure says so instead of guessing."""
    ranks = ranking([_patient("a", "NN", [1, 2])], "V")
    assert np.isnan([auroc(ranks), average_precision(ranks)]).all()
    assert [
        each.value for each in ranking_figures([_patient("a", "NN", [1, 2])], "V", "", lambda *_: None)
    ] == [
        None,
        None,
    ]


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 5)), min_size=4, max_size=60))
def test_bootstrap_agrees_with_scikit_learn(beats: list[tuple[int, bool, int]]) -> None:
    """Each draw's areas are those of scikit-learn with the patients' counts as weights, ties included."""
    patients = []
    for index in range(3):
        own = [(positive, score) for patient, positive, score in beats if patient == index]
        patients.append(_patient(str(index), "".join("V" if p else "N" for p, _ in own), [s for _, s in own]))
    ranks = ranking(patients, "V")
    counts = draws(3, 5)
    for areas, count in zip(bootstrap_areas(ranks, 5), counts, strict=True):
        weight = count[ranks.patient]
        if (weight * ranks.positive).any() and (weight * ~ranks.positive).any():
            assert areas == pytest.approx([auroc(ranks, weight), average_precision(ranks, weight)])
        else:
            assert np.isnan(areas).all()


def test_interval_holds_the_value() -> None:
    """Patients drawn anew give an interval around the figure; its verdict is that of the value."""
    patients = [_patient(str(i), "NNNV", [0.1 * i, 0.5, 1, 0.6 + 0.1 * i]) for i in range(6)]
    area, precision = ranking_figures(
        patients, "V", "/detected", lambda name, _: 0.5 if name == "auroc" else None
    )
    assert area.group == "V/detected"
    assert area.low is not None
    assert area.value is not None
    assert area.high is not None
    assert area.low <= area.value <= area.high
    assert (area.met, precision.met) == (True, None)


def test_interval_needs_enough_draws() -> None:
    """If most draws had no positives there is no interval to speak of."""
    assert interval(np.array([1.0, np.nan, np.nan])) == (None, None)


def test_ratio_over_patients() -> None:
    """A ratio pools its patients; with nothing below the line there is no figure."""
    rate = ratio_figure("false_beats_per_hour", "all", [1.0, 3.0], [0.5, 0.5], target=5, better="lower")
    assert (rate.value, rate.met) == (4.0, True)
    assert ratio_figure("sensitivity", "S", [0.0], [0.0]).value is None


def test_targets_are_met_or_not() -> None:
    """Higher or lower is better, as the figure says; no value has no verdict."""
    assert measured("x", "all", 2.0, target=3).met is False
    assert measured("x", "all", 2.0, target=3, better="lower").met is True
    assert measured("x", "all", float("nan"), target=3).met is None


def test_threshold_at_a_sensitivity() -> None:
    """The highest score that finds 95 % of the class; at it, false beats are those at least as strange."""
    patient = _patient("a", "V" * 20 + "NNx", [*range(20), 0.5, 1.5, 30], [True] * 23)
    threshold = sensitivity_threshold([patient], "V", 0.95)
    assert threshold == 1.0
    assert false_beats([patient], threshold) == [2.0]
    assert false_beats([patient]) == [3.0]
    assert np.isnan(sensitivity_threshold([patient], "S", 0.95))


def test_unjudged_beats_are_never_flagged() -> None:
    """Even where the threshold falls to the missed beats' rank, those are no alarms."""
    patient = _patient("a", "VN", [MISSED, MISSED])
    assert false_beats([patient], sensitivity_threshold([patient], "V", 0.95)) == [0.0]


def test_scores_must_be_numbers_of_equal_count() -> None:
    """A NaN score is an error, never normal."""
    with pytest.raises(ValueError, match="not numbers"):
        _patient("a", "N", [float("nan")])
    with pytest.raises(ValueError, match="lengths differ"):
        _patient("a", "NN", [1.0])
