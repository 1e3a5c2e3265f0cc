"""Which networks a model has, how each is trained, and the training of all of them with cross-fitting."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median_high
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from monitor.ecg.filters import INTERNAL_RATE_HZ
from monitor.ecg.windows import WindowSpec
from monitor.model.artifact import NetworkSpec
from monitor.model.autoencoders.contextual import ContextualSettings
from monitor.model.autoencoders.interface import EncoderDecoder
from monitor.model.autoencoders.lstm import LstmSettings
from monitor.model.autoencoders.registry import build
from training.data.normals import PatientNormals, folds
from training.fit.architecture import Architecture
from training.fit.loop import EpochRecord, FitResult, FitSettings, fit
from training.fit.objectives.examples import OBJECTIVES
from training.fit.objectives.settings import ObjectiveSettings, regularised
from training.fit.pretraining import PretrainingSettings, mirrored

CHECKPOINTS = "training"  # sub-folder of the model's; not needed to run it


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One network of a model: its form and sizes, and how it is trained."""

    network: NetworkSpec
    settings: FitSettings


def needs_noise(recipes: Iterable[Recipe]) -> bool:
    """Whether any of them trains on the noise of records."""
    asked = [recipe.settings.objective.denoising for recipe in recipes]
    return any(each is not None and each.noise == "records" for each in asked)


def recipes(
    form: str,
    spec: WindowSpec,
    seed: int = 0,
    epochs: int | None = None,
    architecture: Architecture | None = None,
    objective: ObjectiveSettings | None = None,
    pretraining: PretrainingSettings | None = None,
) -> dict[str, Recipe]:
    """The networks of a model of this form; raises ValueError for one that can't be.

    architecture: of the networks that see the window, population and fixed; None = the plain LSTM form.
    objective, pretraining: of the same; None = the log error alone, and random weights to begin with.
    """
    if form not in ("contextual", "plain"):
        raise ValueError(f"form is {form!r}, wanted 'contextual' or 'plain'")

    def recipe(network: NetworkSpec, count: int, **more: Any) -> Recipe:
        return Recipe(network=network, settings=FitSettings(epochs=epochs or count, seed=seed, **more))

    def seeing(samples: int, latent: int) -> NetworkSpec:
        if architecture is None:
            return NetworkSpec("lstm", asdict(LstmSettings(patch=8, steps=samples // 8, latent=latent)))
        network = architecture.network(samples, INTERNAL_RATE_HZ / spec.step, latent, aim)
        if pretraining is not None:
            mirrored(build(network.form, network.settings), pretraining.kind)
        return network

    aim = objective or ObjectiveSettings()
    own: dict[str, Any] = {"objective": aim, "pretraining": pretraining}

    parts = {
        "population": recipe(seeing(spec.samples, 12), 8, **own),
        # Beats lie anywhere in it: it needs more passes, each over a part of the many windows.
        "fixed": recipe(seeing(spec.fixed_samples // 2, 32), 14, examples_per_epoch=30_000, **own),
    }
    if form == "contextual":
        usual = NetworkSpec("contextual", asdict(ContextualSettings(steps=spec.samples // 8)))
        parts["usual"] = recipe(usual, 10)
    return parts


@dataclass(frozen=True, slots=True)
class Trained:
    """A network trained on all patients, and one a fold that has not seen the fold's patients."""

    final: EncoderDecoder
    by_fold: list[EncoderDecoder]
    history: dict[str, list[EpochRecord]]  # by "fold 0", ..., "all"


def fit_all(
    name: str,
    recipe: Recipe,
    patients: list[PatientNormals],
    fold_count: int,
    folder: Path,
    on_epoch: Callable[[str, EpochRecord], object],
    noise: NDArray[np.float32] | None = None,
) -> Trained:
    """Cross-fit a network by patient, then train it on all for the folds' median best epoch."""
    objective = regularised(OBJECTIVES[name], recipe.settings.objective, noise)
    # In one order, whatever order they came in: a continued run must shuffle the same list.
    examples = {patient.name: patient for patient in sorted(patients, key=lambda patient: patient.name)}
    held = folds(list(examples), fold_count)
    nets, history, best = [], {}, []

    def run(label: str, train: list[str], out: list[str], stop_after: int | None = None) -> FitResult:
        # The same start for every fold and for every run.
        torch.manual_seed(recipe.settings.seed)
        net = build(recipe.network.form, recipe.network.settings)
        nets.append(net)
        result = fit(
            net,
            objective,
            objective.examples([examples[patient] for patient in train]),
            objective.examples([examples[patient] for patient in out]) if out else None,
            recipe.settings,
            folder / CHECKPOINTS / f"{name}-{label.replace(' ', '-')}.safetensors",
            lambda record: on_epoch(f"{name}, {label}", record),
            stop_after,
        )
        history[label] = result.history
        return result

    for k, out in enumerate(held):
        train = [patient for patient in examples if patient not in out]
        best.append(run(f"fold {k}", train, out).best_epoch)
    run("all", list(examples), [], median_high(best))
    return Trained(nets[-1], nets[:-1], history)
