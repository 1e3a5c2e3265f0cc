"""What a network minimises: a loss and its regularisers, each a field of the training settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monitor.model.autoencoders.interface import EncoderDecoder, Inputs
from training.fit.objectives.contractive import ContractiveSettings, contractive_penalty
from training.fit.objectives.corruption import DenoisingSettings, corrupt
from training.fit.objectives.examples import Examples, Objective
from training.fit.objectives.losses import LOSSES
from training.fit.objectives.sparse import SparseSettings, sparse_penalty
from training.fit.objectives.variational import VariationalSettings, draw, kl_to_prior


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveSettings:
    """A loss, and what is asked of the latent vectors or done to the inputs; any of them together."""

    loss: str = "log"
    sparse: SparseSettings | None = None
    contractive: ContractiveSettings | None = None
    variational: VariationalSettings | None = None
    denoising: DenoisingSettings | None = None

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise ValueError(f"loss is {self.loss!r}, wanted one of {', '.join(LOSSES)}")

    @property
    def name(self) -> str:
        """What it asks for, as the network's settings call it; "reconstruction" for a loss alone."""
        parts = ("sparse", "contractive", "variational", "denoising")
        return "+".join(part for part in parts if getattr(self, part) is not None) or "reconstruction"


KINDS = {
    "plain": ObjectiveSettings(),
    "sparse": ObjectiveSettings(sparse=SparseSettings()),
    "contractive": ObjectiveSettings(contractive=ContractiveSettings()),
    "variational": ObjectiveSettings(loss="gaussian", variational=VariationalSettings()),
    "denoising": ObjectiveSettings(denoising=DenoisingSettings()),
}


def objective_settings(
    kind: str, loss: str = "", given: Mapping[str, Any] | None = None
) -> ObjectiveSettings:
    """A kind's settings, with another loss than its own if one is given; raises ValueError.

    given: of the kind's own settings those that are not to be the defaults.
    """
    if kind not in KINDS:
        raise ValueError(f"objective is {kind!r}, wanted one of {', '.join(KINDS)}")
    settings = replace(KINDS[kind], loss=loss) if loss else KINDS[kind]
    if not given:
        return settings
    own = getattr(settings, kind, None)
    if own is None:
        raise ValueError(f"objective {kind} has no settings; got {', '.join(given)}")
    return replace(settings, **{kind: changed(own, given, f"objective {kind}")})


def regularised(
    base: Objective, settings: ObjectiveSettings, noise: NDArray[np.float32] | None = None
) -> Objective:
    """The base objective's examples, judged by these settings; the defaults leave the base as it is.

    noise: (n,) of records, for denoising with them; the only part that is not a setting.
    """
    if settings == ObjectiveSettings():
        return base
    spoiling = None if noise is None else torch.from_numpy(noise)

    def loss(net: EncoderDecoder, batch: Examples, generator: torch.Generator | None) -> Tensor:
        return objective_loss(net, batch.inputs, settings, generator, spoiling)

    return Objective(base.examples, loss)


def objective_loss(
    net: EncoderDecoder,
    clean: Inputs,
    settings: ObjectiveSettings,
    generator: torch.Generator | None,
    noise: Tensor | None = None,
) -> Tensor:
    """Mean loss of a batch with its penalties; without a generator nothing is drawn or spoilt."""
    inputs = clean
    if settings.denoising is not None and generator is not None:
        window = corrupt(clean.window, settings.denoising, generator, noise)
        inputs = replace(clean, window=window)
    if settings.variational is None:
        latent, penalty = net.encode(inputs), inputs.window.new_zeros(())
    else:
        mean, log_variance = net.encode_distribution(inputs)
        latent = draw(mean, log_variance, generator)
        # A loss is a mean over the samples, so the divergence is shared among them, too.
        per_sample = kl_to_prior(mean, log_variance).mean() / clean.window.shape[1]
        penalty = settings.variational.weight * per_sample
    if settings.sparse is not None:
        penalty = penalty + sparse_penalty(latent, settings.sparse)
    if settings.contractive is not None:
        penalty = penalty + contractive_penalty(net, inputs, settings.contractive, generator)
    # A decoder may look at its inputs' known part: it sees the clean one, which is not to be given back.
    return LOSSES[settings.loss](net.decode(latent, clean), clean.window).mean() + penalty


Settings = TypeVar("Settings")  # a dataclass


def changed(settings: Settings, given: Mapping[str, Any], what: str, fixed: tuple[str, ...] = ()) -> Settings:
    """The settings with the values given; raises ValueError that lists what there is, with the defaults.

    what: whose settings they are, in the message; fixed: fields that have an option of their own.
    """
    own: dict[str, Any] = asdict(settings)  # type: ignore[call-overload]
    there = ", ".join(f"{name}={value}" for name, value in own.items() if name not in fixed)
    for name in given:
        if name not in own or name in fixed:
            raise ValueError(f"{what} has no setting {name!r}; there are {there}")
    try:
        return msgspec.convert({**own, **given}, type(settings))
    except msgspec.ValidationError as exc:
        raise ValueError(f"{what}: {exc}; its settings, with their defaults, are {there}") from exc
