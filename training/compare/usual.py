"""Scores of beats that need no network and no training: how early, and how far from the running median."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.adapt.usual_beat import LEARN, MIN_SCALE_MV, RHYTHM
from monitor.ecg.filters import INTERNAL_RATE_HZ
from monitor.ecg.windows import WindowSpec
from monitor.model.scoring import MIN_ERROR_MV2, early_surprise
from training.compare.beat_windows import BeatWindows

MEMORY = 96  # beats whose median is the usual one, flagged or not: nothing is known of them
RENEWED = 8  # the median changes little in fewer beats, and costs most of the time
FEWEST = 3  # RR intervals that make a rhythm


def prematurity(r_peak: NDArray[np.int64]) -> NDArray[np.float64]:
    """How early each beat came, (n,): max(0, −log(RR / median of the last 24)); 0 where unknown."""
    rr_s = np.diff(r_peak) / INTERNAL_RATE_HZ
    log_ratio = np.full(len(r_peak), np.nan, np.float32)
    for i in range(FEWEST, len(rr_s)):
        recent = np.median(rr_s[max(0, i - RHYTHM) : i])
        # Annotated beats may share a sample.
        log_ratio[i + 1] = np.log(max(rr_s[i], 1 / INTERNAL_RATE_HZ) / max(recent, 1 / INTERNAL_RATE_HZ))
    return early_surprise(log_ratio)


def median_distance(beats: BeatWindows, spec: WindowSpec) -> NDArray[np.float64]:
    """Distance of each beat to its stream's running median beat, (n, leads), NaN where not usable.

    Log mean squared difference, its mean removed, at the best shift; less half the log power of the
    median beat, as `scoring.relative_error` has it: a larger lead strays more, but not in proportion.
    The first beats, which have none before them, are held against the median of themselves.
    """
    out = np.full(beats.good.shape, np.nan)
    for lead in range(beats.good.shape[1]):
        good = np.flatnonzero(beats.good[:, lead])
        out[good, lead] = _distances(beats.wide_mv[good, :, lead], spec)
    return out


def _distances(wide_mv: NDArray[np.float32], spec: WindowSpec) -> NDArray[np.float64]:
    """wide_mv: (n, spec.span) of one lead."""
    # (n, shifts, samples): every shift of every beat
    length = spec.step * (spec.samples - 1) + 1
    shifted = np.lib.stride_tricks.sliding_window_view(wide_mv, length, axis=1)[:, :, :: spec.step]
    out = np.empty(len(wide_mv))
    starts = [0, *range(LEARN, len(wide_mv), RENEWED)]
    for start, end in zip(starts, [*starts[1:], len(wide_mv)], strict=True):
        known = slice(max(0, start - MEMORY), start or end)
        usual = np.median(shifted[known, spec.margin], axis=0)
        error = (shifted[start:end] - usual).var(axis=2).min(axis=1)
        out[start:end] = np.log(error + MIN_ERROR_MV2) - np.log(max(usual.std(), MIN_SCALE_MV))
    return out
