"""The variational objective: a latent distribution near the standard normal (Kingma & Welling 2014)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class VariationalSettings:
    """How dearly leaving the prior is paid for."""

    weight: float = 1.0  # β: 1 = the evidence bound (Higgins et al. 2017 take more)

    def __post_init__(self) -> None:
        if self.weight <= 0:
            raise ValueError(f"need a weight above 0; got {self}")


def kl_to_prior(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(μ, σ²) ‖ N(0, 1)) = ½ Σ (μ² + σ² − 1 − log σ²) in nats, (batch,)."""
    return 0.5 * (mean**2 + torch.exp(log_variance) - 1 - log_variance).sum(dim=1)


def draw(mean: Tensor, log_variance: Tensor, generator: torch.Generator | None) -> Tensor:
    """One draw of each row's latent vector, or its mean without a generator; (batch, latent)."""
    if generator is None:
        return mean
    noise = torch.randn(mean.shape, generator=generator).to(mean.device)
    return mean + torch.exp(0.5 * log_variance) * noise
