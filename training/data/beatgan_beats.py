"""MIT-BIH's beats cut as BeatGAN's public preprocessing cuts them (github.com/hi-bingo/BeatGAN)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import filtfilt, firwin

from training.data.records import AnnotatedRecord
from training.errors import DataError

LEAD = "MLII"
RATE_HZ = 360.0
LEFT, RIGHT = 140, 180  # samples before and from the annotated R peak
FOLDS = 5
# Theirs, where escape beats (e, j) are S: AAMI's map says N.
_MEMBERS = {"N": "NLR", "S": "aJASje", "V": "VE", "F": "F", "Q": "/fQ"}
_CLASS = {symbol: group for group, symbols in _MEMBERS.items() for symbol in symbols}
_TAPS, _BAND_HZ = 109, (3.0, 45.0)  # biosppy 0.6.1: an FIR band-pass of order 0.3 × rate, run both ways


@dataclass(frozen=True, slots=True, eq=False)
class CutBeats:
    """n beats. beat_mv: (n, 320) filtered; group: (n,) N, S, V, F or Q."""

    beat_mv: NDArray[np.float32]
    group: NDArray[np.str_]


def cut_beats(record: AnnotatedRecord) -> CutBeats:
    """A record's beats on lead MLII; those that the recording's ends cut off are left out.

    Theirs also leaves out the normal beats (3 %) whose annotation is more than 27 ms from an R peak
    that `biosppy` detects; here every annotated beat counts. Raises DataError for another sampling
    rate, or without MLII.
    """
    recording = record.recording
    names = [lead.name for lead in recording.leads]
    if LEAD not in names or recording.rate_hz != RATE_HZ:
        raise DataError(f"{record.name}: leads {names} at {recording.rate_hz:g} Hz, wanted {LEAD} at 360 Hz")
    ecg_mv = recording.ecg_mv[:, names.index(LEAD)].astype(np.float64)
    filtered = filtfilt(firwin(_TAPS, _BAND_HZ, pass_zero=False, fs=RATE_HZ), 1.0, ecg_mv)
    group = np.array([_CLASS.get(symbol, "") for symbol in record.symbols], "U1")
    whole = (record.beats >= LEFT) & (record.beats + RIGHT < len(filtered)) & (group != "")
    samples = record.beats[whole][:, None] + np.arange(-LEFT, RIGHT)
    return CutBeats(filtered[samples].astype(np.float32), group[whole])


def join(parts: list[CutBeats]) -> CutBeats:
    """All records' beats."""
    return CutBeats(
        np.concatenate([part.beat_mv for part in parts]), np.concatenate([part.group for part in parts])
    )


def min_max(beat_mv: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each beat from −1 to 1, as their loader gives it to the network, (n, 320)."""
    low, high = beat_mv.min(axis=1, keepdims=True), beat_mv.max(axis=1, keepdims=True)
    return np.asarray(2 * (beat_mv - low) / np.maximum(high - low, 1e-6) - 1, np.float32)


def shape_and_size(beat_mv: NDArray[np.float32], scale_mv: float) -> NDArray[np.float32]:
    """The beat from −1 to 1 and, beside it, the beat in units of `scale_mv`, (n, 640).

    The first follows a patient whose gain drifts, the second keeps the amplitude that the first drops.
    """
    return np.concatenate([min_max(beat_mv), beat_mv / scale_mv], axis=1)


def size_mv(normals_mv: NDArray[np.float32]) -> float:
    """The scale at which both halves of `shape_and_size` vary alike over the normal beats, mV."""
    return float(normals_mv.std() / min_max(normals_mv).std())


def folds(group: NDArray[np.str_], seed: int = 0) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows to train on and normal rows to test on, five times: fifths of the shuffled normal beats."""
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(group == "N"))
    size = len(normal) // FOLDS
    for k in range(FOLDS):
        tested = np.zeros(len(normal), np.bool_)
        tested[k * size : (k + 1) * size] = True
        yield normal[~tested], normal[tested]
