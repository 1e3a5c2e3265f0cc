"""Envelopes of the QRS detector's channels: two complex Gabor filters a lead, compiled.

A Gabor filter's magnitude is an envelope without ripple, so that no moving-window integration has to
follow, and its taps end: 144 ms after an artefact nothing of it is left.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.ecg.kernels import compiled

LIMIT_MV = 1e3  # no electrode gives more; its square would overflow


def gabor_taps(
    centre_hz: float, width_s: float, half_taps: int, sampling_rate_hz: float
) -> NDArray[np.float64]:
    """Half of a complex Gabor filter: (2, half_taps + 1) even and odd part from the middle outwards.

    centre_hz: pass frequency, gain 1; width_s: standard deviation of the Gaussian. The even part's
    sum is zero, so that neither part sees a constant.
    """
    time_s = np.arange(half_taps + 1) / sampling_rate_hz
    window = np.exp(-0.5 * (time_s / width_s) ** 2)
    cosine, sine = (wave(2 * np.pi * centre_hz * time_s) for wave in (np.cos, np.sin))
    twice = np.where(time_s > 0, 2.0, 1.0)  # every tap but the middle one stands on both sides
    even = window * cosine
    even -= window * (twice @ even) / (twice @ window)
    odd = window * sine
    return np.stack([even / (twice @ (even * cosine)), odd / (twice @ (odd * sine))])


@compiled
def channel_envelopes(
    ring_mv: NDArray[np.float64],
    usable_for: NDArray[np.int64],
    clock: NDArray[np.int64],
    slots: NDArray[np.int64],
    offsets: NDArray[np.int64],
    ecg_mv: NDArray[np.float64],
    usable: NDArray[np.bool_],
    n_leads: NDArray[np.int64],
    taps: NDArray[np.float64],
    held_mv: NDArray[np.float64],
    envelope_mv: NDArray[np.float64],
) -> None:
    """Fill held_mv (total, max_leads) and envelope_mv (total, max_leads * bands) for the new samples.

    The first three are the state's, of which usable_for moves on; the rest is as in `detect_beats`;
    taps: (bands, 2, half_taps + 1). held_mv is ecg_mv with the last usable value where it is not
    usable. envelope_mv is half_taps behind; -1 where the filter touches an unusable sample.
    """
    bands, half = taps.shape[0], taps.shape[2] - 1
    for stream in range(len(slots)):
        slot, start, stop = slots[stream], offsets[stream], offsets[stream + 1]
        for lead in range(n_leads[stream]):
            run = np.empty(2 * half + stop - start)
            for k in range(2 * half):
                run[k] = ring_mv[slot, lead, (clock[slot] - 2 * half + k) % ring_mv.shape[2]]
            unbroken = np.empty(stop - start, np.int64)
            for row in range(start, stop):
                value = ecg_mv[row, lead]
                good = usable[row, lead] and abs(value) < LIMIT_MV  # false for NaN, too
                run[2 * half + row - start] = value if good else run[2 * half + row - start - 1]
                usable_for[slot, lead] = usable_for[slot, lead] + 1 if good else 0
                unbroken[row - start] = usable_for[slot, lead]
            held_mv[start:stop, lead] = run[2 * half :]
            for band in range(bands):
                magnitude = _magnitude(run, taps[band])
                magnitude[unbroken <= 2 * half] = -1.0
                envelope_mv[start:stop, lead * bands + band] = magnitude


@compiled
def _magnitude(run: NDArray[np.float64], taps: NDArray[np.float64]) -> NDArray[np.float64]:
    """|filtered|, (len(run) - 2 * half_taps,); one tap at a time over all samples uses vector units."""
    half = taps.shape[1] - 1
    n = len(run) - 2 * half
    even, odd = taps[0, 0] * run[half : half + n], np.zeros(n)
    for k in range(1, half + 1):
        for t in range(n):
            after, before = run[half + t + k], run[half + t - k]
            even[t] += taps[0, k] * (after + before)
            odd[t] += taps[1, k] * (after - before)
    magnitude: NDArray[np.float64] = np.sqrt(even * even + odd * odd)
    return magnitude
