"""Time in false alarm."""

from __future__ import annotations

import pytest

from monitor.formats.events import Kind, Phase
from tests.support.scan_fakes import RATE_HZ, fake_event
from training.measure.evaluation import alarms
from training.measure.false_time import false_seconds, union


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
