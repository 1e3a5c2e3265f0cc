"""Models that have not seen the patient whom they judge."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest
import torch
from safetensors.torch import load_file

from monitor.ecg.windows import WindowSpec
from monitor.errors import ArtifactError
from monitor.model.artifact import Manifest, TermCalibration, read_artifact, read_manifest, save_artifact
from monitor.model.model import load_model
from tests.support.databases import write_record
from tests.support.models import small_model
from tests.support.normals import SPEC, quiet, small_recipes
from training.data.records import normal_records
from training.errors import DataError
from training.fit import build, crossfit
from training.fit.build import SETTINGS, all_normals, calibrate_model, data_facts, fit_model
from training.fit.calibration import ByFold, calibrate
from training.fit.crossfit import CrossFit, recipes_of
from training.fit.recipe import CHECKPOINTS
from training.measure.protocol import Request

NAMES = ["118", "201", "207", "209"]  # folds of two: 118 and 207, 201 and 209


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four patients, long enough to calibrate on two of them."""
    folder = tmp_path_factory.mktemp("data")
    for seed, name in enumerate(NAMES):
        write_record(folder / "mitdb", name, 400, ventricular=range(20, 150, 13), seed=seed)
    return folder


@pytest.fixture(scope="module")
def fitted(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two folds with what `ecg-train fit` left beside it."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("fitted")
    records = normal_records(data, NAMES)
    patients = all_normals(records, SPEC)
    manifest = Manifest(name="made-up", data=data_facts(records, "made up"))
    fit_model(folder, manifest, small_recipes("plain", epochs=1), patients, 2, quiet)
    calibrate_model(folder, patients)
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the folds' models are kept."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def cross(fitted: Path, data: Path, cache: Path) -> CrossFit:
    """The fitted model's folds."""
    return CrossFit.from_folder(fitted, data, cache=cache)


def _changed(fitted: Path, folder: Path, *, keep_folds: bool = False, **changes: object) -> Path:
    """The model with another manifest, without its folds unless asked for."""
    manifest, networks = read_artifact(fitted)
    if keep_folds:
        shutil.copytree(fitted / CHECKPOINTS, folder / CHECKPOINTS)
    save_artifact(folder, msgspec.structs.replace(manifest, **changes), networks)
    return folder


def test_patients_get_their_folds_networks(cross: CrossFit, fitted: Path) -> None:
    """Every training patient's networks are those that were trained without him."""
    for k, names in enumerate((("118", "207"), ("201", "209"))):
        wanted = load_file(fitted / CHECKPOINTS / f"population-fold-{k}.safetensors")
        for name in names:
            state = cross.model_for(name).networks["population"].state_dict()
            assert all(torch.equal(state[key], wanted[f"best.{key}"]) for key in state)


def test_calibrations_have_not_seen_the_patient(
    fitted: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fold's calibration is made on the other folds' patients, by networks trained without them."""
    asked: list[tuple[str, list[str], torch.Tensor]] = []

    def recorded(name: str, by_fold: ByFold, spec: WindowSpec) -> TermCalibration:
        for net, patients in by_fold:
            first = next(iter(net.state_dict().values()))
            asked.append((name, [patient.name for patient in patients], first))
        return calibrate(name, by_fold, spec)

    monkeypatch.setattr(build, "calibrate", recorded)
    CrossFit.from_folder(fitted, data, cache=tmp_path)
    of_population = [(names, first) for name, names, first in asked if name == "population"]
    assert [names for names, _ in of_population] == [["201", "209"], ["118", "207"]]
    for k, (_, first) in zip((1, 0), of_population, strict=True):
        saved = load_file(fitted / CHECKPOINTS / f"population-fold-{k}.safetensors")
        assert torch.equal(
            first, saved["best." + next(iter(load_model(fitted).networks["population"].state_dict()))]
        )


def test_other_patients_get_the_model(cross: CrossFit) -> None:
    """Records of nobody trained on; other records of a training patient are his fold's."""
    assert cross.model_for("100") is cross.model
    assert cross.model_for("118e_6") is cross.model_for("118") is cross.model_for("207")
    assert cross.model_for("202") is cross.model_for("201")  # the same man
    assert cross.model_for("209") is not cross.model_for("207")


def test_a_folds_model_names_whom_it_knows(cross: CrossFit) -> None:
    """What asks a manifest whom a model was trained on gets the other folds' patients."""
    assert cross.model_for("118").manifest.data["records"] == ["201", "209"]
    versions = {model.version for model in (cross.model, *cross.by_patient.values())}
    assert len(versions) == 3


def test_records_are_grouped_by_model(cross: CrossFit) -> None:
    """In the order given, each group with the model that may judge it."""
    groups = cross.groups(["207", "100", "209", "118"])
    assert [names for _, names in groups] == [["207", "118"], ["100"], ["209"]]
    assert all(model is cross.model_for(name) for model, names in groups for name in names)


def test_a_later_call_reads_what_the_first_wrote(
    cross: CrossFit, fitted: Path, cache: Path, tmp_path: Path
) -> None:
    """Neither records nor checkpoints are needed again; the budget is the caller's."""
    again = CrossFit.from_folder(fitted, tmp_path, cache=cache, budget_per_hour=50.0)
    assert again.model_for("118").version == cross.model_for("118").version
    assert again.model_for("118").budget_per_hour == again.model.budget_per_hour == 50.0


def test_folds_are_fitted_where_there_are_none(
    cross: CrossFit, fitted: Path, data: Path, tmp_path: Path
) -> None:
    """A model without checkpoints gets the very folds that its own fit had made."""
    bare = _changed(fitted, tmp_path / "bare")
    before = {path.name for path in bare.iterdir()}
    again = CrossFit.from_folder(bare, data, cache=tmp_path / "cache")
    assert {name: model.version for name, model in again.by_patient.items()} == {
        name: model.version for name, model in cross.by_patient.items()
    }
    assert {path.name for path in bare.iterdir()} == before  # a bundled model's folder may be read-only


def test_nothing_is_fitted_for_new_patients(data: Path, fitted: Path) -> None:
    """Records that the model was not trained on need no folds."""
    model = load_model(fitted)
    cross = Request(data=data, model=model).cross_fitted(["100", "103"])
    assert cross.groups(["100", "103"]) == [(model, ["100", "103"])]


def test_a_request_is_cross_fitted(
    cross: CrossFit, data: Path, fitted: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training record needs the model's folder, and is judged at the request's budget."""
    monkeypatch.setattr(crossfit, "CACHE", cache)
    model = load_model(fitted, budget_per_hour=20.0)
    request = Request(data=data, model=model, model_folder=fitted)
    found = request.cross_fitted(["100", "118"]).model_for("118")
    assert (found.version, found.budget_per_hour) == (cross.model_for("118").version, 20.0)
    with pytest.raises(ValueError, match="needs the model's folder"):
        Request(data=data, model=model).cross_fitted(["118"])


def test_other_recordings_are_refused(fitted: Path, data: Path, tmp_path: Path) -> None:
    """Folds are dealt and calibrated on the very data that the model was trained on."""
    facts = read_manifest(fitted).data
    changed = _changed(fitted, tmp_path, data={**facts, "sha256": "0" * 64})
    with pytest.raises(DataError, match=r"sha256 is .*, wanted 000000000000…, the model's"):
        CrossFit.from_folder(changed, data, cache=tmp_path / "cache")


def test_checkpoints_of_another_run_are_refused(fitted: Path, data: Path, tmp_path: Path) -> None:
    """A folder's folds may be those of an earlier model."""
    code = read_manifest(fitted).code
    changed = _changed(fitted, tmp_path, keep_folds=True, code={**code, "folds": 3})
    with pytest.raises(ArtifactError, match=f"{SETTINGS}: of a run with other data or folds"):
        CrossFit.from_folder(changed, data, cache=tmp_path / "cache")


def test_a_manifest_without_folds_is_refused(data: Path, tmp_path: Path) -> None:
    """Nobody knows whom such a model has seen."""
    small_model(tmp_path)
    with pytest.raises(ArtifactError, match="names no training records or folds"):
        CrossFit.from_folder(tmp_path, data)


def test_two_records_of_one_patient_are_refused(fitted: Path, data: Path, tmp_path: Path) -> None:
    """One might lie in the fold that judges the other."""
    changed = _changed(fitted, tmp_path, data={"records": ["118", "201", "202"]})
    with pytest.raises(ArtifactError, match="two records of one patient"):
        CrossFit.from_folder(changed, data)


def test_recipes_come_from_the_manifest(fitted: Path) -> None:
    """The very recipe that the model was fitted by, or an error that says what is wrong with it."""
    manifest = read_manifest(fitted)
    assert recipes_of(fitted, manifest) == small_recipes("plain", epochs=1)
    one = {"fixed": manifest.code["fit"]["fixed"]}
    with pytest.raises(ArtifactError, match=r"tells how \['fixed'\] were trained, wanted"):
        recipes_of(fitted, msgspec.structs.replace(manifest, code={"fit": one}))
    strange = {name: {"momentum": 1} for name in manifest.networks}
    with pytest.raises(ArtifactError, match=r"settings of training are not ours: .*momentum"):
        recipes_of(fitted, msgspec.structs.replace(manifest, code={"fit": strange}))
