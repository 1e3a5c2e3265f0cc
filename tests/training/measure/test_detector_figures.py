"""What only this protocol measures: the pauses of record 232."""

from __future__ import annotations

from monitor.formats.events import Event, Kind
from monitor.recordings.synthetic import synthetic_ecg
from tests.support.models import recording_of
from tests.support.scan_fakes import fake_event
from training.data.records import AnnotatedRecord, annotated
from training.measure.detector_figures import pause_sensitivity


def _record(*beats_s: float) -> AnnotatedRecord:
    beats = [(round(at_s * 360), "N", "") for at_s in beats_s]
    return annotated(recording_of(synthetic_ecg(10), "232"), beats)


def _event(kind: Kind, at_s: float, last_s: float) -> Event:
    first, last = round(at_s * 360), round(last_s * 360)
    return fake_event(first, kind, first_sample=first, last_sample=last)


def test_a_pause_is_found_by_the_late_beat_or_by_its_own_event() -> None:
    """The beat that ends it said to be late, or an event inside it; an early beat there says nothing."""
    record = _record(0.2, 1, 4, 5, 8, 8.8)  # pauses from 1 s to 4 s and from 5 s to 8 s
    late, own = _event(Kind.BEAT_LATE, 4.05, 4.5), _event(Kind.RHYTHM_PAUSE, 6, 7)
    early = _event(Kind.BEAT_EARLY, 8, 8.4)
    told: list[list[Event]] = [[], [early], [late, early], [own], [late, own]]
    assert [pause_sensitivity(record, events).value for events in told] == [0, 0, 0.5, 0.5, 1]


def test_a_record_without_pauses_has_no_share() -> None:
    """There was nothing to find."""
    assert pause_sensitivity(_record(0.2, 1, 1.8), []).value is None
