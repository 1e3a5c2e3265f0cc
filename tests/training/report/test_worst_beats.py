"""Which beats a report shows, and how."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monitor.recordings.synthetic import synthetic_ecg
from tests.support.databases import write_record
from tests.support.models import small_model
from training.measure.measures import MISSED, PatientScores
from training.report.worst_beats import PER_RECORD, WorstBeat, strips_of, worst_false_alarms, worst_misses


def patient(name: str, labels: str, scores: list[float], flagged: str) -> PatientScores:
    """Beats a second apart, labels and flags a letter each; x is no beat."""
    label = np.array(["extra" if each == "x" else each for each in labels])
    flags = np.array([each == "1" for each in flagged])
    kind = np.where(flags, "beat.early", "beat")
    kind[np.array(scores) == MISSED] = "missed"
    time_s = np.arange(20.0, 20.0 + len(labels), dtype=np.float64)
    return PatientScores(name, 0.5, label, np.array(scores), flags, time_s, kind)


_A = patient("100", "NVVVNx", [0.5, 0.4, MISSED, 3.0, 2.5, 4.0], "000111")
_B = patient("103", "VVVN", [0.1, 0.2, 0.3, 0.0], "0000")


def _rows(beats: list[WorstBeat]) -> list[tuple[str, int]]:
    return [(beat.patient.name, beat.row) for beat in beats]


def test_misses_are_abnormal_beats_that_were_not_flagged() -> None:
    """Those that were not detected come first, then the lowest scores; few of each record."""
    assert _rows(worst_misses([_A, _B])) == [("100", 2), ("103", 0), ("103", 1), ("100", 1)]
    assert PER_RECORD == 2
    assert _rows(worst_misses([_A, _B], count=1)) == [("100", 2)]


def test_false_alarms_are_normal_beats_that_were_flagged() -> None:
    """Or no beats at all; the highest score first."""
    assert _rows(worst_false_alarms([_A, _B])) == [("100", 5), ("100", 4)]


def test_without_times_nothing_is_shown() -> None:
    """A protocol may give scores alone."""
    bare = PatientScores("1", 1.0, _B.label, _B.score, _B.flagged)
    assert worst_misses([bare]) == []
    with pytest.raises(ValueError, match="times and kinds are not known"):
        _ = WorstBeat(bare, 0).time_s


def test_strips_tell_ours_and_the_references_opinion(tmp_path: Path) -> None:
    """With the neighbours' labels; with a model also what it expected, where it finds the beat again."""
    write_record(tmp_path, "100", 40)
    beats = [*worst_misses([_A]), *worst_false_alarms([_A])]
    strips = strips_of(beats, tmp_path, None)
    assert [strip.title for strip in strips] == [
        "100   0:22.00   V",
        "100   0:21.00   V   score 0.40",
        "100   0:25.00   extra   score 4.00",
        "100   0:24.00   N   score 2.50",
    ]
    assert strips[0].why == "not detected; the reference has a beat of class V"
    assert strips[1].why == "found usual; the reference has a beat of class V"
    assert strips[2].why == "early; the reference has no beat"
    marks = {mark.time_s: (mark.what, mark.label, mark.shown) for mark in strips[1].marks}
    assert marks == {20.0: ("", "N", False), 21.0: ("", "V", True), 22.0: ("missed", "V", False)}
    assert strips[0].expected is None


def test_a_beat_is_shown_with_its_expectation(tmp_path: Path) -> None:
    """In the lead where it is strangest, with the time at which it was due if it came at another."""
    path = write_record(tmp_path, "103", 40, ventricular=(30,))
    ecg = synthetic_ecg(40, rate_hz=360, ventricular=(30,))
    at_s = float(ecg.r_peak[30]) / 360
    time_s, kind = np.array([at_s]), np.array(["beat"])
    odd = PatientScores(path.name, 1.0, np.array(["V"]), np.array([1.0]), np.array([False]), time_s, kind)
    (strip,) = strips_of(worst_misses([odd]), tmp_path, small_model())
    assert strip.expected is not None
    assert strip.lead == strip.expected.lead
    assert strip.due_s is not None
    assert strip.due_s > at_s
