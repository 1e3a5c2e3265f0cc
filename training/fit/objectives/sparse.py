"""The sparse objective: of many latent units a beat may use few (Ng 2011; Olshausen & Field 1996)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_EDGE = 1e-4  # of a mean activation from 0 and from 1, where the divergence is infinite


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseSettings:
    """How few, and how dearly more are paid for."""

    penalty: str = "kl"  # kl, of activations from 0 to 1, or l1
    target: float = 0.05  # mean activation of every unit; the L1 penalty has none
    weight: float = 0.1

    def __post_init__(self) -> None:
        if self.penalty not in ("kl", "l1") or not 0 < self.target < 1 or self.weight <= 0:
            raise ValueError(f"need kl or l1, a target from 0 to 1 and a weight above 0; got {self}")


def sparse_penalty(latent: Tensor, settings: SparseSettings) -> Tensor:
    """What a batch's activations, (batch, units), cost.

    kl: Σ_j KL(ρ ‖ ρ_j) of Bernoulli means, ρ_j the unit's mean activation over the batch; raises
    ValueError for activations outside of 0–1. l1: the mean over windows of Σ_j |h_j|.
    """
    if settings.penalty == "l1":
        return settings.weight * latent.abs().sum(dim=1).mean()
    if bool(((latent < 0) | (latent > 1)).any()):
        raise ValueError("the kl penalty needs latent units from 0 to 1: choose the activation sigmoid")
    found = latent.mean(dim=0).clamp(_EDGE, 1 - _EDGE)
    wanted = torch.full_like(found, settings.target)
    divergence = wanted * torch.log(wanted / found) + (1 - wanted) * torch.log((1 - wanted) / (1 - found))
    return settings.weight * divergence.sum()
