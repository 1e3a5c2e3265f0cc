"""What an encoder and a decoder are, so that any of one goes with any of the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


class Encoder(nn.Module):
    """Base class: (batch, samples) → (batch, width), built as `Kind.encoder(samples, latent, **settings)`.

    Windows come with zeros for what they lack; samples is a multiple of 4. `lengths`, (batch,) valid
    samples or None for all, is for an encoder to which zeros at the end are not the same as nothing.
    """

    width: int
    is_latent = False  # True: width is the latent's and no layer follows
    closed_form = False  # True: `solve` sets the weights, and no gradient does

    def forward(self, window: Tensor, lengths: Tensor | None) -> Tensor:
        """What the window is about, (batch, width)."""
        raise NotImplementedError

    def solve(self, windows: Tensor) -> None:
        """Set the weights from (n, samples) windows, where there is a closed form."""
        raise NotImplementedError


class Decoder(nn.Module):
    """Base class: latent → signal, built as `Kind.decoder(samples, latent, channels, **settings)`.

    samples: the most that it is ever asked for, a multiple of 4; channels: 1, or 2 with the log spread.
    """

    closed_form = False  # True: `solve` sets the weights where the latent vectors are settled

    def forward(self, latent: Tensor, samples: int) -> Tensor:
        """(batch, latent) → (batch, channels, samples)."""
        raise NotImplementedError

    def solve(self, latent: Tensor, windows: Tensor) -> None:
        """Set the weights from latent vectors and their (n, samples) windows, likewise."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Kind:
    """An encoder and a decoder that go by one name; either may be absent."""

    encoder: Callable[..., Encoder] | None = None
    decoder: Callable[..., Decoder] | None = None


def activation_layer(name: str) -> nn.Module:
    """A fresh activation layer; raises ValueError for an unknown name."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation is {name!r}, wanted one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]()
