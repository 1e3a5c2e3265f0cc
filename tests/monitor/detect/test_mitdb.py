"""The bundled model on real ECG, bounds a little below what was measured."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.detect.detector import Detector
from monitor.formats.events import Kind, Phase
from monitor.model.model import load_model
from monitor.recordings.wfdb_records import Annotations, read_beats, read_wfdb, wfdb_library
from monitor.scan.scan import ScanResult, scan

pytestmark = [
    pytest.mark.mitdb,
    pytest.mark.skipif("ECG_DATA" not in os.environ, reason="ECG_DATA is not set"),
    pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="hours of ECG need compiled code"),
]
RATE_HZ = 360
NEAR = 54  # samples, 150 ms: EC57's tolerance


def path(name: str) -> Path:
    """A record's place."""
    return Path(os.environ["ECG_DATA"]) / "mitdb" / name


@cache
def scanned(name: str) -> ScanResult:
    """A whole record, scanned with the bundled model at its default budget."""
    return scan(read_wfdb(path(name)), Detector(load_model()))


@cache
def beats(name: str) -> tuple[NDArray[np.str_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Symbols of a record's annotated beats, which of them were found, and which flagged."""
    notes, windows = read_beats(path(name)), scanned(name).windows
    assert isinstance(notes, Annotations)
    is_beat = np.array([kind != "fixed" for kind in windows.kind])
    sample, anomalous = windows.sample[is_beat], windows.anomalous[is_beat]
    after = np.clip(np.searchsorted(sample, notes.sample), 1, len(sample) - 1)
    nearest = np.where(notes.sample - sample[after - 1] < sample[after] - notes.sample, after - 1, after)
    found = np.abs(sample[nearest] - notes.sample) <= NEAR
    return np.array(notes.symbol), found, found & anomalous[nearest]


def share(name: str, symbols: str) -> float:
    """Share of a record's beats of these classes that were flagged."""
    symbol, _, flagged = beats(name)
    return float(flagged[np.isin(symbol, list(symbols))].mean())


def flutter_onsets(name: str) -> list[int]:
    """Samples at which ventricular flutter or fibrillation begins, '[' in the annotations."""
    with wfdb_library() as wfdb:
        notes = wfdb.rdann(str(path(name)), "atr")
    return [int(at) for at, symbol in zip(notes.sample, notes.symbol, strict=True) if symbol == "["]


@pytest.mark.parametrize("name", ["100", "208"])
def test_beats_are_found(name: str) -> None:
    """Nearly every annotated beat has a window of its own."""
    assert beats(name)[1].mean() >= 0.99


def test_ventricular_beats_of_208_are_flagged() -> None:
    """A patient new to the model, from a cold start; measured: 0.985 of PVCs, 0.052 of normal beats."""
    assert share("208", "V") >= 0.95
    assert share("208", "N") <= 0.08


def test_record_100_is_quiet() -> None:
    """Half an hour of sinus rhythm: its one PVC is flagged, and hardly a normal beat."""
    assert share("100", "V") == 1.0
    assert share("100", "N") <= 0.005
    told = [event for event in scanned("100").events if not event.technical]
    assert len(told) <= 40  # measured: 18, 15 of them premature beats that are annotated as such


@pytest.mark.parametrize("index", range(6))
def test_flutter_of_207_is_told_in_time(index: int) -> None:
    """Within 10 s of each onset of ventricular flutter a run or a chaotic rhythm is open."""
    onset = flutter_onsets("207")[index]
    told = [
        event.last_sample  # when it was told
        for event in scanned("207").events
        if event.kind in (Kind.RHYTHM_CHAOTIC, Kind.RUN) and event.phase is not Phase.END
    ]
    assert any(onset <= at <= onset + 10 * RATE_HZ for at in told)


@pytest.mark.parametrize("name", ["102", "217"])
def test_a_pacing_spike_is_neither_noise_nor_an_event(name: str) -> None:
    """Paced beats are the stream's usual ones: 1 of 2028 and 1 of 1542 flagged, and none gated."""
    assert share(name, "/") <= 0.005
    windows = scanned(name).windows
    assert {windows.quality[i] for i, kind in enumerate(windows.kind) if kind != "fixed"} == {"good"}
