"""From patients to a model folder that the monitor runs."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from monitor.detect.detector import Detector
from monitor.ecg.windows import WindowSpec
from monitor.errors import ArtifactError
from monitor.model.artifact import Manifest, read_artifact, read_manifest
from monitor.model.autoencoders.interface import EncoderDecoder
from monitor.model.model import load_model
from monitor.scan.scan import scan
from tests.support.models import recording_of
from tests.support.moved import Moved
from tests.support.normals import (
    SPEC,
    KilledError,
    made_up,
    normal_record,
    patients,
    pickles,
    quiet,
    small_recipes,
)
from training.data.normals import folds
from training.errors import DataError
from training.fit import build
from training.fit.build import all_normals, calibrate_model, data_facts, fit_model, fold_network
from training.fit.calibration import ByFold, calibrate
from training.fit.loop import EpochRecord
from training.fit.recipe import CHECKPOINTS

_SECONDS = 200.0  # of each of four patients: enough to calibrate on


def _manifest(**more: object) -> Manifest:
    return Manifest(name="made-up", **more)  # type: ignore[arg-type]


def _fit(folder: Path, form: str = "contextual", seed: int = 0) -> Manifest:
    torch.set_num_threads(1)  # a sum's rounding depends on how many share it
    return fit_model(
        folder, _manifest(), small_recipes(form, seed=seed), patients(seconds=_SECONDS), 2, quiet
    )


@pytest.fixture(scope="module", params=["contextual", "plain"])
def fitted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a fitted and calibrated model."""
    folder = tmp_path_factory.mktemp(str(request.param))
    _fit(folder, str(request.param))
    calibrate_model(folder, patients(seconds=_SECONDS))
    return folder


def test_a_trained_model_runs_in_the_detector(fitted: Path) -> None:
    """Fitted, calibrated, loaded: it tells the ventricular beats of a patient that it has not seen."""
    model = load_model(fitted)
    assert model.contextual == (fitted.name.startswith("contextual"))
    ecg = made_up(90, seed=5, ventricular=range(40, 90, 8))
    windows = scan(recording_of(ecg), Detector(model)).windows
    beats = np.array(windows.kind) != "fixed"
    wide = ecg.r_peak[ecg.ventricular]
    near = np.abs(windows.sample[:, None] - wide).min(axis=1) < 0.1 * ecg.rate_hz
    normal = windows.p_value[beats & ~near & (windows.sample > 20 * ecg.rate_hz)]
    assert np.median(windows.p_value[beats & near]) < 0.02 < np.median(normal)


def test_a_model_holds_all_that_inference_needs(fitted: Path) -> None:
    """Networks, calibrations with rates, settings and versions are in the manifest."""
    manifest, networks = read_artifact(fitted)
    assert set(manifest.calibration) == set(manifest.networks) == set(networks)
    assert set(manifest.code["fit"]) == set(networks)
    assert manifest.code["folds"] == 2
    assert manifest.code["torch"] == str(torch.__version__)
    assert manifest.windows == SPEC


def test_nothing_is_pickled(fitted: Path) -> None:
    """Neither weights nor checkpoints nor the optimizer's state."""
    kinds = {path.suffix for path in fitted.rglob("*") if path.is_file()}
    assert pickles(fitted) == []
    assert kinds == {".safetensors", ".json"}


def test_history_is_kept(fitted: Path) -> None:
    """Every epoch of every network is there for the report."""
    history = json.loads((fitted / CHECKPOINTS / build.HISTORY).read_text(encoding="utf-8"))
    assert set(history) == set(read_manifest(fitted).networks)
    assert all(set(runs) == {"fold 0", "fold 1", "all"} for runs in history.values())
    assert [EpochRecord(**epoch).epoch for epoch in history["fixed"]["fold 0"]] == [1, 2]


def test_calibration_is_cross_fitted(fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every patient is scored once, by the network of the fold that held him out."""
    asked: dict[str, ByFold] = {}

    def recorded(name: str, by_fold: ByFold, spec: WindowSpec) -> object:
        asked[name] = by_fold
        return calibrate(name, by_fold, spec)

    monkeypatch.setattr(build, "calibrate", recorded)
    before = read_manifest(fitted)
    assert calibrate_model(fitted, patients(seconds=_SECONDS)[::-1]) == before
    for name, by_fold in asked.items():
        assert [[p.name for p in some] for _, some in by_fold] == folds(list("abcd"), 2)
        for k, (net, _) in enumerate(by_fold):
            assert _equal(net, fold_network(fitted, name, before.networks[name], k))
            assert not net.training


def test_a_folds_network_is_not_the_models(fitted: Path) -> None:
    """The model's own network has seen all patients; those that calibrate have not."""
    manifest, networks = read_artifact(fitted)
    for name, spec in manifest.networks.items():
        nets = [networks[name], *(fold_network(fitted, name, spec, k) for k in range(2))]
        assert not any(_equal(nets[i], nets[j]) for i, j in ((0, 1), (0, 2), (1, 2)))


def _equal(one: EncoderDecoder, other: EncoderDecoder) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_same_seed_same_version(fitted: Path, tmp_path: Path) -> None:
    """Trained and calibrated anew, a model has the same version: the same weights and thresholds."""
    form = "contextual" if load_model(fitted).contextual else "plain"
    _fit(tmp_path, form)
    assert calibrate_model(tmp_path, patients(seconds=_SECONDS)).version == read_manifest(fitted).version


def test_a_killed_fit_continues(fitted: Path, tmp_path: Path) -> None:
    """Broken off within the second network, it ends in the version of an undisturbed run."""
    recipes = small_recipes("contextual" if load_model(fitted).contextual else "plain")
    left = [7]

    def on_epoch(label: str, record: EpochRecord) -> None:
        left[0] -= 1
        if not left[0]:
            raise KilledError

    with pytest.raises(KilledError):
        fit_model(tmp_path, _manifest(), recipes, patients(seconds=_SECONDS), 2, on_epoch)
    with pytest.raises(ArtifactError, match="can't be read"):
        load_model(tmp_path)  # no half-trained model is ever there
    fit_model(tmp_path, _manifest(), recipes, patients(seconds=_SECONDS), 2, quiet)
    assert calibrate_model(tmp_path, patients(seconds=_SECONDS)).version == read_manifest(fitted).version


@pytest.mark.parametrize("change", ["epochs", "seed", "form", "folds", "patients", "data", "windows"])
def test_another_run_in_the_same_folder_is_refused(tmp_path: Path, change: str) -> None:
    """Checkpoints are continued with the very settings and data that they were made with, or not at all."""
    normals = patients("abc")
    recipes = small_recipes("plain")

    def begin(**other: object) -> None:
        given = {
            "manifest": _manifest(data={"sha256": "1"}),
            "recipes": recipes,
            "patients": normals,
            "fold_count": 2,
        }
        fit_model(tmp_path, on_epoch=stop, **{**given, **other})  # type: ignore[arg-type]

    def stop(label: str, record: EpochRecord) -> None:
        raise KilledError

    with pytest.raises(KilledError):
        begin()
    others: dict[str, dict[str, object]] = {
        "epochs": {"recipes": small_recipes("plain", epochs=3)},
        "seed": {"recipes": small_recipes("plain", seed=1)},
        "form": {"recipes": small_recipes("contextual")},
        "folds": {"fold_count": 3},
        "patients": {"patients": patients("abcd")},
        "data": {"manifest": _manifest(data={"sha256": "2"})},
        "windows": {"manifest": _manifest(data={"sha256": "1"}, windows=WindowSpec(margin=5))},
    }
    with pytest.raises(ArtifactError, match=r"training/settings\.json: a run with other data or settings"):
        begin(**others[change])
    with pytest.raises(KilledError):
        begin()


@pytest.mark.parametrize("lost", ["population-fold-0.safetensors", "settings.json"])
def test_calibration_says_what_is_missing(tmp_path: Path, lost: str) -> None:
    """A model without what its folds left can't be calibrated, as its own networks know all patients."""
    fit_model(tmp_path, _manifest(), small_recipes("plain"), patients(), 2, quiet)
    (tmp_path / CHECKPOINTS / lost).unlink()
    with pytest.raises(
        ArtifactError, match=f"{lost}: missing; calibration needs the folds that `ecg-train fit`"
    ):
        calibrate_model(tmp_path, patients())


def test_calibration_is_on_the_patients_of_the_folds(fitted: Path) -> None:
    """Dealt out anew, other patients would be judged by networks that were trained on them."""
    for names in ("abc", "abcde"):
        with pytest.raises(DataError, match=r"wanted a, b, c, d$"):
            calibrate_model(fitted, patients(names, seconds=_SECONDS))


def test_too_few_beats_to_calibrate_on(tmp_path: Path) -> None:
    """The error names network and remedy."""
    torch.set_num_threads(1)
    fit_model(tmp_path, _manifest(), small_recipes("plain"), patients("ab"), 2, quiet)
    with pytest.raises(DataError, match=r"population: need 500 finite statistics.*; train on more"):
        calibrate_model(tmp_path, patients("ab"))


def test_normals_of_all_records() -> None:
    """One patient a record, each told when done."""
    moved = Moved()
    records = [normal_record(made_up(20, seed), name) for seed, name in enumerate("ab")]
    patients = all_normals(records, SPEC, lambda *_: nullcontext(moved))
    assert [patient.name for patient in patients] == moved.texts == ["a", "b"]


def test_data_facts_tell_any_change() -> None:
    """The checksum covers samples and normal R peaks, not the order of the records."""
    a, b = (normal_record(made_up(5, seed), name) for seed, name in enumerate("ab"))
    facts = data_facts([a, b], "made up")
    assert (facts["records"], facts["normal_beats"]) == (["a", "b"], len(a.normal_r) + len(b.normal_r))
    assert facts == data_facts([b, a], "made up")
    changed = [replace(b, normal_r=b.normal_r[1:]), replace(b, ecg_mv=b.ecg_mv + 1), replace(b, name="c")]
    checksums = {data_facts([a, each], "made up")["sha256"] for each in (b, *changed)}
    assert len(checksums) == 4
