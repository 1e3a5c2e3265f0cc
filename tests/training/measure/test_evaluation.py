"""Records through the path: scores, alarms, and which alarms are false."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from monitor.formats.events import Event, Kind, Phase
from monitor.recordings.synthetic import SyntheticEcg, synthetic_ecg
from tests.support.models import recording_of, small_model
from tests.support.moved import Moved
from tests.support.scan_fakes import RATE_HZ, fake_event
from training.data.records import AnnotatedRecord, annotated
from training.measure.annotated import score_annotated
from training.measure.evaluation import alarms, false_alarms, false_seconds, score_detected, union
from training.measure.measures import MISSED, ranking, sensitivity_threshold

_WIDE = range(40, 100, 10)


def _record(name: str, ecg: SyntheticEcg, *notes: tuple[int, str, str]) -> AnnotatedRecord:
    beats = [(int(r), "V" if wide else "N", "") for r, wide in zip(ecg.r_peak, ecg.ventricular, strict=True)]
    return annotated(recording_of(ecg, name), sorted([*beats, *notes]))


@pytest.fixture(scope="module")
def records() -> list[AnnotatedRecord]:
    """Two records with ventricular beats, of different lengths, rates and lead counts."""
    long = synthetic_ecg(95, ventricular=_WIDE, seed=1)
    short = synthetic_ecg(60, rate_hz=250, leads=1, ventricular=range(30, 60, 7), seed=2)
    return [_record("long", long), _record("short", short)]


def test_annotated_beats_are_all_judged(records: Sequence[AnnotatedRecord]) -> None:
    """Every beat whose window lies in the recording has a score; wide beats are stranger than normal ones."""
    done = Moved()
    for record, scores in zip(records, score_annotated(records, small_model(), done), strict=True):
        assert scores.name == record.name
        assert (scores.score[1:-1] > MISSED).all()
        assert sensitivity_threshold([scores], "V", 1.0) > np.median(scores.score)
    assert sum(done.amounts) >= 155


def test_a_record_does_not_depend_on_its_neighbours(records: Sequence[AnnotatedRecord]) -> None:
    """Side by side or alone, annotated or detected, the scores are the same bit for bit."""
    twins = [records[0], _record("other", synthetic_ecg(50, seed=5))]
    together, alone = score_annotated(twins, small_model())[0], score_annotated(twins[:1], small_model())[0]
    assert np.array_equal(together.score, alone.score)
    detected = [score_detected(some, small_model())[0].scores for some in (twins, twins[:1])]
    assert np.array_equal(detected[0].score, detected[1].score)


def test_detected_beats_have_their_labels(records: Sequence[AnnotatedRecord]) -> None:
    """Nearly every beat is found; those that are not are there with the rank of a missed beat."""
    done = Moved()
    for found in score_detected(records, small_model(), done):
        beats = len(found.record.beats)
        assert len(found.missed) <= 3
        assert len(found.scores.label) == beats + found.extra
        assert int((found.scores.score == MISSED).sum()) >= len(found.missed)
        assert ranking([found.scores], "V").positive.sum() == (found.record.labels == "V").sum()
    assert sum(done.amounts) == pytest.approx(155)


def test_events_are_told_by_the_chunk_that_completes_them(records: Sequence[AnnotatedRecord]) -> None:
    """Shorter chunks tell the same events, and sooner; never before the samples that they speak of."""
    coarse, fine = (score_detected(records, small_model(), chunk_s=length)[0] for length in (10.0, 0.5))
    assert [event.id for event in fine.events] == [event.id for event in coarse.events]
    assert len(fine.events) == len(fine.told_by) > 0
    assert (fine.told_by <= coarse.told_by).all()
    assert all(event.last_sample < at for event, at in zip(fine.events, fine.told_by, strict=True))


def test_flutter_waves_are_nobodys_beats(records: Sequence[AnnotatedRecord]) -> None:
    """Detections inside annotated flutter are neither extra nor beats."""
    ecg = synthetic_ecg(30, seed=3)
    first, last = int(ecg.r_peak[10]) - 100, int(ecg.r_peak[20]) + 100
    outside = (ecg.r_peak < first) | (ecg.r_peak > last)
    notes = [(int(r), "N", "") for r in ecg.r_peak[outside]]
    record = annotated(recording_of(ecg, "flutter"), sorted([*notes, (first, "[", ""), (last, "]", "")]))
    (found,) = score_detected([record], small_model())
    assert found.extra == 0
    assert "flutter" not in found.scores.label


def test_episodes_alarm_once() -> None:
    """Onset, updates and end are one alarm from first to last sample; technical events are none."""
    events = [
        fake_event(50),
        fake_event(100, Kind.RUN, phase=Phase.ONSET, first_sample=100, last_sample=300),
        fake_event(100, Kind.RUN, phase=Phase.END, first_sample=100, last_sample=900),
        fake_event(2000, kind=Kind.RHYTHM_PAUSE, first_sample=2000, last_sample=2600),
        fake_event(3000, kind=Kind.SIGNAL_LOST),
    ]
    assert [(each.first, each.last, each.what) for each in alarms(events)] == [
        (50, 50, "beat.morphology"),
        (100, 900, "run"),
        (2000, 2600, "rhythm.pause"),
    ]


def test_an_alarm_is_false_where_nothing_is_abnormal() -> None:
    """An abnormal beat within 150 ms, flutter, a pause or an abnormal rhythm justify an alarm."""

    def at(second: float) -> int:
        return round(second * RATE_HZ)

    notes = [
        (at(0.1), "+", "(N"), (at(1), "N", ""), (at(2), "V", ""), (at(3), "N", ""), (at(5.5), "N", ""),
        (at(6), "[", ""), (at(8), "]", ""), (at(9), "+", "(AFIB"), (at(9.5), "N", ""),
    ]  # fmt: skip
    record = annotated(recording_of(synthetic_ecg(12, rate_hz=RATE_HZ)), notes)
    events: list[Event] = [fake_event(at(second)) for second in (1.0, 2.1, 2.5, 4.0, 7.0, 10.0)]
    assert [each.first for each in false_alarms(record, events)] == [at(1), at(2.5)]
    assert at(10) in [each.first for each in false_alarms(record, events, rhythms=False)]


def test_a_beat_counts_with_its_window() -> None:
    """An alarm on one beat lasts as long as what was judged: 226 samples here."""
    events = [fake_event(1000)]
    assert false_seconds(alarms(events), events, RATE_HZ) == pytest.approx(226 / RATE_HZ)


def test_time_is_counted_once() -> None:
    """A beat's window inside an episode adds nothing."""
    run = fake_event(1000, Kind.RUN, phase=Phase.ONSET, first_sample=1000, last_sample=3000)
    events = [run, fake_event(2000)]
    assert false_seconds(alarms(events), events, RATE_HZ) == pytest.approx(2001 / RATE_HZ)


def test_no_false_alarm_lasts_no_time() -> None:
    """Nothing false, no seconds, whatever events there were."""
    assert false_seconds([], [fake_event(1000)], RATE_HZ) == 0


def test_spans_are_joined() -> None:
    """Overlapping, nested and touching ones become one."""
    assert union([(0, 5), (2, 3), (6, 8), (10, 12)]) == [(0, 8), (10, 12)]
