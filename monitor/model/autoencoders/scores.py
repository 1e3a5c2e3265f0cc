"""What a network can say of a window beside its reconstruction: how unlike normal ones it is.

Both are modules of the network, so that what they keep travels with its weights, and both are
deterministic row by row: nothing is drawn at inference.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from monitor.model.autoencoders.interface import EncoderDecoder, Inputs, Reconstruction, Score

SCORES = ("error", "probability", "neighbours")
KEPT_BYTES = 200_000  # of latent vectors, at most: a model stays small enough to send around
DRAWS = 8  # of the latent distribution a window
NEIGHBOURS = 1024  # latent vectors kept, if KEPT_BYTES allows
LOG_SPREAD = (-6.0, 3.0)  # of a sample, in the window's unit
_SEED = 0


class ReconstructionProbability(Score):
    """−E log p(x | z), z drawn from the window's latent distribution (An & Cho 2015), a sample's mean.

    The draws are the window's own mean and spread times a fixed table of standard normal noise.
    """

    noise: Tensor

    def __init__(self, latent: int, draws: int = DRAWS) -> None:
        super().__init__()
        noise = torch.randn(draws, latent, generator=torch.Generator().manual_seed(_SEED))
        self.register_buffer("noise", noise)

    def forward(self, net: EncoderDecoder, inputs: Inputs, out: Reconstruction) -> Tensor:  # noqa: ARG002
        """Mean negative log-likelihood over draws and samples."""
        mean, log_variance = net.encode_distribution(inputs)
        spread = torch.exp(0.5 * log_variance)
        total = inputs.window.new_zeros(len(inputs.window))
        for row in self.noise:  # one draw at a time: a batch keeps the size that its rounding goes by
            total = total + _surprise(net.decode(mean + spread * row, inputs), inputs)
        return total / len(self.noise)


class NearestLatent(Score):
    """Distance from a window's latent vector to the nearest of a bounded set of normal ones.

    The set is filled once the network is trained; until then it holds NaN, and so does every score.
    """

    kept: Tensor

    def __init__(self, latent: int, count: int = NEIGHBOURS) -> None:
        super().__init__()
        self.register_buffer("kept", torch.full((min(count, KEPT_BYTES // (4 * latent)), latent), math.nan))

    def forward(self, net: EncoderDecoder, inputs: Inputs, out: Reconstruction) -> Tensor:  # noqa: ARG002
        """Euclidean distance."""
        # Differences, not products: what is near would be lost in the rounding of large squares.
        apart = torch.cdist(out.latent, self.kept, compute_mode="donot_use_mm_for_euclid_dist")
        return apart.min(dim=1).values


def make_score(name: str, latent: int, *, tells_distribution: bool) -> Score | None:
    """A fresh score, None for the plain error; raises ValueError for what the network can't give."""
    if name not in SCORES:
        raise ValueError(f"score is {name!r}, wanted one of {', '.join(SCORES)}")
    if name == "neighbours":
        return NearestLatent(latent)
    if name == "probability":
        if not tells_distribution:
            raise ValueError("score 'probability' needs a network that is variational and tells its spread")
        return ReconstructionProbability(latent)
    return None


def log_likelihood(out: Reconstruction, window: Tensor) -> Tensor:
    """Log density of each sample about the reconstruction, (batch, samples); ValueError without a spread."""
    if out.log_spread is None:
        raise ValueError("a likelihood needs a decoder that tells its spread")
    # A spread near zero would let one sample outweigh a whole window.
    log_spread = out.log_spread.clamp(*LOG_SPREAD)
    error = (window - out.mean) * torch.exp(-log_spread)
    return -0.5 * error**2 - log_spread - 0.5 * math.log(2 * math.pi)


def _surprise(out: Reconstruction, inputs: Inputs) -> Tensor:
    """Mean negative log-likelihood of the valid samples, (batch,)."""
    each = -log_likelihood(out, inputs.window)
    if inputs.lengths is None:
        return each.mean(dim=1)
    valid = torch.arange(each.shape[1], device=each.device) < inputs.lengths[:, None]
    return (each * valid).sum(dim=1) / inputs.lengths
