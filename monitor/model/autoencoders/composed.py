"""Any encoder with any decoder: window → encoder → latent vector → decoder → window, or what follows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from monitor.model.autoencoders.interface import EncoderDecoder, Inputs, Reconstruction, check_widths
from monitor.model.autoencoders.kinds import kind
from monitor.model.autoencoders.parts import Decoder, Encoder, activation_layer
from monitor.model.autoencoders.scores import make_score

# Objectives that keep a wide latent vector from being a mere copy of the window.
REGULARISING = ("sparse", "denoising", "contractive", "variational")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedSettings:
    """Which parts, and their sizes; saved in the artifact."""

    encoder: str
    decoder: str
    samples: int  # of the longest window
    latent: int = 12
    ahead: int = 0  # samples at a window's end that are predicted from those before; 0 = reconstruct all
    spread: bool = False  # the decoder tells the log of its expected error, too
    variational: bool = False  # the encoder gives a distribution: mean and log variance
    activation: str = "identity"  # of the latent vector
    output: str = "identity"  # activation of the reconstruction: sigmoid for signals scaled to 0-1
    objective: str = "reconstruction"  # what it is trained to
    score: str = "error"  # or probability, or neighbours: monitor.model.autoencoders.scores
    encoder_settings: dict[str, Any] = field(default_factory=dict)
    decoder_settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_widths(self.latent)
        if not 0 <= self.ahead < self.samples:
            raise ValueError(f"need 0 <= ahead < samples; got {self.ahead} and {self.samples}")
        regularised = self.variational or any(part in REGULARISING for part in self.objective.split("+"))
        if self.latent >= self.samples and not self.ahead and not regularised:
            raise ValueError(
                f"latent is {self.latent} for windows of {self.samples} samples: so wide it can copy every"
                f" window, strange ones too, and learns nothing of normal ones; wanted a smaller one, or the"
                f" objective {', '.join(REGULARISING)} to hold it back (got {self.objective})"
            )


class ComposedEncoderDecoder(EncoderDecoder):
    """An encoder, a linear layer to the latent vector, a decoder.

    A window of fewer samples than the longest, or fewer valid ones, is read as if zeros followed, and
    its reconstruction is cut: windows of any length share a batch, and none knows of the others.
    """

    def __init__(self, settings: ComposedSettings) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = _encoder(settings)
        check_widths(self.encoder.width)
        heads = 2 if settings.variational else 1
        self.to_latent: nn.Module = nn.Identity()
        if not self.encoder.is_latent:
            self.to_latent = nn.Linear(self.encoder.width, heads * settings.latent)
        elif settings.variational:
            raise ValueError(f"encoder {settings.encoder!r} gives no distribution, wanted variational off")
        self.activation = activation_layer(settings.activation)
        self.output = activation_layer(settings.output)
        self.decoder = _decoder(settings)
        told = settings.variational and settings.spread
        self.score = make_score(settings.score, settings.latent, tells_distribution=told)

    def encode(self, inputs: Inputs) -> Tensor:
        """Latent vectors, or their means, (batch, latent)."""
        if self.settings.variational:
            return self.encode_distribution(inputs)[0]
        return self.activation(self.to_latent(self._read(inputs)))  # type: ignore[no-any-return]

    def encode_distribution(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latent vector, (batch, latent) each; variational only."""
        if not self.settings.variational:
            raise ValueError("only a variational encoder gives a distribution")
        mean, log_variance = self.to_latent(self._read(inputs)).chunk(2, dim=1)
        return self.activation(mean), log_variance

    def decode(self, latent: Tensor, inputs: Inputs) -> Reconstruction:
        """The window again; where it is predicted, its first part as it is and the prediction after it."""
        samples = inputs.window.shape[1]
        if not self.settings.ahead:
            out = self.decoder(latent, _rounded(self.settings.samples))[:, :, :samples]
            return Reconstruction(self.output(out[:, 0]), latent, out[:, 1] if self.settings.spread else None)
        mean, log_spread = self.predict(latent)
        at = self._given(inputs)[:, None] + torch.arange(self.settings.ahead, device=latent.device)
        # Known samples have no error, and a spread of 1 that adds the same to every window's score.
        return Reconstruction(
            inputs.window.scatter(1, at, mean),
            latent,
            None if log_spread is None else torch.zeros_like(inputs.window).scatter(1, at, log_spread),
        )

    def predict(self, latent: Tensor) -> tuple[Tensor, Tensor | None]:
        """What follows the window's first part, and its log spread, (batch, ahead) each."""
        out = self.decoder(latent, _rounded(self.settings.ahead))[:, :, : self.settings.ahead]
        return self.output(out[:, 0]), out[:, 1] if self.settings.spread else None

    @torch.no_grad()
    def solve(self, inputs: Inputs) -> bool:
        """Set what has a closed form, on whole windows; True if that leaves nothing to train."""
        if not self.encoder.closed_form:
            return False
        window, ahead = inputs.window, self.settings.ahead
        self.encoder.solve(self._masked(inputs)[0])
        if not self.decoder.closed_form or self.settings.output != "identity":
            return False
        wanted = window[:, window.shape[1] - ahead :] if ahead else window
        self.decoder.solve(self.encode(inputs), wanted)
        return True

    def _read(self, inputs: Inputs) -> Tensor:
        return self.encoder(*self._masked(inputs))  # type: ignore[no-any-return]

    def _masked(self, inputs: Inputs) -> tuple[Tensor, Tensor | None]:
        """What the encoder reads: zeros for what the window lacks, and its lengths."""
        window, samples = inputs.window, inputs.window.shape[1]
        if not self.settings.ahead < samples <= self.settings.samples:
            wanted = f"{self.settings.ahead + 1} to {self.settings.samples}"
            raise ValueError(f"window has {samples} samples, wanted {wanted}")
        lengths = inputs.lengths
        if self.settings.ahead or lengths is not None:
            lengths = self._given(inputs)
            window = window * (torch.arange(samples, device=window.device) < lengths[:, None])
        elif samples < self.settings.samples:
            lengths = torch.full((len(window),), samples, device=window.device)
        wanted_samples = _rounded(self.settings.samples - self.settings.ahead)
        window = nn.functional.pad(window[:, :wanted_samples], (0, max(0, wanted_samples - samples)))
        return window, lengths

    def _given(self, inputs: Inputs) -> Tensor:
        """Samples that the encoder may read, (batch,)."""
        window = inputs.window
        lengths = inputs.lengths
        if lengths is None:
            lengths = torch.full((len(window),), window.shape[1], device=window.device)
        return (lengths - self.settings.ahead).clamp(min=1)


def _encoder(settings: ComposedSettings) -> Encoder:
    make = kind(settings.encoder).encoder
    if make is None:
        raise ValueError(f"{settings.encoder!r} has no encoder")
    return make(_rounded(settings.samples - settings.ahead), settings.latent, **settings.encoder_settings)


def _decoder(settings: ComposedSettings) -> Decoder:
    make = kind(settings.decoder).decoder
    if make is None:
        raise ValueError(f"{settings.decoder!r} has no decoder")
    samples = _rounded(settings.ahead or settings.samples)
    return make(samples, settings.latent, 1 + settings.spread, **settings.decoder_settings)


def _rounded(samples: int) -> int:
    """The next multiple of 4: see `check_widths`."""
    return -(-samples // 4) * 4
