"""A minute of made-up ECG that takes every branch of the signal path."""

from __future__ import annotations

import numpy as np

from monitor.formats.chunks import Chunk
from monitor.recordings.synthetic import synthetic_ecg

RATE_HZ, SECONDS = 250.0, 60
_STRANGE = (30, *range(40, 47))  # beats: one alone, and enough on end for a run


def made_up_minute() -> Chunk:
    """Two leads with ventricular beats, in one chunk."""
    ecg = synthetic_ecg(SECONDS, rate_hz=RATE_HZ, leads=2, ventricular=_STRANGE)
    everywhere = np.ones(ecg.ecg_mv.shape, np.bool_)
    return Chunk(
        stream="made up",
        session="made up",
        first_sample=0,
        start_us=0,
        rate_hz=RATE_HZ,
        leads=("I", "II"),
        ecg_mv=ecg.ecg_mv,
        valid=everywhere,
        saturated=~everywhere,
    )
