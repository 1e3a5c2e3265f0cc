"""Peaks of the QRS detector's feature, what they must reach, and the R peak under them; compiled."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from monitor.ecg.kernels import compiled

NEAR = 50  # 200 ms: ventricles can't be excited again sooner (Pan & Tompkins 1985)
TWAVE = 90  # 360 ms: a peak sooner after a beat may be its T wave (Pan & Tompkins 1985)
# Threshold as part of the way from noise to beat level: within TWAVE, one RR and 1.5 RR after a beat.
EARLY, DUE, OVERDUE = 0.45, 0.3, 0.15

FIDUCIAL = 16  # 64 ms: the R peak is this near to the envelope's peak
BASE = 25  # 100 ms on each side for the baseline under the R peak


@compiled
def is_peak(feature: NDArray[np.float64], peak: int) -> bool:
    """Whether no sample within NEAR is larger; feature: ring, a power of two long."""
    mask = len(feature) - 1
    value = feature[peak & mask]
    if value <= 0 or feature[(peak - 1) & mask] >= value or feature[(peak + 1) & mask] > value:
        return False
    for k in range(2, NEAR + 1):
        if feature[(peak - k) & mask] >= value or feature[(peak + k) & mask] > value:
            return False
    return True


@compiled
def r_peak(raw_mv: NDArray[np.float64], peak: int, earliest: int, usual_polarity: float) -> tuple[int, float]:
    """R peak, the largest deflection near the envelope's peak, and its polarity, -1 or 1.

    raw_mv: ring, a power of two long; usual_polarity: -1 to 1, mean over the stream's recent beats.
    """
    mask = len(raw_mv) - 1
    up, down = 0.0, 0.0
    up_at, down_at = peak, peak
    for at in range(max(peak - FIDUCIAL, earliest), peak + FIDUCIAL + 1):
        base = 0.0
        for k in range(at - BASE, at + BASE + 1):
            base += raw_mv[k & mask]
        value = (raw_mv[(at - 1) & mask] + 2 * raw_mv[at & mask] + raw_mv[(at + 1) & mask]) / 4
        value = (value - base / (2 * BASE + 1)) * math.exp(-0.5 * ((at - peak) / FIDUCIAL) ** 2)
        if value > up:
            up, up_at = value, at
        if -value > down:
            down, down_at = -value, at
    # The usual deflection wins unless the other is a fifth larger: less flipping between beats.
    lean = 0.1 * usual_polarity
    return (up_at if up * (1 + lean) >= down * (1 - lean) else down_at), (1.0 if up > down else -1.0)


@compiled
def median(values: NDArray[np.float64], n: int) -> float:
    """Median of the first n (at least 1, at most all) values."""
    ordered = np.sort(values[: min(n, len(values))])
    return float(0.5 * (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]))


@compiled
def tops(envelope_mv: NDArray[np.float64], peak: int, tops_mv: NDArray[np.float64]) -> None:
    """Fill tops_mv with each channel's largest envelope within 40 ms; -1 where a sample is unusable.

    envelope_mv: (channels, RING), RING a power of two.
    """
    mask = envelope_mv.shape[1] - 1
    for c in range(len(envelope_mv)):
        tops_mv[c] = 0.0
        for k in range(peak - 10, peak + 11):
            if envelope_mv[c, k & mask] < 0:
                tops_mv[c] = -1.0
                break
            tops_mv[c] = max(tops_mv[c], envelope_mv[c, k & mask])


@compiled
def threshold_part(gap: float, rr: float) -> float:
    """Part of the way from noise to beat level that a peak must reach `gap` after the last beat."""
    if gap <= TWAVE:
        return EARLY
    if gap < rr:
        return DUE + (EARLY - DUE) * (rr - gap) / (rr - TWAVE)
    return max(OVERDUE, DUE - (DUE - OVERDUE) * (gap / rr - 1.0) / 0.5)
