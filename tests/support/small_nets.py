"""Networks of one or two linear layers: small enough to know what must come out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from monitor.model.autoencoders.interface import EncoderDecoder, Inputs, Reconstruction
from training.fit.objectives.examples import Examples


class SmallNet(EncoderDecoder):
    """One sigmoid layer and a linear one back (Rifai et al. 2011 give its Jacobian in closed form)."""

    def __init__(self, samples: int = 16, latent: int = 4, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.there, self.back = nn.Linear(samples, latent), nn.Linear(latent, samples)

    def encode(self, inputs: Inputs) -> Tensor:
        """Units from 0 to 1, (batch, latent)."""
        return torch.sigmoid(self.there(inputs.window))

    def decode(self, latent: Tensor, inputs: Inputs) -> Reconstruction:
        """Linear in the latent vector."""
        return Reconstruction(self.back(latent), latent)


def waves(count: int = 64, samples: int = 16, seed: int = 0) -> Examples:
    """Humps of one shape, at places and of sizes that differ."""
    generator = torch.Generator().manual_seed(seed)
    place = samples * (0.3 + 0.4 * torch.rand(count, 1, generator=generator))
    size = 0.7 + 0.6 * torch.rand(count, 1, generator=generator)
    at = torch.arange(samples)
    return Examples(Inputs(size * torch.exp(-0.5 * ((at - place) / (samples / 10)) ** 2)))
