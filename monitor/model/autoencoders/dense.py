"""Dense encoder and decoder: layers of all samples at once (Rumelhart, Hinton & Williams 1986).

Without hidden layers and with the identity as activation the pair is linear, and trained to
convergence it spans the subspace of the first principal components (Baldi & Hornik 1989).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from monitor.model.autoencoders.interface import check_widths
from monitor.model.autoencoders.parts import Decoder, Encoder, activation_layer


class DenseEncoder(Encoder):
    """Hidden layers of falling width; the layer to the latent vector follows them."""

    def __init__(
        self, samples: int, _latent: int, *, hidden: Sequence[int] = (64,), activation: str = "relu"
    ) -> None:
        super().__init__()
        self.layers = layers((samples, *hidden), activation)
        self.width = hidden[-1] if hidden else samples

    def forward(self, window: Tensor, lengths: Tensor | None) -> Tensor:  # noqa: ARG002  # zeros are fine
        """Activations of the last hidden layer, (batch, width)."""
        return self.layers(window)  # type: ignore[no-any-return]


class DenseDecoder(Decoder):
    """Hidden layers of rising width, and one to the samples."""

    def __init__(
        self,
        samples: int,
        latent: int,
        channels: int,
        *,
        hidden: Sequence[int] = (64,),
        activation: str = "relu",
    ) -> None:
        super().__init__()
        self.channels = channels
        self.layers = layers((latent, *hidden), activation)
        self.to_samples = nn.Linear(hidden[-1] if hidden else latent, channels * samples)

    def forward(self, latent: Tensor, samples: int) -> Tensor:
        """(batch, channels, samples)."""
        out: Tensor = self.to_samples(self.layers(latent))
        return out.reshape(len(latent), self.channels, -1)[:, :, :samples]


def layers(widths: Sequence[int], name: str) -> nn.Sequential:
    """A linear layer and an activation from each width to the next; empty for a single width."""
    check_widths(*widths)
    parts: list[nn.Module] = []
    for first, second in pairwise(widths):
        parts += [nn.Linear(first, second), activation_layer(name)]
    return nn.Sequential(*parts)
