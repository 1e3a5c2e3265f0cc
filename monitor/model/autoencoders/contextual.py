"""The contextual LSTM encoder-decoder: the beats before and the usual beat → the next beat and its spread.

It never sees the beat that it judges. The encoder reads how the last beats were timed and how far
they strayed from the stream's usual beat; the decoder runs along the usual beat and says what to
expect now: a correction to it, and the scale of the error that is normal for this stream here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from monitor.model.autoencoders.interface import EncoderDecoder, Inputs, Reconstruction, check_widths, patches


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextualSettings:
    """Sizes; saved in the artifact."""

    patch: int = 8
    steps: int = 13
    features: int = 12  # of one past beat: monitor.adapt.usual_beat.FEATURES
    hidden: int = 64
    latent: int = 32
    decoder: int = 48
    position: int = 8

    def __post_init__(self) -> None:
        check_widths(self.hidden, self.latent, self.decoder)


class ContextualEncoderDecoder(EncoderDecoder):
    """Expects the next beat from the ones before."""

    contextual = True

    def __init__(self, settings: ContextualSettings) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = nn.LSTM(settings.features, settings.hidden, batch_first=True)
        self.to_latent = nn.Linear(settings.hidden, settings.latent)
        self.lead_scale = nn.Parameter(torch.zeros(settings.latent))  # what the lead's log scale adds
        self.to_rhythm = nn.Linear(settings.latent, 2)
        self.position = nn.Parameter(0.1 * torch.randn(settings.steps, settings.position))
        self.to_state = nn.Linear(settings.latent, 2 * settings.decoder)
        self.decoder = nn.LSTM(settings.patch + settings.position, settings.decoder, batch_first=True)
        self.to_patch = nn.Linear(settings.decoder, 2 * settings.patch)

    def encode(self, inputs: Inputs) -> Tensor:
        """What the past says of the next beat, (batch, latent)."""
        if inputs.past is None or inputs.log_scale is None:
            raise ValueError("the contextual form needs past and log_scale")
        states, _ = self.encoder(inputs.past)
        return torch.tanh(self.to_latent(states[:, -1]) + inputs.log_scale[:, None] * self.lead_scale)

    def decode(self, latent: Tensor, inputs: Inputs) -> Reconstruction:
        """Expected beat and log spread, (batch, samples) each, and the next RR's distribution."""
        if inputs.usual is None:
            raise ValueError("the contextual form needs the usual beat")
        shape = patches(inputs.usual, self.settings.patch)
        position = self.position[: shape.shape[1]].expand(len(latent), -1, -1)
        hidden, cell = self.to_state(latent).chunk(2, dim=1)
        states, _ = self.decoder(
            torch.cat([shape, position], dim=2),
            (torch.tanh(hidden)[None].contiguous(), cell[None].contiguous()),
        )
        correction, log_spread = self.to_patch(states).chunk(2, dim=2)
        samples = inputs.usual.shape[1]
        return Reconstruction(
            mean=inputs.usual + 0.1 * correction.flatten(1)[:, :samples],
            latent=latent,
            log_spread=(log_spread.flatten(1)[:, :samples] - 2.0).clamp(-6.0, 3.0),
            rhythm=self.to_rhythm(latent),
        )
