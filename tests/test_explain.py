"""What a model expected of a beat."""

from __future__ import annotations

import numpy as np

from monitor.detector import Detector
from monitor.events import Kind
from monitor.explain import explain
from monitor.recordings import chunks
from monitor.scan import scan
from monitor.synthetic import synthetic_ecg
from tests.models import recording_of, small_model
from tests.scan_fakes import fake_event


def test_a_ventricular_beat_differs_from_what_was_expected() -> None:
    """The window lies around the R peak, and the error is largest within it where the event says."""
    ecg = synthetic_ecg(60, rate_hz=250.0, ventricular=(40,))
    recording, model = recording_of(ecg), small_model()
    result = scan(recording, Detector(model))
    event = next(
        event for event in result.events if event.kind is Kind.BEAT_MORPHOLOGY and not event.learning
    )
    found = explain(model, list(chunks(recording, 10.0, stream="s")), event)
    assert found is not None
    assert len(found.time_s) == len(found.ecg_mv) == len(found.expected_mv) == len(found.scale_mv)
    assert found.time_s[0] < -0.3 < 0.3 < found.time_s[-1]
    assert np.abs(found.ecg_mv - found.expected_mv).max() > 0.3
    assert found.lead == event.leads[0]


def test_a_learning_stream_is_explained_by_the_population() -> None:
    """There is no expected scale yet."""
    recording, model = recording_of(synthetic_ecg(20, rate_hz=250.0)), small_model()
    beat = int(scan(recording, Detector(model)).windows.sample[2])
    found = explain(model, list(chunks(recording, 10.0, stream="s")), fake_event(beat, leads=()))
    assert found is None or np.isnan(found.scale_mv).all()


def test_no_beat_no_explanation() -> None:
    """An R peak where the path finds none is not explained by its neighbour."""
    recording = recording_of(synthetic_ecg(20, rate_hz=250.0))
    assert explain(small_model(), list(chunks(recording, 10.0, stream="s")), fake_event(999_999)) is None
