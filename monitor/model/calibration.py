"""Statistic → p-value: the empirical distribution on held-out normal windows, its tail by extreme values."""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.stats import genpareto

from monitor.ecg.kernels import compiled

KNOTS = 257
TAIL_SHARE = 0.02  # beyond the 98th percentile the generalised Pareto distribution takes over
MIN_NORMALS = 500  # fewer leave less than ten to fit the tail to


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """A statistic's distribution over normal windows; higher is stranger.

    Below the tail, `knots` are its quantiles at equal steps of probability. Above `knots[-1]` the
    excess follows a generalised Pareto distribution (Pickands 1975; Coles 2001, ch. 4).
    """

    knots: tuple[float, ...]
    tail_share: float
    shape: float  # ξ ≥ 0: no statistic is impossible, so that no p-value is 0
    scale: float

    def surprise(self, statistic: NDArray[np.float64]) -> NDArray[np.float64]:
        """Minus log10 of the p-value of each statistic; NaN stays NaN."""
        out = np.empty(statistic.shape)
        knots = np.array(self.knots)
        _surprise(statistic.ravel(), knots, self.tail_share, self.shape, self.scale, out.ravel())
        return out


def fit_calibration(normal: NDArray[np.float64]) -> Calibration:
    """The distribution of a statistic over normal windows, (n,); raises ValueError for too few or NaN."""
    if len(normal) < MIN_NORMALS or not np.isfinite(normal).all():
        raise ValueError(
            f"need {MIN_NORMALS} finite statistics; got {np.isfinite(normal).sum()} of {len(normal)}"
        )
    knots = np.quantile(normal, np.linspace(0, 1 - TAIL_SHARE, KNOTS))
    excess = normal[normal > knots[-1]] - knots[-1]
    if not len(excess):
        raise ValueError("need a continuous statistic; got one with no values beyond its 98th percentile")
    shape, _, scale = genpareto.fit(excess, floc=0)
    if not 0 <= shape <= 1:
        shape, scale = float(np.clip(shape, 0, 1)), excess.mean()
    return Calibration(
        knots=tuple(float(k) for k in knots), tail_share=TAIL_SHARE, shape=float(shape), scale=float(scale)
    )


@compiled
def _surprise(statistic, knots, tail_share, shape, scale, out):  # type: ignore[no-untyped-def]
    # Scalar on purpose: vectorised logarithms may round by a value's place in the array.
    last = len(knots) - 1
    for i in range(len(statistic)):
        x = statistic[i]
        if math.isnan(x):
            out[i] = x
        elif x > knots[last]:
            excess = (x - knots[last]) / scale
            log_tail = math.log1p(shape * excess) / shape if shape > 1e-9 else excess
            out[i] = (log_tail - math.log(tail_share)) / math.log(10.0)
        else:
            j = min(np.searchsorted(knots, x, side="right"), last)
            span = knots[j] - knots[j - 1] if j > 0 else 0.0
            within = (x - knots[j - 1]) / span if span > 0 else 0.0
            rank = (j - 1 + within) / last if j > 0 else 0.0
            out[i] = -math.log10(1.0 - rank * (1.0 - tail_share))
