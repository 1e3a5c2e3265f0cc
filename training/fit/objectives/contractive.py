"""The contractive objective: latent vectors that hardly move when their window does (Rifai et al. 2011)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from monitor.model.autoencoders.interface import EncoderDecoder, Inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractiveSettings:
    """How dearly the encoder's slope is paid for."""

    weight: float = 0.1
    probes: int = 1  # random directions a training step looks along; 0 = every latent unit, exactly

    def __post_init__(self) -> None:
        if self.weight <= 0 or self.probes < 0:
            raise ValueError(f"need a weight above 0 and probes >= 0; got {self}")


def contractive_penalty(
    net: EncoderDecoder, inputs: Inputs, settings: ContractiveSettings, generator: torch.Generator | None
) -> Tensor:
    """Mean over windows of the weighted ‖∂h/∂x‖²_F; without a generator it is exact."""
    probes = settings.probes if generator is not None else 0
    return settings.weight * jacobian_square(net, inputs, probes, generator).mean()


def jacobian_square(
    net: EncoderDecoder, inputs: Inputs, probes: int = 0, generator: torch.Generator | None = None
) -> Tensor:
    """Squared Frobenius norm of the encoder's Jacobian at each window, (batch,).

    probes: how many random sign vectors v stand for all latent units, E‖vᵀJ‖² = ‖J‖²_F (Hutchinson
    1990): one pass back each, instead of one a unit. 0 = exact. Can be differentiated where gradients
    are on.
    """
    training = torch.is_grad_enabled()
    # cuDNN's recurrent kernels have no second derivative; evaluation runs without gradients.
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        window = inputs.window.detach().requires_grad_()
        latent = net.encode(replace(inputs, window=window))
        total = window.new_zeros(len(window))
        for direction in _directions(latent, probes, generator):
            (slope,) = torch.autograd.grad(
                latent, window, direction, retain_graph=True, create_graph=training
            )
            total = total + (slope**2).sum(dim=1)
    total = total / max(probes, 1)
    return total if training else total.detach()


def _directions(latent: Tensor, probes: int, generator: torch.Generator | None) -> list[Tensor]:
    """Unit vectors of the latent space for every window, or random signs; (batch, width) each."""
    if not probes:
        eye = torch.eye(latent.shape[1], device=latent.device)
        return [row.expand_as(latent) for row in eye]
    signs = torch.randint(0, 2, (probes, *latent.shape), generator=generator) * 2.0 - 1.0
    return list(signs.to(latent.device))
