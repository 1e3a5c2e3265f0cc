"""Beats of a record cut for the baselines."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from monitor.ecg.filters import INTERNAL_RATE_HZ
from tests.support.beat_windows import SPEC, made_up_beats
from tests.support.databases import RATE_HZ, write_record
from training.compare.beat_windows import beat_windows
from training.data.records import read_record
from training.measure.measures import MISSED


def test_annotated_beats_keep_their_order_and_labels(tmp_path: Path) -> None:
    """Every annotated beat has a window, even the last ones, around its own R peak."""
    record = read_record(write_record(tmp_path, "100", 40, ventricular=(10, 20)))
    beats = beat_windows(record, SPEC)
    assert beats.label.tolist() == record.labels.tolist()
    assert np.array_equal(beats.r_peak, np.rint(record.beats * INTERNAL_RATE_HZ / RATE_HZ))
    peak = np.abs(beats.wide_mv[5:-5, :, 0]).argmax(axis=1) - SPEC.left - SPEC.margin
    assert np.abs(peak).max() < 0.06 * INTERNAL_RATE_HZ


def test_detected_beats_have_the_labels_of_those_they_match(tmp_path: Path) -> None:
    """Found and missed beats together are the annotated ones."""
    record = read_record(write_record(tmp_path, "100", 40, ventricular=(10, 20)))
    beats = beat_windows(record, SPEC, detected=True)
    assert (np.diff(beats.r_peak) > 0).all()
    both = sorted([*beats.label.tolist(), *beats.missed.tolist()])
    assert [label for label in both if label != "extra"] == sorted(record.labels.tolist())


def test_a_patient_is_his_beats_and_those_missed() -> None:
    """What was not judged or not found has the score of a missed beat."""
    beats = made_up_beats(3)
    patient = beats.as_patient(np.array([1.0, np.nan, 2.0]))
    assert patient.score.tolist() == [1.0, MISSED, 2.0, MISSED]
    assert patient.label.tolist() == ["N", "N", "N", "S"]
