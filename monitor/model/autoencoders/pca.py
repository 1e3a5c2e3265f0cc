"""Principal components: the best linear encoder and decoder, in closed form (Baldi & Hornik 1989).

The encoder projects onto the axes of the largest variance. The decoder is the least-squares map from
latent vectors back to windows, which for this encoder's are the same axes (or, where it predicts,
principal component regression); with another encoder it is a linear layer trained by gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from monitor.model.autoencoders.parts import Decoder, Encoder

MIN_SPREAD = 1e-6  # of a sample that is reconstructed exactly: its logarithm is finite


class PcaEncoder(Encoder):
    """Projection onto the first components; never trained by gradient."""

    is_latent = True
    closed_form = True

    def __init__(self, samples: int, latent: int) -> None:
        super().__init__()
        if latent > samples:
            raise ValueError(f"need as many samples as components at least; got {samples} and {latent}")
        self.width = latent
        axes = torch.linalg.qr(torch.randn(samples, latent))[0].T.contiguous()
        self.components = nn.Parameter(axes, requires_grad=False)  # (latent, samples)
        self.mean = nn.Parameter(torch.zeros(samples), requires_grad=False)

    def forward(self, window: Tensor, lengths: Tensor | None) -> Tensor:  # noqa: ARG002  # zeros are fine
        """Scores, (batch, latent)."""
        return nn.functional.linear(window - self.mean, self.components)

    def solve(self, windows: Tensor) -> None:
        """Eigenvectors of the windows' covariance, the largest first."""
        exact = windows.double()
        mean = exact.mean(dim=0)
        vectors = torch.linalg.eigh((exact - mean).T @ (exact - mean))[1]
        self.components.copy_(vectors.flip(1)[:, : self.width].T)
        self.mean.copy_(mean)


class PcaDecoder(Decoder):
    """One linear layer."""

    closed_form = True

    def __init__(self, samples: int, latent: int, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.to_samples = nn.Linear(latent, channels * samples)

    def forward(self, latent: Tensor, samples: int) -> Tensor:
        """(batch, channels, samples)."""
        out: Tensor = self.to_samples(latent)
        return out.reshape(len(latent), self.channels, -1)[:, :, :samples]

    def solve(self, latent: Tensor, windows: Tensor) -> None:
        """Least squares; a second channel is the log RMS of what is left at each sample."""
        known = torch.nn.functional.pad(latent.double(), (0, 1), value=1.0)
        # Normal equations: a few dozen columns, however many windows; pinv, as components may be empty.
        solution = torch.linalg.pinv(known.T @ known, hermitian=True) @ (known.T @ windows.double())
        weight = self.to_samples.weight.new_zeros(self.to_samples.weight.shape)
        bias = weight.new_zeros(len(weight))
        samples = windows.shape[1]
        weight[:samples], bias[:samples] = solution[:-1].T.to(weight), solution[-1].to(weight)
        if self.channels == 2:
            left = (windows.double() - known @ solution).square().mean(dim=0).sqrt()
            start = len(weight) // 2
            bias[start : start + samples] = torch.log(left + MIN_SPREAD).to(bias)
        self.to_samples.weight.copy_(weight)
        self.to_samples.bias.copy_(bias)
