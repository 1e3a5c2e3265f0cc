"""Prematurity and the distance to the running median beat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.adapt.usual_beat import LEARN
from monitor.ecg.windows import WindowSpec
from tests.support.beat_windows import SPEC, made_up_beats
from training.compare.usual import median_distance, prematurity

_REGULAR = np.arange(40) * 200  # one beat every 0.8 s


def test_an_early_beat_is_as_early_as_its_interval_is_short() -> None:
    """A beat at half the usual interval has −log ½; the late beat after it and the regular ones have 0."""
    r_peak = _REGULAR.copy()
    r_peak[30] -= 100
    early = prematurity(r_peak)
    assert early[30] == pytest.approx(np.log(2), abs=1e-6)
    assert not np.delete(early, 30).any()


def test_too_few_intervals_make_no_rhythm() -> None:
    """The first beats of a record are not early, whatever their intervals."""
    assert not prematurity(np.array([0, 200, 250, 500])).any()


def test_two_beats_at_one_sample_stay_finite() -> None:
    """Annotators may mark two beats at one sample."""
    assert np.isfinite(prematurity(np.sort(np.append(_REGULAR, _REGULAR[20])))).all()


def test_other_shapes_are_far_from_the_median() -> None:
    """Every beat of another shape is farther than every usual one, in each lead."""
    beats = made_up_beats(200, strange=range(50, 200, 25))
    distance = median_distance(beats, SPEC)
    strange = beats.label == "V"
    assert (distance[strange].min(axis=0) > distance[~strange].max(axis=0)).all()


def test_a_small_shift_and_an_offset_are_no_distance() -> None:
    """A beat that is marked 24 ms late, on a raised baseline, is as near as one marked well."""
    beats = made_up_beats(60)
    moved = beats.wide_mv.copy()
    moved[40:] = np.roll(moved[40:], WindowSpec().margin, axis=1) + 0.5
    near, far = median_distance(beats, SPEC), median_distance(replace(beats, wide_mv=moved), SPEC)
    assert np.abs(far[40:48] - near[40:48]).max() < 0.5


def test_unusable_leads_are_not_judged() -> None:
    """A lead that is off has no distance, and its samples never enter the median."""
    beats = made_up_beats(60)
    good, wide = beats.good.copy(), beats.wide_mv.copy()
    good[:30, 1], wide[:30, :, 1] = False, np.nan
    distance = median_distance(replace(beats, good=good, wide_mv=wide), SPEC)
    assert np.isnan(distance[:30, 1]).all()
    assert np.isfinite(distance[:, 0]).all()
    assert np.isfinite(distance[30:, 1]).all()


def test_fewer_beats_than_a_first_median_are_judged() -> None:
    """A short record's beats are held against the median of themselves."""
    assert np.isfinite(median_distance(made_up_beats(LEARN - 5), SPEC)).all()
