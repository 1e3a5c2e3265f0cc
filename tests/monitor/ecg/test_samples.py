"""Samples of several streams in one table, and their flags."""

from __future__ import annotations

import numpy as np

from monitor.ecg.samples import MISSING, SATURATED, Samples, flags_of


def test_flags_tell_missing_from_saturated() -> None:
    """What was not measured is missing, whatever its value; without limits nothing is saturated."""
    valid, saturated = np.array([True, True, False, False]), np.array([False, True, False, True])
    assert flags_of(valid, saturated).tolist() == [0, SATURATED, MISSING, MISSING]
    assert flags_of(valid).tolist() == [0, 0, MISSING, MISSING]
    assert flags_of(valid).dtype == np.uint8


def test_streams_lie_one_after_the_other() -> None:
    """Each with its slot, its rate and its part of the rows."""
    ecg_mv = [np.full((n, 2), n, np.float32) for n in (3, 0, 5)]
    flags = [np.zeros(each.shape, np.uint8) for each in ecg_mv]
    samples = Samples.of_streams(ecg_mv, flags, [250.0, 360.0, 500.0], [4, 1, 2])
    assert samples.offsets.tolist() == [0, 3, 3, 8]
    assert samples.slots.tolist() == [4, 1, 2]
    assert samples.n_leads.tolist() == [2, 2, 2]
    assert samples.ecg_mv[:, 0].tolist() == [3.0] * 3 + [5.0] * 5
    assert samples.seconds == 3 / 250 + 5 / 500


def test_a_signal_is_missing_where_it_is_no_number() -> None:
    """Its samples are 0 there, so that nothing spreads."""
    ecg_mv = np.array([[1.0, np.nan], [2.0, 3.0]], np.float32)
    samples = Samples.of_signal(ecg_mv, 250.0)
    assert samples.ecg_mv.tolist() == [[1.0, 0.0], [2.0, 3.0]]
    assert samples.flags.tolist() == [[0, MISSING], [0, 0]]
    assert samples.slots.tolist() == [0]
