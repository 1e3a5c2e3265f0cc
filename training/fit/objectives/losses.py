"""How far a reconstruction lies from its window: the losses that training can minimise, by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from monitor.model.autoencoders.interface import Reconstruction
from monitor.model.autoencoders.scores import log_likelihood
from monitor.model.scoring import MIN_ERROR_MV2

LOG_FLOOR = 1e-3  # share of a window's power under its error: a perfect fit has a finite logarithm
RANGE = (-5.0, 5.0)  # what binary cross-entropy scales to 0–1: mV, or units of a normalised window
HUBER_MV = 0.1  # where Huber's loss turns from square to absolute: several times a usual error

Loss = Callable[[Reconstruction, Tensor], Tensor]  # of (batch, samples): (batch,), a mean over samples


def log_square(out: Reconstruction, window: Tensor) -> Tensor:
    """Log mean squared error: a small lead counts as much as a large one."""
    floor = LOG_FLOOR * (window**2).mean(dim=1) + MIN_ERROR_MV2
    return torch.log(mean_square(out, window) + floor)


def mean_square(out: Reconstruction, window: Tensor) -> Tensor:
    """Mean squared error."""
    return ((out.mean - window) ** 2).mean(dim=1)


def mean_absolute(out: Reconstruction, window: Tensor) -> Tensor:
    """Mean absolute error, as in the ECG5000 tutorials."""
    return (out.mean - window).abs().mean(dim=1)


def huber(out: Reconstruction, window: Tensor) -> Tensor:
    """e²/2 up to δ = HUBER_MV, δ(|e| − δ/2) above it (Huber 1964)."""
    return functional.huber_loss(out.mean, window, reduction="none", delta=HUBER_MV).mean(dim=1)


def cross_entropy(out: Reconstruction, window: Tensor) -> Tensor:
    """Binary cross-entropy of window and reconstruction, both scaled from RANGE to 0–1."""
    target, found = (_unit(signal) for signal in (window, out.mean))
    inside = found.clamp(1e-6, 1 - 1e-6)
    # Outside of the range the entropy has no slope: the distance leads back.
    outside = (found - inside).abs()
    entropy = functional.binary_cross_entropy(inside, target.clamp(0, 1), reduction="none")
    return (entropy + outside).mean(dim=1)


def gaussian(out: Reconstruction, window: Tensor) -> Tensor:
    """Negative log-likelihood where the decoder also tells its spread; raises ValueError if it does not."""
    return -log_likelihood(out, window).mean(dim=1)


def _unit(signal: Tensor) -> Tensor:
    low, high = RANGE
    return (signal - low) / (high - low)


LOSSES: dict[str, Loss] = {
    "log": log_square,
    "mse": mean_square,
    "mae": mean_absolute,
    "huber": huber,
    "bce": cross_entropy,
    "gaussian": gaussian,
}
