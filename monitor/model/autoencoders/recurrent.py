"""LSTM encoder and decoder, of any depth and of one or both directions (Malhotra et al. 2016).

Both run over patches of a few samples. Layers stacked on each other read the states below (Graves,
Mohamed & Hinton 2013); in both directions each step knows what comes after it, too (Schuster & Paliwal 1997).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from monitor.model.autoencoders.interface import check_widths, patches
from monitor.model.autoencoders.parts import Decoder, Encoder


class LstmEncoder(Encoder):
    """The last states of the topmost layer, of each direction.

    Directions are modules of their own, and the backward one reads each row from its own last step:
    packed sequences would do the same in matrix products whose shape, and rounding, the batch decides.
    """

    def __init__(
        self,
        _samples: int,
        _latent: int,
        *,
        patch: int = 8,
        hidden: int = 64,
        depth: int = 1,
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        _check(patch, hidden, depth)
        self.patch = patch
        directions = 1 + bidirectional
        self.width = directions * hidden
        widths = [patch, *[self.width] * (depth - 1)]
        self.forwards = nn.ModuleList(nn.LSTM(width, hidden, batch_first=True) for width in widths)
        self.backwards = nn.ModuleList(
            nn.LSTM(width, hidden, batch_first=True) for width in widths * bidirectional
        )

    def forward(self, window: Tensor, lengths: Tensor | None) -> Tensor:
        """(batch, width)."""
        signal = patches(window, self.patch)
        if lengths is None:
            lengths = torch.full((len(window),), window.shape[1], device=window.device)
        # What follows a window's last patch reaches no state that is read.
        last = torch.div(lengths - 1, self.patch, rounding_mode="floor")
        rows = torch.arange(len(window), device=window.device)
        ends: list[Tensor] = []
        for layer, ahead in enumerate(self.forwards):
            states = ahead(signal)[0]
            ends = [states[rows, last]]
            if self.backwards:
                back = self.backwards[layer](_reversed(signal, last))[0]
                ends.append(back[rows, last])
                states = torch.cat([states, _reversed(back, last)], dim=2)
            signal = states
        return torch.cat(ends, dim=1)


class LstmDecoder(Decoder):
    """Starts from the latent vector and reads a learned position at every step, never its own output.

    Without the position it stays at the mean beat for many epochs.
    """

    def __init__(
        self,
        samples: int,
        latent: int,
        channels: int,
        *,
        patch: int = 8,
        hidden: int = 64,
        depth: int = 1,
        bidirectional: bool = False,
        position: int = 16,
    ) -> None:
        super().__init__()
        _check(patch, hidden, depth)
        self.channels, self.layers = channels, depth * (1 + bidirectional)
        self.position = nn.Parameter(0.1 * torch.randn(-(-samples // patch), position))
        self.to_state = nn.Linear(latent, 2 * self.layers * hidden)
        self.decoder = nn.LSTM(position, hidden, depth, batch_first=True, bidirectional=bidirectional)
        self.to_patch = nn.Linear((1 + bidirectional) * hidden, channels * patch)

    def forward(self, latent: Tensor, samples: int) -> Tensor:
        """(batch, channels, samples)."""
        batch = len(latent)
        state = self.to_state(latent).reshape(batch, 2, self.layers, -1).transpose(0, 2)
        hidden, cell = torch.tanh(state[:, 0]), state[:, 1]
        states, _ = self.decoder(
            self.position.expand(batch, -1, -1), (hidden.contiguous(), cell.contiguous())
        )
        steps = self.to_patch(states).reshape(batch, len(self.position), self.channels, -1)
        return steps.transpose(1, 2).flatten(2)[:, :, :samples]  # type: ignore[no-any-return]


def _reversed(signal: Tensor, last: Tensor) -> Tensor:
    """Each row's steps up to its last one, in reverse order; those after it stay where they are."""
    step = torch.arange(signal.shape[1], device=signal.device)[None]
    source = torch.where(step <= last[:, None], last[:, None] - step, step)
    return signal.gather(1, source[:, :, None].expand(-1, -1, signal.shape[2]))


def _check(patch: int, hidden: int, depth: int) -> None:
    check_widths(hidden)
    if patch < 1 or depth < 1:
        raise ValueError(f"need patch and depth >= 1; got {patch} and {depth}")
