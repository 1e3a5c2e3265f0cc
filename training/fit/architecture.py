"""Which kind of autoencoder the networks that see a window are made of, as settings choose it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from monitor.model.artifact import NetworkSpec
from monitor.model.autoencoders.composed import ComposedSettings
from monitor.model.autoencoders.registry import build
from training.fit.objectives.settings import ObjectiveSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """The same parts for beats and for fixed windows; what is None is the default of each."""

    encoder: str = "lstm"
    decoder: str | None = None  # None: as the encoder
    latent: int | None = None  # numbers of the latent vector; None: 12 for a beat, 32 for half a fixed window
    score: str = "error"  # or probability, or neighbours: monitor.model.autoencoders.scores
    ahead_s: float = 0.0  # predict a window's last part of this length from the rest; 0 = reconstruct all
    encoder_settings: dict[str, Any] = field(default_factory=dict)
    decoder_settings: dict[str, Any] = field(default_factory=dict)

    def network(self, samples: int, rate_hz: float, latent: int, objective: ObjectiveSettings) -> NetworkSpec:
        """What the manifest says of a network for such windows; raises ValueError if there can be none.

        latent: where the settings name none; objective: what the network is to be trained to.
        """
        settings = ComposedSettings(
            encoder=self.encoder,
            decoder=self.decoder or self.encoder,
            samples=samples,
            latent=self.latent or latent,
            ahead=round(self.ahead_s * rate_hz),
            spread=objective.loss == "gaussian",
            variational=objective.variational is not None,
            # The divergence of the sparse objective is that of activations from 0 to 1.
            activation="sigmoid" if objective.sparse and objective.sparse.penalty == "kl" else "identity",
            objective=objective.name,
            score=self.score,
            encoder_settings=self.encoder_settings,
            decoder_settings=self.decoder_settings,
        )
        spec = NetworkSpec("composed", asdict(settings))
        try:
            build(spec.form, spec.settings)
        except TypeError as exc:
            raise ValueError(f"{settings.encoder} to {settings.decoder}: {exc}") from exc
        return spec


def parse_settings(given: Sequence[str]) -> dict[str, Any]:
    """`depth=2`, `hidden=[32, 16]`, `activation=tanh`: values are JSON, or else text; raises ValueError."""
    settings = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not (name and equals and value):
            raise ValueError(f"got {each!r}, wanted NAME=VALUE")
        try:
            # NaN would pass for a weight that is not below 0.
            settings[name] = json.loads(value, parse_constant=str)
        except json.JSONDecodeError:
            settings[name] = value
    return settings
