"""Beat-by-beat comparison: pairing, counting, exclusions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.scan.matching import (
    match_beats,
    outside_intervals,
    positive_predictivity,
    sensitivity,
    tolerance_samples,
)

BEATS = st.lists(st.integers(0, 2000), max_size=30).map(lambda beats: np.array(sorted(beats), np.int64))
DISTINCT = BEATS.map(np.unique)


def samples(*values: int) -> NDArray[np.int64]:
    """An array of sample numbers."""
    return np.array(values, np.int64)


def test_equal_annotations_match_completely() -> None:
    """Each beat is paired with itself."""
    beats = samples(100, 300, 500)
    matches = match_beats(beats, beats, 54)
    assert matches.pairs.tolist() == [[0, 0], [1, 1], [2, 2]]
    assert (matches.sensitivity, matches.positive_predictivity) == (1.0, 1.0)


def test_missed_and_extra_beats_are_told_apart() -> None:
    """A reference beat alone is missed, a test beat alone is extra."""
    matches = match_beats(samples(100, 300, 500), samples(105, 400, 510), 54)
    assert matches.pairs.tolist() == [[0, 0], [2, 2]]
    assert matches.missed.tolist() == [1]
    assert matches.extra.tolist() == [1]


@pytest.mark.parametrize(("distance", "paired"), [(-55, 0), (-54, 1), (54, 1), (55, 0)])
def test_the_tolerance_is_included(distance: int, paired: int) -> None:
    """A beat exactly 150 ms away is the same beat, one sample more is not."""
    assert len(match_beats(samples(1000), samples(1000 + distance), 54).pairs) == paired


def test_the_nearer_of_two_test_beats_is_paired() -> None:
    """Of two detections around one beat the nearer counts and the other one is extra."""
    matches = match_beats(samples(1000), samples(960, 1010), 54)
    assert matches.pairs.tolist() == [[0, 1]]
    assert matches.extra.tolist() == [0]


def test_the_nearer_of_two_reference_beats_is_paired() -> None:
    """Of two beats around one detection the nearer is found and the other one is missed."""
    matches = match_beats(samples(960, 1010), samples(1000), 54)
    assert matches.pairs.tolist() == [[1, 0]]
    assert matches.missed.tolist() == [0]


def test_close_beats_are_paired_if_the_next_ones_suit_each_other_better() -> None:
    """The case that James Pardey reported for `bxb`: each of two close beats has its detection."""
    matches = match_beats(samples(96, 160), samples(128, 185), 37)
    assert matches.pairs.tolist() == [[0, 0], [1, 1]]


@given(reference=BEATS, test=BEATS, tolerance=st.integers(0, 100))
def test_every_beat_is_counted_once(
    reference: NDArray[np.int64], test: NDArray[np.int64], tolerance: int
) -> None:
    """Pairs and missed make up the reference, pairs and extra the test; order and tolerance hold."""
    matches = match_beats(reference, test, tolerance)
    assert sorted([*matches.pairs[:, 0], *matches.missed]) == list(range(len(reference)))
    assert sorted([*matches.pairs[:, 1], *matches.extra]) == list(range(len(test)))
    assert np.all(np.diff(matches.pairs, axis=0) > 0)
    assert np.all(np.abs(reference[matches.pairs[:, 0]] - test[matches.pairs[:, 1]]) <= tolerance)


@given(reference=DISTINCT, test=DISTINCT)
def test_comparison_is_symmetric_in_its_pairs(reference: NDArray[np.int64], test: NDArray[np.int64]) -> None:
    """Swapping the sides swaps missed and extra but for ties in distance, so the counts stay."""
    there, back = match_beats(reference, test, 40), match_beats(test, reference, 40)
    assert len(there.pairs) == len(back.pairs)


def test_no_beats_give_no_figures() -> None:
    """Nothing to find or nothing found is NaN, not 0 or 1."""
    matches = match_beats(samples(), samples(), 54)
    assert math.isnan(matches.sensitivity)
    assert math.isnan(matches.positive_predictivity)


def test_figures_are_parts_of_a_whole() -> None:
    """Sensitivity counts missed beats, positive predictivity extra ones."""
    assert sensitivity(90, 10) == pytest.approx(0.9)
    assert positive_predictivity(90, 30) == pytest.approx(0.75)


@pytest.mark.parametrize(("rate_hz", "tolerance"), [(360.0, 54), (250.0, 37), (1000.0, 150)])
def test_tolerance_is_150_ms_in_whole_samples(rate_hz: float, tolerance: int) -> None:
    """Rounding down never lets a beat further away than 150 ms pass."""
    assert tolerance_samples(rate_hz) == tolerance


def test_every_reference_beat_has_its_partner_or_none() -> None:
    """By the reference beat's place, as a table of beats wants it."""
    matches = match_beats(samples(100, 300, 500), samples(105, 400, 510), 54)
    assert matches.partners(3).tolist() == [0, -1, 2]
    assert match_beats(samples(), samples(1), 54).partners(0).tolist() == []


def test_beats_in_excluded_intervals_are_left_out() -> None:
    """Both ends of an interval belong to it."""
    beats, intervals = samples(9, 10, 15, 20, 21), np.array([[10, 20]], np.int64)
    assert outside_intervals(beats, intervals).tolist() == [True, False, False, False, True]
    assert outside_intervals(beats, np.empty((0, 2), np.int64)).all()


def test_unsorted_beats_are_refused() -> None:
    """Pairing in time order needs both sides in time order."""
    with pytest.raises(ValueError, match="test is not"):
        match_beats(samples(1, 2), samples(2, 1), 54)
    with pytest.raises(ValueError, match="tolerance"):
        match_beats(samples(1), samples(1), -1)
