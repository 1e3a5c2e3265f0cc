"""The small model that other tests use, and the made-up ECG under it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monitor.detect.detector import Detector
from monitor.model.model import load_model
from monitor.recordings.recording import chunks
from monitor.recordings.synthetic import synthetic_ecg
from monitor.scan.scan import scan
from tests.support.models import recording_of, small_model


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model's artifact."""
    folder = tmp_path_factory.mktemp("model")
    small_model(folder)
    return folder


def test_small_model_is_an_artifact(model_folder: Path) -> None:
    """The artifact reads back as the same version."""
    assert load_model(model_folder).version == small_model(model_folder).version


def test_small_model_flags_ventricular_beats() -> None:
    """Even an untrained network tells a wide early beat from the stream's usual one."""
    ecg = synthetic_ecg(120, ventricular=range(40, 120, 8))
    result = scan(recording_of(ecg), Detector(small_model()))
    windows = result.windows
    flagged = windows.sample[windows.anomalous & (np.array(windows.kind) != "fixed")]
    near = np.abs(flagged[:, None] - ecg.r_peak[ecg.ventricular][None]).min(axis=0) < 0.15 * ecg.rate_hz
    assert near.mean() >= 0.9
    # Untrained, the network takes the beat after an ectopic one for odd as well, but few others.
    assert len(flagged) <= 3 * ecg.ventricular.sum()


def test_plain_model_needs_no_usual_network() -> None:
    """Without a contextual network every beat is judged against the population."""
    model = small_model(contextual=False)
    found = Detector(model).process(list(chunks(recording_of(synthetic_ecg(20)), 10.0, stream="a")))
    assert not model.contextual
    assert found.counts["beats"] > 15


def test_synthetic_beats_are_where_it_says() -> None:
    """Each R peak is the first lead's local maximum, and the rate is as asked for."""
    ecg = synthetic_ecg(60, rate_hz=250, noise_mv=0, beats_per_minute=80)
    assert abs(len(ecg.r_peak) - 80) <= 1
    peaks = ecg.r_peak[1:-1]
    assert all(ecg.ecg_mv[peak, 0] == ecg.ecg_mv[peak - 20 : peak + 21, 0].max() for peak in peaks)


def test_synthetic_needs_a_length() -> None:
    """Nothing is not an ECG."""
    with pytest.raises(ValueError, match="more than nothing"):
        synthetic_ecg(0)
