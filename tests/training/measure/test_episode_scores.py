"""Annotated runs and flutter against what was told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from monitor.formats.events import Event, Kind, Phase
from monitor.recordings.synthetic import synthetic_ecg
from tests.support.models import recording_of
from tests.support.scan_fakes import RATE_HZ, fake_event, windows_at
from training.data.records import AnnotatedRecord, annotated
from training.measure.episode_scores import (
    annotated_episodes,
    longest,
    normal_beats_in_alarm,
    score_references,
    score_told,
)
from training.measure.evaluation import DetectedRecord, false_alarms
from training.measure.measures import PatientScores

RATE = round(RATE_HZ)


def _record(symbols: str, *marks: tuple[float, str]) -> AnnotatedRecord:
    """A beat a second from the first one on, and marks at other times; '.' is no beat."""
    notes = [(at * RATE, symbol, "") for at, symbol in enumerate(symbols, 1) if symbol != "."]
    notes += [(round(at * RATE), symbol, "") for at, symbol in marks]
    return annotated(recording_of(synthetic_ecg(40, rate_hz=RATE_HZ)), sorted(notes))


def _found(
    record: AnnotatedRecord, flagged: Sequence[int], events: Sequence[tuple[Event, int]], missed: int = 0
) -> DetectedRecord:
    """All beats but the first few detected, some flagged (by second); events, and when they were told."""
    samples = record.beats[missed:]
    windows = windows_at(samples.tolist(), odd=[at * RATE for at in flagged])
    return DetectedRecord(
        record=record,
        scores=PatientScores("x", 1.0, np.zeros(0, "U1"), np.zeros(0), np.zeros(0, np.bool_)),
        windows=replace(windows, kind=["beat"] * len(samples)),
        events=[event for event, _ in events],
        told_by=np.array([at for _, at in events], np.int64),
        missed=np.arange(missed),
        gated=0,
        extra=0,
    )


def _run(first_s: float, last_s: float, phase: Phase = Phase.ONSET, kind: Kind = Kind.RUN) -> Event:
    first, last = round(first_s * RATE), round(last_s * RATE)
    return fake_event(last, kind, phase=phase, first_sample=first, last_sample=last)


def test_four_ventricular_beats_are_a_run() -> None:
    """Three are none; escape beats and R-on-T count; flutter ends a run and is an episode of its own."""
    record = _record("NVVVNVEVrN.....VVVV.....VV", (20.5, "["), (24.5, "]"))
    found = [(each.first / RATE, each.last / RATE, each.what) for each in annotated_episodes(record)]
    assert found == [(6, 9, "run"), (16, 19, "run"), (20.5, 24.5, "VF")]


def test_flutter_between_ventricular_beats_ends_the_run() -> None:
    """Two beats before and two after make no run of four."""
    record = _record("NVV...VVN", (3.5, "["), (6.5, "]"))
    assert [each.what for each in annotated_episodes(record)] == ["VF"]


def test_a_record_may_end_in_a_run() -> None:
    """The last beat closes it."""
    assert [(each.first, each.last) for each in annotated_episodes(_record("NVVVV"))] == [
        (2 * RATE, 5 * RATE)
    ]


def test_a_run_that_was_told() -> None:
    """Time from its first beat to the telling, and the part of it that is covered."""
    record = _record("NNVVVVVNN")
    events = [(_run(4, 6), round(6.5 * RATE)), (_run(4, 7, Phase.END), 9 * RATE)]
    (each,) = score_references(_found(record, [4, 5, 6, 7], events))
    assert (each.beats, each.detected, each.flagged, each.longest) == (5, 5, 4, 4)
    assert each.found
    assert each.told_after_s == pytest.approx(3.5)
    assert each.overlap / each.samples == pytest.approx(0.75, abs=0.01)
    assert not each.chaotic
    assert not each.alarming


def test_a_run_that_was_not_told() -> None:
    """Beat events alone do not find it; what was lacking is counted."""
    record = _record("VVVVVNN")
    (each,) = score_references(_found(record, [3, 4], [(fake_event(3 * RATE), 4 * RATE)], missed=1))
    assert not each.found
    assert (each.beats, each.detected, each.flagged, each.longest, each.overlap) == (5, 4, 2, 2, 0)


def test_an_episode_that_was_open_already() -> None:
    """An alarm that is on when flutter begins finds it if it goes on for half of it at least."""
    record = _record("NNNNN", (10, "["), (20, "]"))
    onset = _run(8, 9.5, kind=Kind.RHYTHM_CHAOTIC)
    for last_s, found in ((21, True), (15.2, True), (14, False)):
        end = _run(8, last_s, Phase.END, Kind.RHYTHM_CHAOTIC)
        (each,) = score_references(_found(record, [], [(onset, round(9.6 * RATE)), (end, 24 * RATE)]))
        assert (each.alarming, each.chaotic, each.found) == (True, True, found)
        assert np.isnan(each.told_after_s)


def test_an_episode_that_was_open_already_may_be_told_anew() -> None:
    """A second alarm within the flutter has a time, whatever was on before."""
    record = _record("NNNNN", (10, "["), (20, "]"))
    events = [(_run(8, 10.5), round(9.5 * RATE)), (_run(12, 15, kind=Kind.RHYTHM_CHAOTIC), 16 * RATE)]
    (each,) = score_references(_found(record, [], events))
    assert (each.alarming, each.found, each.told_after_s) == (True, True, 6.0)


@pytest.mark.parametrize(
    ("length_s", "told_s", "found"), [(4, 9.9, True), (4, 10.1, False), (12, 10.9, True)]
)
def test_an_alarm_must_come_in_time(length_s: int, told_s: float, found: bool) -> None:
    """While the episode lasts, or within the ten seconds that monitors have; a later one is another."""
    record = _record("N" + "V" * length_s + "N")
    last = record.beats[-2]
    event = fake_event(last, Kind.RUN, phase=Phase.ONSET, first_sample=last, last_sample=last)
    (each,) = score_references(_found(record, [], [(event, round((2 + told_s) * RATE))]))
    assert each.told_after_s == pytest.approx(told_s, abs=0.01)
    assert each.found == found


def test_normal_beats_in_an_alarm_that_does_not_end() -> None:
    """Those within the span of any episode, once each."""
    record = _record("NVVVVNNNNN")
    events = [(_run(2, 5), 6 * RATE), (_run(2, 8, Phase.END), 9 * RATE), (_run(4, 7), 8 * RATE)]
    assert normal_beats_in_alarm(_found(record, [], events)) == (3, 6)


def test_what_was_told_is_right_or_not() -> None:
    """Ventricular if it touches a run or flutter, abnormal if it touches anything abnormal."""
    record = _record("NVVVVNNNNNANNNNNNN")
    events = [(_run(2, 5), 6 * RATE), (_run(9, 12), 13 * RATE), (_run(15, 17), 18 * RATE)]
    found = _found(record, [], events)
    told = score_told(found, false_alarms(record, found.events))
    assert [(each.ventricular, each.abnormal) for each in told] == [
        (True, True),
        (False, True),
        (False, False),
    ]


@pytest.mark.parametrize(("flags", "length"), [("", 0), ("0110111", 3), ("1000", 1), ("000", 0)])
def test_longest_stretch(flags: str, length: int) -> None:
    """In a row, not in all."""
    assert longest(np.array([flag == "1" for flag in flags], np.bool_)) == length
