"""Restricted Boltzmann machines, trained by contrastive divergence (Hinton, Osindero & Teh 2006).

Units are binary, or Gaussian of unit variance: visible ones for standardised signals, hidden ones for
a linear code. Energies (v visible, h hidden, W (visible, hidden)):
E = −b·v − c·h − vWh, with ½‖v − b‖² for −b·v where the visible units are Gaussian and ½‖h‖² added
where the hidden ones are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

MOMENTUM = 0.9
DECAY = 2e-4  # of the weights: Hinton's practical guide (2012)


@dataclass(slots=True, eq=False)
class Rbm:
    """weights: (visible, hidden); visible, hidden: the biases of either side."""

    weights: Tensor
    visible: Tensor
    hidden: Tensor
    gaussian_visible: bool = False
    gaussian_hidden: bool = False

    @classmethod
    def create(
        cls,
        visible: int,
        hidden: int,
        generator: torch.Generator,
        *,
        inputs: bool = False,
        code: bool = False,
    ) -> Rbm:
        """Small random weights; inputs, code: Gaussian visible and hidden units."""
        weights = 0.01 * torch.randn(visible, hidden, generator=generator)
        return cls(weights, torch.zeros(visible), torch.zeros(hidden), inputs, code)

    def hidden_mean(self, v: Tensor) -> Tensor:
        """E h given v, (batch, hidden)."""
        drive = self.hidden + v @ self.weights
        return drive if self.gaussian_hidden else torch.sigmoid(drive)

    def visible_mean(self, h: Tensor) -> Tensor:
        """E v given h, (batch, visible)."""
        drive = self.visible + h @ self.weights.T
        return drive if self.gaussian_visible else torch.sigmoid(drive)

    def free_energy(self, v: Tensor) -> Tensor:
        """−log Σ_h exp(−E(v, h)) but for a constant, (batch,)."""
        drive = self.hidden + v @ self.weights
        of_hidden = 0.5 * drive**2 if self.gaussian_hidden else functional.softplus(drive)
        own = 0.5 * (v - self.visible) ** 2 if self.gaussian_visible else -v * self.visible
        return own.sum(dim=1) - of_hidden.sum(dim=1)

    def gibbs(self, v: Tensor, steps: int, generator: torch.Generator) -> Tensor:
        """Visible means after some steps of the chain from v; hidden units are drawn, (batch, visible)."""
        for _ in range(steps):
            mean = self.hidden_mean(v)
            if self.gaussian_hidden:
                drawn = mean + torch.randn(mean.shape, generator=generator)
            else:
                drawn = (torch.rand(mean.shape, generator=generator) < mean).to(mean.dtype)
            v = self.visible_mean(drawn)
        return v


@dataclass(frozen=True, slots=True, eq=False)
class Slope:
    """Of the mean log-likelihood by an Rbm's parameters, shaped as they are."""

    weights: Tensor
    visible: Tensor
    hidden: Tensor


def slope(rbm: Rbm, data: Tensor, model: Tensor, share: Tensor | None = None) -> Slope:
    """−∂F/∂θ at the data less the same at the model's states: the gradient if these have its distribution.

    data, model: (·, visible); share: weights of the model's states, 1/n by default. Contrastive
    divergence puts a short chain's ends for the model's states.
    """
    of_data, of_model = _statistics(rbm, data, None), _statistics(rbm, model, share)
    return Slope(*(one - other for one, other in zip(of_data, of_model, strict=True)))


def _statistics(rbm: Rbm, v: Tensor, share: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    each = v.new_full((len(v), 1), 1 / len(v)) if share is None else share[:, None]
    h = rbm.hidden_mean(v)
    visible = v - rbm.visible if rbm.gaussian_visible else v
    return (each * v).T @ h, (each * visible).sum(dim=0), (each * h).sum(dim=0)


@dataclass(frozen=True, slots=True)
class RbmRecord:
    """After an epoch: squared error of one step's reconstruction, and free energy of data less chain ends."""

    error: float
    gap: float


def train_rbm(
    rbm: Rbm, data: Tensor, epochs: int, batch: int, rate: float, generator: torch.Generator, steps: int = 1
) -> Iterator[RbmRecord]:
    """Train in place, an epoch at a time; data: (n, visible)."""
    speed = Slope(*(torch.zeros_like(part) for part in (rbm.weights, rbm.visible, rbm.hidden)))
    for _ in range(epochs):
        error = gap = 0.0
        for rows in torch.split(torch.randperm(len(data), generator=generator), batch):
            v = data[rows]
            end = rbm.gibbs(v, steps, generator)
            error += float(((v - end) ** 2).mean()) * len(rows)
            gap += float((rbm.free_energy(v) - rbm.free_energy(end)).mean()) * len(rows)
            _step(rbm, slope(rbm, v, end), speed, rate)
        yield RbmRecord(error / len(data), gap / len(data))


def _step(rbm: Rbm, up: Slope, speed: Slope, rate: float) -> None:
    speed.weights.mul_(MOMENTUM).add_(rate * (up.weights - DECAY * rbm.weights))
    speed.visible.mul_(MOMENTUM).add_(rate * up.visible)
    speed.hidden.mul_(MOMENTUM).add_(rate * up.hidden)
    rbm.weights += speed.weights
    rbm.visible += speed.visible
    rbm.hidden += speed.hidden
