"""What a model expected of a window."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.detect.detector import Detector
from monitor.ecg.filters import INTERNAL_RATE_HZ
from monitor.ecg.windows import WindowSpec
from monitor.formats.events import Kind
from monitor.recordings.synthetic import synthetic_ecg
from monitor.scan.explain import CONTEXT_S, Explanation, Wanted, explain
from monitor.scan.scan import scan
from tests.support.models import recording_of, small_model


def _one(seconds: float, wanted: Wanted, **changes: object) -> Explanation | None:
    recording = recording_of(synthetic_ecg(seconds, rate_hz=250.0, **changes))  # type: ignore[arg-type]
    return explain(small_model(), recording, [wanted])[0]


def test_a_ventricular_beat_differs_from_what_was_expected() -> None:
    """The window lies around the R peak, in the lead that the event names, and the beat was due later."""
    recording, model = recording_of(synthetic_ecg(60, rate_hz=250.0, ventricular=(40,))), small_model()
    events = scan(recording, Detector(model)).events
    event = next(each for each in events if each.kind is Kind.BEAT_MORPHOLOGY and not each.learning)
    (found,) = explain(model, recording, [Wanted(event.r_peak_sample, event.leads[0])])
    assert found is not None
    assert found.spread_mv is not None
    assert len(found.time_s) == len(found.ecg_mv) == len(found.expected_mv) == len(found.spread_mv)
    at_s = event.r_peak_sample / recording.rate_hz
    assert found.time_s[0] < at_s - 0.3 < at_s + 0.3 < found.time_s[-1]
    assert np.abs(found.ecg_mv - found.expected_mv).max() > 0.3
    assert found.lead == event.leads[0]
    assert event.rr_s is not None
    assert event.usual_rr_s is not None
    assert found.due_s == pytest.approx(at_s - event.rr_s + event.usual_rr_s, abs=0.01)


def test_the_beat_stands_where_it_came() -> None:
    """The signal in the window peaks at the R peak, though the beat was shifted to fit the usual one."""
    peaks = synthetic_ecg(30, rate_hz=250.0).r_peak
    found = _one(30, Wanted(int(peaks[20])))
    assert found is not None
    assert found.time_s[np.abs(found.ecg_mv).argmax()] == pytest.approx(peaks[20] / 250, abs=0.02)


def test_a_learning_stream_is_explained_by_the_population() -> None:
    """It tells neither how far it may be wrong nor, for the first beat, when one was due."""
    found = _one(20, Wanted(int(synthetic_ecg(20, rate_hz=250.0).r_peak[1])))
    assert found is not None
    assert found.spread_mv is None
    assert found.due_s is None


@pytest.mark.parametrize("fixed", [False, True])
def test_no_window_no_explanation(fixed: bool) -> None:
    """A place where the path has no window is not explained by its neighbour."""
    assert _one(20, Wanted(999_999, fixed=fixed)) is None
    assert _one(20, Wanted(130, fixed=fixed)) is None


def test_a_fixed_window_has_its_reconstruction() -> None:
    """It is named by its last sample, and is found although the model sees the recording from later on."""
    spec = WindowSpec()
    last = 20 * spec.fixed_hop + spec.fixed_span - 1
    late_s = CONTEXT_S + 10
    for shift in (0, round(late_s)):
        found = _one(30 + shift, Wanted(last + shift * INTERNAL_RATE_HZ, "lead 2", fixed=True))
        assert found is not None
        assert found.lead == "lead 2"
        assert len(found.time_s) == len(found.ecg_mv) == len(found.expected_mv) == spec.fixed_samples
        assert found.time_s[0] == pytest.approx(20 + shift)


def test_windows_far_apart_are_explained_apart() -> None:
    """Each has its own stretch of signal before it; two close ones share theirs."""
    recording = recording_of(synthetic_ecg(CONTEXT_S + 60, rate_hz=250.0))
    peaks = synthetic_ecg(CONTEXT_S + 60, rate_hz=250.0).r_peak
    chosen = [int(peaks[i]) for i in (-3, 15, -4)]
    found = explain(small_model(), recording, [Wanted(sample) for sample in chosen])
    for sample, each in zip(chosen, found, strict=True):
        assert each is not None
        assert each.time_s[0] < sample / 250 < each.time_s[-1]
