"""What a verdict is made of: a network's error and the other statistics of beats and fixed windows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from monitor.adapt.beats import BeatBatch
from monitor.model.artifact import TermCalibration
from monitor.model.autoencoders.interface import EncoderDecoder, Inputs
from monitor.model.scoring import (
    EARLY_WEIGHT,
    RHYTHM_WEIGHT,
    combine_leads,
    disorder,
    early_surprise,
    run_tiled,
    spread_error,
    window_error,
)


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """What a verdict is made of, before calibration; n windows.

    error: (n, leads), NaN where a lead is not usable; worst: (n, leads) region of the largest error;
    others: further statistics by name, (n,) or (n, leads); latent: (n, leads, width).
    """

    error: NDArray[np.float64]
    worst: NDArray[np.int64]
    others: dict[str, NDArray[np.float64]]
    usable: NDArray[np.bool_]
    latent: NDArray[np.float32]

    def rows(self, index: NDArray[np.bool_]) -> Terms:
        """Some of the windows."""
        others = {name: values[index] for name, values in self.others.items()}
        return replace(
            self,
            error=self.error[index],
            worst=self.worst[index],
            others=others,
            usable=self.usable[index],
            latent=self.latent[index],
        )


def fuse(
    calibration: TermCalibration, by_lead: NDArray[np.float64], terms: Terms
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Statistic, its shape part and its rhythm part, (n,) each, from each term's own surprise."""
    shape = combine_leads(by_lead, terms.usable)
    rhythm = np.zeros(len(shape))
    for name, weight in (("early", EARLY_WEIGHT), ("rhythm", RHYTHM_WEIGHT)):
        if name in terms.others:
            rhythm += weight * calibration.terms[name].surprise(terms.others[name])
    for name in ("peaks", "slow"):
        if name in terms.others:
            shape = shape + combine_leads(calibration.terms[name].surprise(terms.others[name]), terms.usable)
    return shape + rhythm, shape, rhythm


def usual_terms(net: EncoderDecoder, batch: BeatBatch) -> Terms:
    """Error of every beat against what the beats before it and the usual beat lead to expect."""
    usable = batch.good & batch.known
    row, lead = np.nonzero(usable)
    scale = batch.scale_mv[row, lead].astype(np.float32)
    window = batch.beat[row, lead] / scale[:, None]
    inputs = contextual_inputs(batch, row, lead)
    out = run_tiled(net, inputs)
    if out.log_spread is None or out.rhythm is None:
        raise ValueError("the contextual form must tell spread and rhythm")
    error, worst = spread_error(window, out.mean, out.log_spread)
    expected = _mean_over_leads(row, len(usable), _late_to_early(batch.log_ratio[row], out.rhythm))
    others = {"early": early_surprise(batch.log_ratio), "rhythm": expected}
    return _terms(usable, row, lead, error, worst, others, out.latent)


def contextual_inputs(batch: BeatBatch, row: NDArray[np.int64], lead: NDArray[np.int64]) -> Inputs:
    """A network's inputs for some (beat, lead) pairs, in units of the usual beat's RMS."""
    scale = batch.scale_mv[row, lead].astype(np.float32)
    return Inputs(
        window=torch.from_numpy(batch.beat[row, lead] / scale[:, None]),
        usual=torch.from_numpy(batch.usual[row, lead] / scale[:, None]),
        past=torch.from_numpy(batch.past[row, lead]),
        log_scale=torch.from_numpy(batch.log_scale[row, lead]),
    )


def population_terms(net: EncoderDecoder, batch: BeatBatch) -> Terms:
    """Error of every beat when reconstructed from its own latent vector."""
    row, lead = np.nonzero(batch.good)
    window = batch.beat[row, lead]
    out = run_tiled(net, Inputs(torch.from_numpy(window)))
    error, worst = window_error(out, window)
    return _terms(batch.good, row, lead, error, worst, {"early": early_surprise(batch.log_ratio)}, out.latent)


def fixed_terms(net: EncoderDecoder, fixed_mv: NDArray[np.float32], good: NDArray[np.bool_]) -> Terms:
    """Error of every fixed window, and how little it is made of beats; fixed_mv: (n, samples, leads)."""
    row, lead = np.nonzero(good)
    window = np.ascontiguousarray(fixed_mv.transpose(0, 2, 1)[row, lead])
    out = run_tiled(net, Inputs(torch.from_numpy(halves(window))))
    error, worst = window_error(out, window)
    latent = out.latent.reshape(len(window), 2 * out.latent.shape[1]) if len(window) else out.latent
    others = {}
    for column, name in enumerate(("peaks", "slow")):
        others[name] = np.full(good.shape, np.nan)
        others[name][row, lead] = disorder(window)[:, column]
    return _terms(good, row, lead, error, worst, others, latent)


def halves(window_mv: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each window as two: with beats at any place in it, a shorter one is learned much sooner."""
    return np.ascontiguousarray(window_mv).reshape(2 * len(window_mv), window_mv.shape[1] // 2)


def _terms(
    usable: NDArray[np.bool_],
    row: NDArray[np.int64],
    lead: NDArray[np.int64],
    error: NDArray[np.float64],
    worst: NDArray[np.int64],
    others: dict[str, NDArray[np.float64]],
    latent: NDArray[np.float32],
) -> Terms:
    """Scatter (window, lead) pairs back to (n, leads)."""
    all_error, all_worst = np.full(usable.shape, np.nan), np.zeros(usable.shape, np.int64)
    all_latent = np.full((*usable.shape, latent.shape[1]), np.nan, np.float32)
    all_error[row, lead], all_worst[row, lead] = error, worst
    if len(row):
        all_latent[row, lead] = latent
    return Terms(all_error, all_worst, others, usable, all_latent)


def _late_to_early(log_ratio: NDArray[np.float32], rhythm: NDArray[np.float32]) -> NDArray[np.float64]:
    """How much earlier than the network expected, in units of the spread it expected; 0 if unknown."""
    spread = np.exp(np.clip(rhythm[:, 1].astype(np.float64), -5, 1))
    early = -(log_ratio.astype(np.float64) - rhythm[:, 0]) / spread
    return np.where(np.isnan(log_ratio), 0.0, early)


def _mean_over_leads(row: NDArray[np.int64], n: int, values: NDArray[np.float64]) -> NDArray[np.float64]:
    total, count = np.zeros(n), np.zeros(n)
    np.add.at(total, row, values)
    np.add.at(count, row, 1.0)
    return total / np.maximum(count, 1)
