"""Published QRS detectors to compare ours with: they see a whole recording at once, ours never does."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from monitor.recordings.wfdb_records import wfdb_library

Peer = Callable[[NDArray[np.float64], float], NDArray[np.int64]]

# `gqrs` of the WFDB Software Package 10.7.0 (github.com/bemoody/wfdb), in C: sensitivity and positive
# predictivity in % that this protocol's comparison gives it on the noise stress test, by SNR in dB.
GQRS_PERCENT = {
    "24": (100.0, 99.8),
    "18": (100.0, 98.5),
    "12": (100.0, 84.7),
    "6": (99.2, 69.3),
    "0": (96.7, 58.6),
    "-6": (95.3, 53.7),
}


def xqrs_beats(ecg_mv: NDArray[np.float64], rate_hz: float) -> NDArray[np.int64]:
    """R peaks by XQRS of the package wfdb, sorted; ecg_mv: (n,)."""
    with wfdb_library():
        from wfdb.processing import xqrs_detect  # noqa: PLC0415 - slow to load, as the library is

        return np.sort(np.asarray(xqrs_detect(ecg_mv, rate_hz, verbose=False), np.int64))


def sleepecg_beats(ecg_mv: NDArray[np.float64], rate_hz: float) -> NDArray[np.int64]:
    """R peaks by `sleepecg`, after Pan & Tompkins (1985), sorted; ecg_mv: (n,)."""
    from sleepecg import detect_heartbeats  # noqa: PLC0415 - of the training extra

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # signals too short for its thresholds to settle
        return np.sort(np.asarray(detect_heartbeats(ecg_mv, rate_hz), np.int64))


PEERS: dict[str, Peer] = {"XQRS": xqrs_beats, "sleepecg": sleepecg_beats}
