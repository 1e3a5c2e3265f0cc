"""The plain LSTM encoder-decoder: window → latent vector → window (Malhotra et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from monitor.model.autoencoders.interface import EncoderDecoder, Inputs, Reconstruction, check_widths, patches


@dataclass(frozen=True, slots=True, kw_only=True)
class LstmSettings:
    """Sizes; saved in the artifact."""

    patch: int = 8  # samples read at a step
    steps: int = 40  # longest window, in patches
    hidden: int = 64
    latent: int = 12
    position: int = 16  # width of the decoder's learned position input

    def __post_init__(self) -> None:
        check_widths(self.hidden, self.latent)


class LstmEncoderDecoder(EncoderDecoder):
    """Reconstructs a window from its own latent vector.

    Not fed its own output: a learned position input at every step instead, without which the decoder
    stays at the mean beat for many epochs. Padding is masked, so windows of any length share a batch.
    """

    def __init__(self, settings: LstmSettings) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = nn.LSTM(settings.patch, settings.hidden, batch_first=True)
        self.to_latent = nn.Linear(settings.hidden, settings.latent)
        self.position = nn.Parameter(0.1 * torch.randn(settings.steps, settings.position))
        self.to_state = nn.Linear(settings.latent, 2 * settings.hidden)
        self.decoder = nn.LSTM(settings.position, settings.hidden, batch_first=True)
        self.to_patch = nn.Linear(settings.hidden, settings.patch)

    def encode(self, inputs: Inputs) -> Tensor:
        """Latent vectors, (batch, latent)."""
        window = inputs.window
        if inputs.lengths is None:
            states, _ = self.encoder(patches(window, self.settings.patch))
            return self.to_latent(states[:, -1])  # type: ignore[no-any-return]
        valid = torch.arange(window.shape[1], device=window.device) < inputs.lengths[:, None]
        states, _ = self.encoder(patches(window * valid, self.settings.patch))
        # What follows a window's last patch never reaches its latent vector.
        last = torch.div(inputs.lengths - 1, self.settings.patch, rounding_mode="floor")
        return self.to_latent(states[torch.arange(len(window)), last])  # type: ignore[no-any-return]

    def decode(self, latent: Tensor, inputs: Inputs) -> Reconstruction:
        """The window again, (batch, samples)."""
        samples = inputs.window.shape[1]
        steps = -(-samples // self.settings.patch)
        if steps > self.settings.steps:
            limit = self.settings.steps * self.settings.patch
            raise ValueError(f"window has {samples} samples, wanted {limit} at most")
        hidden, cell = self.to_state(latent).chunk(2, dim=1)
        position = self.position[:steps].expand(len(latent), -1, -1)
        states, _ = self.decoder(position, (torch.tanh(hidden)[None].contiguous(), cell[None].contiguous()))
        return Reconstruction(self.to_patch(states).flatten(1)[:, :samples], latent)
