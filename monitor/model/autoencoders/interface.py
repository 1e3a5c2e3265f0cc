"""What every encoder-decoder takes and gives, so that one artifact, one scorer and one worker run any."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """A batch of windows of one lead each, in units of the window's scale.

    window: (batch, samples); lengths: (batch,) valid samples, None = all. The contextual form reads
    usual: (batch, samples), past: (batch, history, features), log_scale: (batch,) log mV.
    """

    window: Tensor
    lengths: Tensor | None = None
    usual: Tensor | None = None
    past: Tensor | None = None
    log_scale: Tensor | None = None

    def rows(self, index: slice | Tensor) -> Inputs:
        """Some of the batch."""
        parts = (self.window, self.lengths, self.usual, self.past, self.log_scale)
        return Inputs(*(None if part is None else part[index] for part in parts))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, eq=False)
class Reconstruction:
    """What the window should be, in the same units.

    mean: (batch, samples); log_spread: the same shape, log of the expected error, None = not told;
    latent: (batch, width); rhythm: (batch, 2) mean and log scale of the next log RR ratio, or None;
    score: (batch,) how unlike normal windows it is by the network's own account, None = by its error.
    """

    mean: Tensor
    latent: Tensor
    log_spread: Tensor | None = None
    rhythm: Tensor | None = None
    score: Tensor | None = None


class Score(nn.Module):
    """Base class: (batch,) of a window's surprise in any monotone unit; calibration does the rest."""

    def forward(self, net: EncoderDecoder, inputs: Inputs, out: Reconstruction) -> Tensor:
        """Scores of the windows that gave `out`."""
        raise NotImplementedError


class EncoderDecoder(nn.Module):
    """Base class: `encode` gives the latent vector alone, `forward` the reconstruction."""

    contextual = False  # True: reads usual beat and past, never the window that it reconstructs

    def __init__(self) -> None:
        super().__init__()
        self.score: Score | None = None  # how it tells what is strange, if not by its error

    def encode(self, inputs: Inputs) -> Tensor:
        """Latent vectors, (batch, width)."""
        raise NotImplementedError

    def encode_distribution(self, inputs: Inputs) -> tuple[Tensor, Tensor]:  # noqa: ARG002  # what others need
        """Mean and log variance of latent vectors, (batch, width) each; ValueError unless variational."""
        raise ValueError(f"{type(self).__name__} is not variational: its encoder gives no distribution")

    def decode(self, latent: Tensor, inputs: Inputs) -> Reconstruction:
        """Reconstruction from latent vectors (and, in the contextual form, the usual beat)."""
        raise NotImplementedError

    def solve(self, inputs: Inputs) -> bool:  # noqa: ARG002  # most networks have no closed form
        """Set weights that have a closed form; True if that leaves nothing to train."""
        return False

    def forward(self, inputs: Inputs) -> Reconstruction:
        """Reconstruct every window, and score it where the network has a score of its own."""
        out = self.decode(self.encode(inputs), inputs)
        return out if self.score is None else replace(out, score=self.score(self, inputs, out))


def patches(signal: Tensor, patch: int) -> Tensor:
    """(batch, samples) → (batch, steps, patch); samples past the last whole patch are zero-padded."""
    padded = torch.nn.functional.pad(signal, (0, -signal.shape[1] % patch))
    return padded.reshape(len(signal), -1, patch)


def check_widths(*widths: int) -> None:
    """Raise ValueError unless every layer's width is a multiple of 4.

    A linear layer with an odd input and a narrow output rounds a row's result by the row's place in
    the batch (measured with torch 2.13 on x86), and a verdict must not depend on its neighbours.
    """
    if any(width < 4 or width % 4 for width in widths):
        raise ValueError(f"need widths that are multiples of 4; got {widths}")
