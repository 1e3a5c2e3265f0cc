"""Beats of one stream as a network's batch, made of single waves: what is compared with what is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.adapt.beats import BeatBatch
from monitor.adapt.usual_beat import HISTORY
from monitor.ecg.windows import WindowSpec

SPEC = WindowSpec()
LEADS = 2


def peak(width: float, size_mv: float = 1.0, at: int = 52) -> NDArray[np.float32]:
    """A wave as both leads' window, (leads, samples) mV."""
    wave = size_mv * np.exp(-0.5 * ((np.arange(SPEC.samples) - at) / width) ** 2)
    return np.stack([wave, 0.5 * wave]).astype(np.float32)


USUAL = peak(2)


def batch(
    beat: NDArray[np.float32],
    good: tuple[bool, bool] = (True, True),
    *,
    usual: NDArray[np.float32] = USUAL,
    log_ratio: float = 0.0,
) -> BeatBatch:
    """One beat, (leads, samples) mV, of a stream that knows its usual beat."""
    scale = np.sqrt((usual.astype(np.float64) ** 2).mean(axis=1))[None]
    return BeatBatch(
        beat=beat[None],
        usual=usual[None],
        past=np.zeros((1, LEADS, HISTORY, 12), np.float32),
        scale_mv=scale,
        log_scale=np.log(scale).astype(np.float32),
        good=np.array([good]),
        known=np.ones((1, LEADS), np.bool_),
        rr_s=np.array([0.8], np.float32),
        log_ratio=np.full(1, log_ratio, np.float32),
        ready=np.ones(1, np.bool_),
        recurrence=np.zeros(1),
        own_level=np.zeros(1),
        run=np.zeros(1, np.int64),
        second=np.full(1, -1),
        young=np.zeros(1, np.bool_),
    )
