"""The denoising objective's inputs: windows spoilt on purpose (Vincent et al. 2010)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

KINDS = ("additive", "masking", "records")


@dataclass(frozen=True, slots=True, kw_only=True)
class DenoisingSettings:
    """What spoils the windows, and how much."""

    noise: str = "records"  # additive: white; masking: samples set to 0; records: real ones' noise
    least_db: float = 0.0  # signal-to-noise ratio, drawn for each window between these
    most_db: float = 12.0
    masked: float = 0.3  # share of samples

    def __post_init__(self) -> None:
        if self.noise not in KINDS or self.least_db > self.most_db or not 0 < self.masked < 1:
            raise ValueError(f"need noise of {KINDS}, least_db <= most_db and 0 < masked < 1; got {self}")


def corrupt(
    window: Tensor, settings: DenoisingSettings, generator: torch.Generator, noise: Tensor | None = None
) -> Tensor:
    """Spoilt windows, (batch, samples); noise: (n,) of records, at the windows' rate, any unit.

    Raises ValueError where records' noise is asked for and missing or shorter than a window.
    """
    if settings.noise == "masking":
        kept = torch.rand(window.shape, generator=generator) >= settings.masked
        return window * kept.to(window.device)
    shape, share = window.shape, torch.rand(len(window), generator=generator)
    snr_db = settings.least_db + (settings.most_db - settings.least_db) * share
    if settings.noise == "additive":
        added = torch.randn(shape, generator=generator)
    else:
        added = _cut(noise, shape, generator)
    return add_noise(window, added.to(window.device), snr_db.to(window.device))


def add_noise(window: Tensor, noise: Tensor, snr_db: Tensor) -> Tensor:
    """Windows with noise scaled to a signal-to-noise ratio; (batch, samples), the same, (batch,) dB.

    Powers are about each row's mean. A row of noise without power, or a flat window, stays as it is.
    """
    signal, other = (part.var(dim=1, correction=0) for part in (window, noise))
    scale = torch.sqrt(signal * 10 ** (-snr_db / 10) / other.clamp(min=1e-12))
    return window + scale[:, None] * (noise - noise.mean(dim=1, keepdim=True))


def _cut(noise: Tensor | None, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Pieces of the noise from random places, (batch, samples)."""
    if noise is None or len(noise) < shape[1]:
        got = "none" if noise is None else f"{len(noise)} samples"
        raise ValueError(f"need noise of at least {shape[1]} samples; got {got}")
    first = torch.randint(0, len(noise) - shape[1] + 1, (shape[0],), generator=generator)
    return noise[first[:, None] + torch.arange(shape[1])]
