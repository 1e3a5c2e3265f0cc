"""Made-up ECG: for measuring speed and for trying the path out, never for learning from."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Amplitude (mV), centre and width (s from the R peak) of P, Q, R, S and T, after McSharry et al. 2003.
_NORMAL = (
    (0.12, -0.16, 0.025),
    (-0.12, -0.03, 0.009),
    (1.1, 0.0, 0.011),
    (-0.2, 0.03, 0.01),
    (0.28, 0.25, 0.05),
)
_VENTRICULAR = ((1.6, 0.0, 0.045), (-0.6, 0.09, 0.03), (-0.45, 0.28, 0.06))
_RR_SPREAD = 0.03  # of an RR interval: a resting heart's
_EARLY = 0.65  # of an RR interval before a ventricular beat; the pause after it makes up for it
_REACH_S = 0.5  # on both sides of the R peak, beyond which a beat leaves nothing
_SECOND_LEAD = 0.6  # of the first lead's size; each further one has as much of the one before


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticEcg:
    """A made-up recording. ecg_mv: (n_samples, n_leads); r_peak: (n_beats,) sample numbers."""

    rate_hz: float
    ecg_mv: NDArray[np.float32]
    r_peak: NDArray[np.int64]
    ventricular: NDArray[np.bool_]  # (n_beats,)


def synthetic_ecg(
    seconds: float,
    *,
    rate_hz: float = 360.0,
    leads: int = 2,
    beats_per_minute: float = 72.0,
    noise_mv: float = 0.01,
    ventricular: Collection[int] = (),
    seed: int = 0,
) -> SyntheticEcg:
    """Normal beats with white noise; `ventricular` numbers the beats that come early and wide."""
    if seconds <= 0 or leads < 1 or beats_per_minute <= 0:
        raise ValueError(f"need more than nothing; got {seconds=}, {leads=}, {beats_per_minute=}")
    random = np.random.default_rng(seed)
    rr_s = 60.0 / beats_per_minute
    count = int(seconds / rr_s)
    wide = np.isin(np.arange(count), list(ventricular))
    at_s = (
        rr_s * (0.5 + np.arange(count) + _RR_SPREAD * random.standard_normal(count))
        - wide * (1 - _EARLY) * rr_s
    )
    at_s = np.sort(at_s)
    r_peak = np.rint(at_s * rate_hz).astype(np.int64)
    n = round(seconds * rate_hz)
    inside = (r_peak >= 0) & (r_peak < n)
    r_peak, wide = r_peak[inside], wide[inside]
    first = _first_lead(n, rate_hz, r_peak, wide)
    gains = _SECOND_LEAD ** np.arange(leads)
    ecg_mv = first[:, None] * gains + noise_mv * random.standard_normal((n, leads))
    return SyntheticEcg(rate_hz, ecg_mv.astype(np.float32), r_peak, wide)


def _first_lead(
    n: int, rate_hz: float, r_peak: NDArray[np.int64], ventricular: NDArray[np.bool_]
) -> NDArray[np.float64]:
    reach = int(_REACH_S * rate_hz)
    time_s = np.arange(-reach, reach + 1) / rate_hz
    shapes = [_shape(time_s, waves) for waves in (_NORMAL, _VENTRICULAR)]
    padded = np.zeros(n + 2 * reach)
    for sample, wide in zip(r_peak, ventricular, strict=True):
        padded[sample : sample + 2 * reach + 1] += shapes[int(wide)]
    return padded[reach : reach + n]


def _shape(time_s: NDArray[np.float64], waves: tuple[tuple[float, float, float], ...]) -> NDArray[np.float64]:
    size, centre, width = (np.array(column)[:, None] for column in zip(*waves, strict=True))
    shape: NDArray[np.float64] = (size * np.exp(-0.5 * ((time_s - centre) / width) ** 2)).sum(axis=0)
    return shape
