"""Cross-fitting: every patient is judged by a model whose networks and calibration have not seen him."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from monitor.errors import ArtifactError
from monitor.model.artifact import MANIFEST, Manifest, save_artifact
from monitor.model.model import Model, load_model
from training.data.noise_records import training_noise
from training.data.normals import PatientNormals, folds
from training.data.records import normal_records, patient_of
from training.errors import DataError
from training.fit.build import (
    SETTINGS,
    all_normals,
    data_facts,
    fit_model,
    fitted_patients,
    fold_calibration,
    fold_network,
)
from training.fit.loop import settings_from
from training.fit.recipe import CHECKPOINTS, Recipe, needs_noise
from training.progress import Bar, no_bar

CACHE = Path("build") / "cross-fit"  # a folder a model version: its folds, fitted and calibrated
FIRST_RUN = "at first +10 minutes to fit the folds again, kept in build/cross-fit"  # for summaries


@dataclass(frozen=True, slots=True, eq=False)
class CrossFit:
    """A model, and for its training patients models that have not seen them.

    A training patient of fold k gets the networks trained without fold k, and a calibration by the
    other folds' patients, each scored by the network trained without his own fold. All that a fold's
    network owes to the fold is the epoch at which its training stopped, by the loss on normal beats.
    """

    model: Model
    by_patient: Mapping[str, Model] = field(default_factory=dict)  # keys as of `patient_of`

    @classmethod
    def from_folder(
        cls,
        folder: Path,
        data: Path,
        *,
        bar: Bar = no_bar,
        cache: Path | None = None,
        budget_per_hour: float | None = None,
    ) -> CrossFit:
        """Cross-fit the model in a folder; what takes long is kept under `cache` (build/cross-fit by
        default), and found there again.

        The folds' networks lie where `ecg-train fit` left them; for a model without them, such as the
        bundled one, they are fitted anew by the manifest's own recipe, which a later call continues if
        it is killed. data: holds the training records. Raises ArtifactError if the manifest lacks what
        is needed or belongs to other checkpoints, DataError for other records than it was trained on.
        """
        model = load_model(folder, budget_per_hour)
        names, count = _dealt(folder, model.manifest)
        home = (cache or CACHE) / model.version
        places = [home / f"fold-{k}" for k in range(count)]
        if not all((place / MANIFEST).is_file() for place in places):
            _make(folder, data, model.manifest, home, places, bar)
        models = [load_model(place, budget_per_hour) for place in places]
        held = folds(names, count)
        return cls(model, {patient_of(name): models[k] for k in range(count) for name in held[k]})

    def model_for(self, name: str) -> Model:
        """The model that may judge a record."""
        return self.by_patient.get(patient_of(name), self.model)

    def groups(self, names: Sequence[str]) -> list[tuple[Model, list[str]]]:
        """The records by the model that may judge them: each model judges its own side by side."""
        by_version: dict[str, tuple[Model, list[str]]] = {}
        for name in names:
            model = self.model_for(name)
            by_version.setdefault(model.version, (model, []))[1].append(name)
        return list(by_version.values())


def recipes_of(folder: Path, manifest: Manifest) -> dict[str, Recipe]:
    """How a model's networks were trained, by its own manifest; raises ArtifactError."""
    settings = manifest.code.get("fit", {})
    if set(settings) != set(manifest.networks):
        got, wanted = sorted(settings), sorted(manifest.networks)
        raise ArtifactError(f"{folder}: the manifest tells how {got} were trained, wanted {wanted}")
    try:
        return {
            name: Recipe(network=spec, settings=settings_from(settings[name]))
            for name, spec in manifest.networks.items()
        }
    except (TypeError, ValueError) as exc:
        raise ArtifactError(f"{folder}: the manifest's settings of training are not ours: {exc}") from exc


def _dealt(folder: Path, manifest: Manifest) -> tuple[list[str], int]:
    """The training records and the number of folds that they were dealt into; raises ArtifactError."""
    names, count = manifest.data.get("records"), manifest.code.get("folds")
    if not isinstance(names, list) or not isinstance(count, int):
        raise ArtifactError(f"{folder}: the manifest names no training records or folds to cross-fit by")
    if len({patient_of(name) for name in names}) < len(names):
        raise ArtifactError(f"{folder}: trained on two records of one patient, who may be in two folds")
    return names, count


def _make(folder: Path, data: Path, manifest: Manifest, home: Path, places: Sequence[Path], bar: Bar) -> None:
    """Write every fold's model: networks, calibration and manifest."""
    patients = _patients(data, manifest, bar)
    if (folder / CHECKPOINTS / SETTINGS).is_file():
        _same_run(folder, manifest)
        fitted = folder
    else:
        fitted = home / "fit"
        _fit(folder, fitted, manifest, patients, data, bar)
    held = folds([patient.name for patient in patients], len(places))
    with bar("calibrating the folds", len(places)) as advance:
        for k, place in enumerate(places):
            _save_fold(fitted, manifest, patients, k, held[k], place)
            advance(1)


def _patients(data: Path, manifest: Manifest, bar: Bar) -> list[PatientNormals]:
    """The normals of the patients that the model was trained on; raises DataError for others."""
    records = normal_records(data, manifest.data["records"])
    got, wanted = data_facts(records, "")["sha256"], manifest.data.get("sha256")
    if got != wanted:
        raise DataError(
            f"{data}: training records' sha256 is {got:.12}…, wanted {wanted!s:.12}…, the model's"
        )
    return all_normals(records, manifest.windows, bar)


def _same_run(folder: Path, manifest: Manifest) -> None:
    """Refuse checkpoints that are not this model's; raises ArtifactError."""
    path = folder / CHECKPOINTS / SETTINGS
    facts = json.loads(path.read_text(encoding="utf-8"))
    same_data = facts["data"] == manifest.data and facts["folds"] == manifest.code["folds"]
    if not same_data or fitted_patients(folder) != sorted(manifest.data["records"]):
        raise ArtifactError(f"{path}: of a run with other data or folds than the model's")


def _fit(
    source: Path, fitted: Path, manifest: Manifest, patients: list[PatientNormals], data: Path, bar: Bar
) -> None:
    recipes, count = recipes_of(source, manifest), manifest.code["folds"]
    total = sum(recipe.settings.epochs * (count + 1) for recipe in recipes.values())
    with bar("fitting the folds", total) as advance:
        noise = training_noise(data) if needs_noise(recipes.values()) else None
        fit_model(fitted, manifest, recipes, patients, count, lambda *_: advance(1), noise)


def _save_fold(
    fitted: Path, manifest: Manifest, patients: list[PatientNormals], fold: int, held: list[str], place: Path
) -> None:
    """One fold's model, in one step: a kill leaves all of it or nothing."""
    networks = {name: fold_network(fitted, name, spec, fold) for name, spec in manifest.networks.items()}
    seen = [patient.name for patient in patients if patient.name not in held]
    own = msgspec.structs.replace(
        manifest,
        calibration=fold_calibration(fitted, manifest, patients, without=fold),
        data={"database": manifest.data.get("database"), "records": seen},
        measures={},
    )
    partial = place.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(place, ignore_errors=True)
    save_artifact(partial, own, networks)
    partial.replace(place)
