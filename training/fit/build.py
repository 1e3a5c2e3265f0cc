"""Make a model folder: train its networks, calibrate them, and write weights and manifest."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open

from monitor.ecg.windows import WindowSpec
from monitor.errors import ArtifactError
from monitor.model.artifact import Manifest, NetworkSpec, TermCalibration, read_artifact, save_artifact
from monitor.model.autoencoders.interface import EncoderDecoder
from monitor.model.autoencoders.registry import build
from training.data.normals import NormalRecord, PatientNormals, folds, normals_of
from training.errors import DataError
from training.fit.calibration import ByFold, calibrate
from training.fit.loop import EpochRecord
from training.fit.recipe import CHECKPOINTS, Recipe, fit_all
from training.progress import Bar, no_bar

HISTORY, SETTINGS = "history.json", "settings.json"


def fit_model(
    folder: Path,
    manifest: Manifest,
    recipes: dict[str, Recipe],
    patients: list[PatientNormals],
    fold_count: int,
    on_epoch: Callable[[str, EpochRecord], object],
    noise: NDArray[np.float32] | None = None,
) -> Manifest:
    """Train every network of the recipes and write the (not yet calibrated) model.

    noise: (n,) of records, for denoising. Continues what an earlier, killed call with the same settings
    left in the folder.
    """
    torch.set_num_threads(1)  # two are slower for networks so small, and round sums differently
    _same_settings(folder, manifest, recipes, patients, fold_count)
    networks, histories = {}, {}
    for name, recipe in recipes.items():
        trained = fit_all(name, recipe, patients, fold_count, folder, on_epoch, noise)
        networks[name], histories[name] = trained.final, trained.history
    plain = {
        name: {label: [asdict(e) for e in h] for label, h in runs.items()} for name, runs in histories.items()
    }
    (folder / CHECKPOINTS / HISTORY).write_text(json.dumps(plain, indent=1))
    specs = {name: recipe.network for name, recipe in recipes.items()}
    settings = {name: asdict(recipe.settings) for name, recipe in recipes.items()}
    code = {**code_facts(), "fit": settings, "folds": fold_count}
    return save_artifact(
        folder, msgspec.structs.replace(manifest, networks=specs, code=code, calibration={}), networks
    )


def calibrate_model(folder: Path, patients: list[PatientNormals]) -> Manifest:
    """Calibrate a fitted model on patients held out of its folds' networks, and write it again.

    Raises ArtifactError without the folds' networks, DataError for other patients or too few beats.
    """
    manifest, networks = read_artifact(folder)
    names, fitted = sorted(patient.name for patient in patients), fitted_patients(folder)
    if names != fitted:
        # Dealt out anew, a fold's network would judge patients that it was trained on.
        raise DataError(f"{folder}: patients are {', '.join(names)}, wanted {', '.join(fitted)}")
    calibration = fold_calibration(folder, manifest, patients)
    return save_artifact(folder, msgspec.structs.replace(manifest, calibration=calibration), networks)


def fold_calibration(
    folder: Path, manifest: Manifest, patients: list[PatientNormals], without: int | None = None
) -> dict[str, TermCalibration]:
    """Every network's calibration by its folds' networks, or by all folds but one; raises as above.

    folder: holds the folds' networks; patients: all that were dealt out; without: a fold to leave out.
    """
    held = folds([patient.name for patient in patients], manifest.code["folds"])
    by_name = {patient.name: patient for patient in patients}
    calibration = {}
    for name, spec in manifest.networks.items():
        by_fold: ByFold = [
            (fold_network(folder, name, spec, k), [by_name[patient] for patient in out])
            for k, out in enumerate(held)
            if k != without
        ]
        try:
            calibration[name] = calibrate(name, by_fold, manifest.windows)
        except ValueError as exc:
            raise DataError(f"{folder}: {name}: {exc}; train on more or longer records") from exc
    return calibration


def fold_network(folder: Path, name: str, spec: NetworkSpec, fold: int) -> EncoderDecoder:
    """The network that has not seen a fold's patients; raises ArtifactError if `fit` did not leave it."""
    path = folder / CHECKPOINTS / f"{name}-fold-{fold}.safetensors"
    if not path.exists():
        raise ArtifactError(f"{path}: missing; calibration needs the folds that `ecg-train fit` left there")
    net = build(spec.form, spec.settings)
    with safe_open(path, "pt") as file:
        best = [key for key in file.keys() if key.startswith("best.")]  # noqa: SIM118  # it is no dict
        net.load_state_dict({key.removeprefix("best."): file.get_tensor(key) for key in best})
    return net.eval()


def all_normals(records: list[NormalRecord], spec: WindowSpec, bar: Bar = no_bar) -> list[PatientNormals]:
    """Every training patient's normal windows."""
    patients = []
    with bar("normal beats", len(records)) as advance:
        for record in records:
            patients.append(normals_of(record, spec))
            advance(1, record.name)
    return patients


def data_facts(records: list[NormalRecord], database: str) -> dict[str, Any]:
    """What a model was trained on: names, counts, and a checksum over the samples and normal R peaks."""
    digest = hashlib.sha256()
    for record in sorted(records, key=lambda record: record.name):
        digest.update(record.name.encode() + record.ecg_mv.tobytes() + record.normal_r.tobytes())
    return {
        "database": database,
        "records": sorted(record.name for record in records),
        "normal_beats": sum(len(record.normal_r) for record in records),
        "sha256": digest.hexdigest(),
    }


def noise_facts(noise: NDArray[np.float32] | None) -> dict[str, str]:
    """The checksum of the noise that a model was trained with, if it was with any."""
    return {} if noise is None else {"noise_sha256": hashlib.sha256(noise.tobytes()).hexdigest()}


def code_facts() -> dict[str, Any]:
    """Versions of what trained a model."""
    packages = {name: version(name) for name in ("ecg-monitor", "numpy", "numba", "scipy")}
    return {"python": platform.python_version(), "torch": str(torch.__version__), **packages}


def _same_settings(
    folder: Path,
    manifest: Manifest,
    recipes: dict[str, Recipe],
    patients: list[PatientNormals],
    fold_count: int,
) -> None:
    """Refuse to continue another run's checkpoints; raises ArtifactError."""
    facts = {
        "data": manifest.data,
        "folds": fold_count,
        "patients": sorted(patient.name for patient in patients),
        "recipes": {name: msgspec.to_builtins(recipe) for name, recipe in recipes.items()},
        "windows": msgspec.to_builtins(manifest.windows),
    }
    path = folder / CHECKPOINTS / SETTINGS
    text = json.dumps(facts, indent=1, sort_keys=True)
    if path.exists():
        if path.read_text(encoding="utf-8") == text:
            return
        raise ArtifactError(
            f"{path}: a run with other data or settings was begun there; choose another folder or remove it"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    # In one step, as the checkpoints: a kill must not leave half of it, which would look like other settings.
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def fitted_patients(folder: Path) -> list[str]:
    """Names of the patients that the folds were dealt from; raises ArtifactError if `fit` left no record."""
    path = folder / CHECKPOINTS / SETTINGS
    if not path.exists():
        raise ArtifactError(f"{path}: missing; calibration needs the folds that `ecg-train fit` left there")
    names: list[str] = json.loads(path.read_text(encoding="utf-8"))["patients"]
    return names
