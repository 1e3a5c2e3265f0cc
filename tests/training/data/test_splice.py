"""Streams made of single cycles."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.recordings.synthetic import synthetic_ecg
from tests.support.models import recording_of
from training.data.records import AnnotatedRecord, annotated
from training.data.splice import BEFORE_S, cycles, joined, spliced

RATE = 360
WIDE = range(10, 60, 5)


@pytest.fixture(scope="module")
def record() -> AnnotatedRecord:
    """A minute with ten ventricular beats, on two leads."""
    ecg = synthetic_ecg(60, rate_hz=RATE, ventricular=WIDE, seed=4)
    notes = [(int(r), "V" if wide else "N", "") for r, wide in zip(ecg.r_peak, ecg.ventricular, strict=True)]
    return annotated(recording_of(ecg, "made-up"), notes)


def test_a_cycle_lasts_from_before_its_beat_to_before_the_next(record: AnnotatedRecord) -> None:
    """One a beat of the class, as long as its RR interval."""
    found = cycles(record, "V", 2)
    assert len(found) == len(WIDE)
    wide = np.flatnonzero(record.labels == "V")
    assert [len(each) for each in found] == np.diff(record.beats)[wide].tolist()
    assert all(each.shape[1] == 2 for each in found)


def test_there_is_no_step_at_a_seam(record: AnnotatedRecord) -> None:
    """Each cycle begins where the one before ended, and ends at its own level."""
    parts = [part + level for level, part in enumerate(cycles(record, "N", 2)[:5])]
    ecg_mv = joined(parts)
    seams = np.cumsum([len(part) for part in parts])[:-1]
    assert np.allclose(ecg_mv[seams], ecg_mv[seams - 1], atol=1e-5)
    assert np.allclose(ecg_mv[-1], parts[-1][-1] - np.median(parts[-1], axis=0), atol=1e-5)


@pytest.mark.parametrize("leads", [1, 2])
def test_normal_beats_and_then_abnormal_ones(record: AnnotatedRecord, leads: int) -> None:
    """So many seconds, then so many beats, each annotated where its cycle was cut from."""
    stream = spliced(record, normal_s=20, abnormal=30, leads=leads)
    assert "".join(stream.labels).strip("N") == "V" * 30
    assert len(stream.recording.leads) == leads
    first = stream.beats[np.flatnonzero(stream.labels == "V")[0]] - round(BEFORE_S * RATE)
    assert 20 * RATE <= first < 22 * RATE
    tops = [stream.recording.ecg_mv[at - 20 : at + 21, 0].argmax() for at in stream.beats[:15]]
    assert np.ptp(tops) <= 2


def test_the_seed_decides_the_draw(record: AnnotatedRecord) -> None:
    """The same again with the same seed, another stream with another one."""
    one, same, other = (
        spliced(record, normal_s=5, abnormal=3, leads=1, seed=seed).recording.adc for seed in (0, 0, 1)
    )
    assert np.array_equal(one, same)
    assert one.shape != other.shape or not np.array_equal(one, other)


def test_both_classes_are_needed(record: AnnotatedRecord) -> None:
    """The error says how many cycles there are of each."""
    with pytest.raises(ValueError, match=r"made-up: need cycles of N and S; got \[\d+, 0\]"):
        spliced(record, normal_s=5, abnormal=3, leads=1, label="S")
