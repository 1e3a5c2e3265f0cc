"""Reconstruction error → statistic → p-value → verdict, for beats and for fixed windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monitor.ecg.kernels import compiled
from monitor.errors import ScoreError
from monitor.model.autoencoders.interface import EncoderDecoder, Inputs

TILE = 64  # rows of every network call: a matrix product's rounding depends on its shape
NU = 4.0  # degrees of freedom: beats stray further than Gauss allows (Lange et al. 1989)
REGION = 13  # samples of a window's part that an event can name
EARLY_WEIGHT, RHYTHM_WEIGHT = 0.25, 0.25  # of the two rhythm terms beside the shape's weight of 1
MIN_POWER_MV2 = 1e-4  # under a lead's power, so that a flat window divides by something
MIN_ERROR_MV2 = 1e-5
FLOOR = 1e-5  # of an error in units of its lead's scale: exact zeros have a finite likelihood


@dataclass(frozen=True, slots=True, eq=False)
class TiledOutput:
    """A network's output for every row, as numpy.

    mean, log_spread: (n, samples); latent: (n, width); rhythm: (n, 2); score: (n,) of its own.
    """

    mean: NDArray[np.float32]
    log_spread: NDArray[np.float32] | None
    latent: NDArray[np.float32]
    rhythm: NDArray[np.float32] | None
    score: NDArray[np.float32] | None = None


@torch.inference_mode()
def run_tiled(net: EncoderDecoder, inputs: Inputs, tile: int = TILE) -> TiledOutput:
    """Run a network in padded tiles of one size, so that a row's result depends on that row alone."""
    n = len(inputs.window)
    outputs = []
    for start in range(0, n, tile):
        outputs.append(net(_padded(inputs.rows(slice(start, start + tile)), tile)))

    def joined(parts: list[Tensor | None]) -> NDArray[np.float32] | None:
        tensors = [part for part in parts if part is not None]
        return torch.cat(tensors)[:n].numpy() if tensors else None

    mean = joined([out.mean for out in outputs])
    latent = joined([out.latent for out in outputs])
    if mean is None or latent is None:
        empty = np.zeros((0, inputs.window.shape[1]), np.float32)
        return TiledOutput(empty, empty, np.zeros((0, 0), np.float32), np.zeros((0, 2), np.float32))
    log_spread, rhythm, score = (
        joined([getattr(out, name) for out in outputs]) for name in ("log_spread", "rhythm", "score")
    )
    return TiledOutput(mean, log_spread, latent, rhythm, score)


def window_error(
    out: TiledOutput, window_mv: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """How strange each window is, (n,), and its worst region, (n,): by the network's score if it has one.

    window_mv: (n, samples), made of one row of the output or of several, whose scores are averaged.
    """
    error, worst = relative_error(window_mv, out.mean.reshape(window_mv.shape))
    if out.score is None:
        return error, worst
    return _finite(out.score.reshape(len(window_mv), -1).mean(axis=1, dtype=np.float64)), worst


def _padded(inputs: Inputs, tile: int) -> Inputs:
    missing = tile - len(inputs.window)
    if not missing:
        return inputs

    def pad(part: Tensor | None, value: float = 0.0) -> Tensor | None:
        return None if part is None else torch.cat([part, part.new_full((missing, *part.shape[1:]), value)])

    window = pad(inputs.window)
    if window is None:
        raise ValueError("need a window")
    return Inputs(window, pad(inputs.lengths, 1), pad(inputs.usual), pad(inputs.past), pad(inputs.log_scale))


def spread_error(
    window: NDArray[np.float32], mean: NDArray[np.float32], log_spread: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Student-t negative log-likelihood of each window's error, (n,), and its worst region, (n,).

    window, mean, log_spread: (n, samples) in units of the lead's scale. The error's own mean is
    removed first: a step of the baseline is no change of shape.
    """
    error, worst = np.empty(len(window)), np.empty(len(window), np.int64)
    _spread_error(window, mean, log_spread, error, worst)
    return _finite(error), worst


def relative_error(
    window_mv: NDArray[np.float32], mean_mv: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Log mean squared error less half the log power of each window, (n,), and its worst region, (n,).

    Half, because a larger lead errs more, but not in proportion: measured, see docs/results.md.
    """
    error, worst = np.empty(len(window_mv)), np.empty(len(window_mv), np.int64)
    _relative_error(window_mv, mean_mv, error, worst)
    return _finite(error), worst


def disorder(window_mv: NDArray[np.float32]) -> NDArray[np.float64]:
    """How little a window is made of narrow peaks over a quiet line, (n, 2): what flutter lacks.

    Column 0: minus log kurtosis. Column 1: log ratio of the power slower than 8 Hz to the rest.
    """
    out = np.empty((len(window_mv), 2))
    _disorder(window_mv, out)
    return out


def combine_leads(surprise: NDArray[np.float64], usable: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Half the mean and half the minimum over usable leads, (n,); NaN where there is none.

    A beat that is strange looks so in every lead; noise is mostly in one. surprise: (n, leads).
    """
    out = np.empty(len(surprise))
    _combine_leads(surprise, usable, out)
    return out


def early_surprise(log_ratio: NDArray[np.float32]) -> NDArray[np.float64]:
    """How much earlier than usual each beat came: minus its log RR ratio; 0 if later or unknown."""
    known = np.nan_to_num(log_ratio.astype(np.float64))
    return np.maximum(0.0, -known)


def _finite(error: NDArray[np.float64]) -> NDArray[np.float64]:
    if not np.isfinite(error).all():
        bad = int((~np.isfinite(error)).sum())
        raise ScoreError(f"reconstruction error of {bad} of {len(error)} windows is not a number")
    return error


@compiled
def _spread_error(window, mean, log_spread, error, worst):  # type: ignore[no-untyped-def]
    n, samples = window.shape
    for i in range(n):
        offset = 0.0
        for j in range(samples):
            offset += np.float64(window[i, j]) - mean[i, j]
        offset /= samples
        total = part = most = 0.0
        worst[i] = 0
        for j in range(samples):
            spread = np.float64(log_spread[i, j])
            e = abs(np.float64(window[i, j]) - mean[i, j] - offset) + FLOOR
            unlikely = 0.5 * (NU + 1.0) * np.log1p(np.exp(2.0 * (np.log(e) - spread)) / NU)
            total += unlikely + spread
            part += unlikely
            if j % REGION == REGION - 1:
                if part > most:
                    most, worst[i] = part, j // REGION
                part = 0.0
        error[i] = total / samples


@compiled
def _relative_error(window, mean, error, worst):  # type: ignore[no-untyped-def]
    n, samples = window.shape
    for i in range(n):
        square = power = part = most = 0.0
        worst[i] = 0
        for j in range(samples):
            e = (np.float64(window[i, j]) - mean[i, j]) ** 2
            square += e
            part += e
            power += np.float64(window[i, j]) ** 2
            if j % REGION == REGION - 1:
                if part > most:
                    most, worst[i] = part, j // REGION
                part = 0.0
        error[i] = np.log(square / samples + MIN_ERROR_MV2) - 0.5 * np.log(power / samples + MIN_POWER_MV2)


@compiled
def _disorder(window, out):  # type: ignore[no-untyped-def]
    n, samples = window.shape
    half = 7  # 15 samples at 125 Hz: the moving average's first zero lies at 8.3 Hz
    for i in range(n):
        mean = 0.0
        for j in range(samples):
            mean += window[i, j]
        mean /= samples
        second = fourth = slow_power = fast_power = 0.0
        run = 0.0
        for j in range(2 * half):
            run += window[i, j] - mean
        for j in range(half, samples - half):
            run += window[i, j + half] - mean
            slow = run / (2 * half + 1)
            run -= window[i, j - half] - mean
            x = window[i, j] - mean
            second += x * x
            fourth += x * x * x * x
            slow_power += slow * slow
            fast_power += (x - slow) ** 2
        count = samples - 2 * half
        second, fourth = second / count, fourth / count
        out[i, 0] = np.log((second * second + MIN_POWER_MV2**2) / (fourth + MIN_POWER_MV2**2))
        out[i, 1] = np.log((slow_power / count + MIN_POWER_MV2) / (fast_power / count + MIN_POWER_MV2))


@compiled
def _combine_leads(surprise, usable, out):  # type: ignore[no-untyped-def]
    for i in range(len(surprise)):
        total, least, count = 0.0, np.inf, 0
        for lead in range(surprise.shape[1]):
            if usable[i, lead]:
                total += surprise[i, lead]
                least = min(least, surprise[i, lead])
                count += 1
        out[i] = 0.5 * total / count + 0.5 * least if count else np.nan
