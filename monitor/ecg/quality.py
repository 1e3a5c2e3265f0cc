"""Signal quality of windows: is there an ECG to judge, and if not, why not."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from monitor.ecg.kernels import compiled
from monitor.ecg.samples import FLAT, MISSING, SATURATED

MAX_MISSING = 0.05  # share of a window
MAX_SATURATED = 0.10  # a clipped R peak is still a beat; more hides its shape
MAX_FLAT = 0.5  # share of a window in which the very same number was measured
LOW_MV = 0.03  # peak to peak of a window: below it there is nothing but an amplifier's noise
HIGH_MV = 12.0  # peak to peak: no heart gives that at the skin; a moving electrode does
BLOCK = 25  # internal samples, 0.1 s
NOISE_MV = 0.05  # median over blocks of the band above QRS frequencies; see docs/results.md
NOISE_SHARE = 0.08  # of the window's peak-to-peak: the same muscle noise hides a smaller ECG sooner


class Quality(IntEnum):
    """Worst finding of a window and lead; only GOOD is scored."""

    GOOD = 0
    NOISE = 1
    SATURATED = 2
    FLAT = 3  # a flat line: lead off, or asystole on an amplifier without noise
    MISSING = 4


# numba takes plain integers, not enumerations
NOISE_WINDOW, SATURATED_WINDOW, FLAT_WINDOW, MISSING_WINDOW = (int(Quality(code)) for code in (1, 2, 3, 4))


def window_quality(band_mv: NDArray[np.float32], flags: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Quality of each window and lead, (n, leads); band_mv, flags: (n, samples, leads) at 250 Hz."""
    out = np.zeros((band_mv.shape[0], band_mv.shape[2]), np.int8)
    _judge(band_mv, flags, out)
    return out


def is_low(band_mv: NDArray[np.float32]) -> NDArray[np.bool_]:
    """True where a window holds no deflection at all, (n, leads): asystole, or a lead that is off."""
    low: NDArray[np.bool_] = np.ptp(band_mv, axis=1) < LOW_MV
    return low


@compiled
def _judge(band_mv, flags, out):  # type: ignore[no-untyped-def]
    # Plain loops: numpy's reductions round by the batch's shape, and a verdict must not.
    n, samples, leads = band_mv.shape
    for i in range(n):
        for lead in range(leads):
            missing = saturated = flat = 0
            low = high = band_mv[i, 0, lead]
            for j in range(samples):
                missing += (flags[i, j, lead] & MISSING) > 0
                saturated += (flags[i, j, lead] & SATURATED) > 0
                flat += (flags[i, j, lead] & FLAT) > 0
                low, high = min(low, band_mv[i, j, lead]), max(high, band_mv[i, j, lead])
            size, noise = high - low, _noise_mv(band_mv[i, :, lead])
            if missing > MAX_MISSING * samples:
                out[i, lead] = MISSING_WINDOW
            elif flat > MAX_FLAT * samples:
                out[i, lead] = FLAT_WINDOW
            elif saturated > MAX_SATURATED * samples:
                out[i, lead] = SATURATED_WINDOW
            elif (noise > NOISE_MV and noise > NOISE_SHARE * size) or size > HIGH_MV:
                out[i, lead] = NOISE_WINDOW


@compiled
def _noise_mv(band_mv):  # type: ignore[no-untyped-def]
    """Median over 0.1 s blocks of the RMS second difference: QRS fill few blocks, muscle noise all."""
    blocks = (len(band_mv) - 2) // BLOCK
    rms = np.zeros(blocks)
    for b in range(blocks):
        for j in range(b * BLOCK, (b + 1) * BLOCK):
            rms[b] += (np.float64(band_mv[j]) - 2.0 * band_mv[j + 1] + band_mv[j + 2]) ** 2
        rms[b] = np.sqrt(rms[b] / BLOCK / 6)  # a white noise's second difference has √6 times its RMS
    return np.median(rms)
