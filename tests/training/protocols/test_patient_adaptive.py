"""A patient's own threshold: what it is made of, and what it must not see."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.recordings.synthetic import synthetic_ecg
from tests.support.models import recording_of
from training.data.records import DS1, DS2, PACED, AnnotatedRecord, annotated
from training.measure.measures import MISSED, PatientScores
from training.protocols.patient_adaptive import COMMON_THRESHOLD, RECORDS, Adapted, adapt

_RATE_HZ = 360
_ECG = recording_of(synthetic_ecg(10), "232")  # the signal is not looked at


def _record(beats_s: NDArray[np.float64], abnormal: set[int]) -> AnnotatedRecord:
    notes = [(round(s * _RATE_HZ), "A" if i in abnormal else "N", "") for i, s in enumerate(beats_s)]
    return annotated(_ECG, notes)


_REGULAR = np.arange(0, 480, 1.0)
_ABNORMAL = set(range(310, 480, 20)) | {100}


def _scores(score: NDArray[np.float64]) -> PatientScores:
    label = np.full(len(score), "N")
    return PatientScores("232", 0.1, label, score, np.zeros(len(score), np.bool_))


def _adapt(score: NDArray[np.float64], beats_s: NDArray[np.float64] = _REGULAR) -> Adapted:
    return adapt(_record(beats_s, _ABNORMAL), _scores(score))


def test_known_normals_are_not_judged_and_all_others_are() -> None:
    """The first five minutes' abnormal beat is; the record's first and last beat never."""
    found = _adapt(np.zeros(480))
    assert found.known == 298  # 300 less the first beat and the abnormal one
    assert len(found.abnormal) == 480 - 2 - 298
    assert found.abnormal.sum() == len(_ABNORMAL)


def test_the_threshold_lies_between_everybodys_and_his_own() -> None:
    """A patient whose normal beats look strange has a higher one."""
    score = np.full(480, 0.2)
    score[50] = COMMON_THRESHOLD + 1
    score[[310, 330]] = COMMON_THRESHOLD + 0.4, COMMON_THRESHOLD + 0.6
    found = _adapt(score)
    assert found.threshold == pytest.approx(COMMON_THRESHOLD + 0.5)
    assert (found.hits, found.false) == (1, 0)


def test_labels_after_five_minutes_change_no_verdict() -> None:
    """Threshold and flags come from what may be known; the rest is there to count by."""
    score = np.random.default_rng(0).exponential(0.8, 480)
    record = _record(_REGULAR, _ABNORMAL)
    changed = _record(_REGULAR, set(range(300, 480)) | {100})
    one, other = adapt(record, _scores(score)), adapt(changed, _scores(score))
    assert one.threshold == other.threshold
    assert np.array_equal(one.flagged, other.flagged)


def test_a_rhythm_faster_than_his_own_is_strange() -> None:
    """Beats at half of the known RR interval are flagged though each looks usual for the stream."""
    beats_s = np.concatenate([np.arange(0, 350, 1.6), np.arange(350, 450, 0.7)])
    fast = set(range(219, len(beats_s)))
    found = adapt(_record(beats_s, fast), _scores(np.full(len(beats_s), 0.1)))
    assert found.hits == found.abnormal.sum()
    assert found.false == 0
    alone = adapt(_record(beats_s, fast), _scores(np.full(len(beats_s), 0.1)), haste_weight=0.0)
    assert alone.hits == 0


def test_nothing_known_leaves_everybodys_threshold() -> None:
    """A patient without a normal beat in five minutes; and a gated beat is not flagged."""
    record = _record(_REGULAR, set(range(480)))
    score = np.full(480, COMMON_THRESHOLD + 0.1)
    score[7] = MISSED
    found = adapt(record, _scores(score))
    assert (found.known, found.threshold) == (0, COMMON_THRESHOLD)
    assert found.hits == 477


def test_the_records_are_the_papers() -> None:
    """34 of the 48, none of them paced, and both halves of the split alike."""
    assert len(set(RECORDS)) == 34
    assert not set(RECORDS) & set(PACED)
    assert len(set(RECORDS) & set(DS1)) == len(set(RECORDS) & set(DS2)) == 17
