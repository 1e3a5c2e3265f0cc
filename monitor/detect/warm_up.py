"""Made-up ECG through the whole path once, so that all of it is compiled before anything waits for it."""

from __future__ import annotations

import numpy as np

from monitor.detect.detector import Detector
from monitor.formats.chunks import Chunk
from monitor.model.model import Model
from monitor.recordings.synthetic import synthetic_ecg

RATE_HZ, SECONDS = 250.0, 60
_STRANGE = (30, *range(40, 47))  # beats: one alone, and enough on end for a run


def warm_up(model: Model) -> None:
    """Judge a minute of made-up ECG in a detector of its own, which is then dropped.

    Without numba's cache that takes a minute or two; a consumer that compiled in its first poll would be
    taken for dead by its group.
    """
    ecg = synthetic_ecg(SECONDS, rate_hz=RATE_HZ, leads=2, ventricular=_STRANGE)
    everywhere = np.ones(ecg.ecg_mv.shape, np.bool_)
    Detector(model).process(
        [
            Chunk(
                stream="warm-up",
                session="warm-up",
                first_sample=0,
                start_us=0,
                rate_hz=RATE_HZ,
                leads=("I", "II"),
                ecg_mv=ecg.ecg_mv,
                valid=everywhere,
                saturated=~everywhere,
            )
        ]
    )
