"""Convolutional encoder and decoder: strided down, up-sampled again (Masci et al. 2011).

Up-sampling repeats and then convolves, which leaves no checkerboard as transposed strides do
(Odena, Dumoulin & Olah 2016). What does not divide by the strides is zero-padded and cut off again.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from monitor.model.autoencoders.interface import check_widths
from monitor.model.autoencoders.parts import Decoder, Encoder, activation_layer

STRIDE = 2  # `cells` counts on it


class ConvEncoder(Encoder):
    """Convolutions that halve the length each, flattened at the end: where a wave lies is kept."""

    def __init__(
        self,
        samples: int,
        _latent: int,
        *,
        channels: Sequence[int] = (8, 16, 16),
        kernel: int = 5,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        _check(channels, kernel)
        widths, parts = (1, *channels), nn.Sequential()
        for first, second in pairwise(widths):
            parts.append(nn.Conv1d(first, second, kernel, STRIDE, kernel // 2))
            parts.append(activation_layer(activation))
        self.layers = parts
        self.width = channels[-1] * cells(samples, len(channels))

    def forward(self, window: Tensor, lengths: Tensor | None) -> Tensor:  # noqa: ARG002  # zeros are fine
        """Features of every place, (batch, width)."""
        out: Tensor = self.layers(window[:, None])
        return out.flatten(1)


class ConvDecoder(Decoder):
    """A dense layer to the coarsest signal, then repeated and convolved until it is long enough."""

    def __init__(
        self,
        samples: int,
        latent: int,
        channels: int,
        *,
        hidden: Sequence[int] = (16, 16, 8),
        kernel: int = 5,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        _check(hidden, kernel)
        self.coarse = hidden[0]
        self.to_coarse = nn.Linear(latent, self.coarse * cells(samples, len(hidden)))
        parts = nn.Sequential(activation_layer(activation))
        for first, second in zip(hidden, (*hidden[1:], hidden[-1]), strict=True):
            parts.append(nn.Upsample(scale_factor=STRIDE))
            parts.append(nn.Conv1d(first, second, kernel, padding=kernel // 2))
            parts.append(activation_layer(activation))
        self.layers = parts
        self.to_samples = nn.Conv1d(hidden[-1], channels, kernel, padding=kernel // 2)

    def forward(self, latent: Tensor, samples: int) -> Tensor:
        """(batch, channels, samples)."""
        coarse = self.to_coarse(latent).reshape(len(latent), self.coarse, -1)
        out: Tensor = self.to_samples(self.layers(coarse))
        return out[:, :, :samples]


def cells(samples: int, halvings: int) -> int:
    """Length of the coarsest signal: halved so often, rounded up."""
    return -(-samples // (1 << halvings))


def _check(channels: Sequence[int], kernel: int) -> None:
    check_widths(*channels)
    if not channels or kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"need channels, and a kernel with a middle; got {channels} and {kernel}")
