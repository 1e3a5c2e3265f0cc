"""`ecg-train fit` and `ecg-train calibrate` on a small database of made-up ECG."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from prometheus_client.parser import text_string_to_metric_families

from monitor.detect.detector import Detector
from monitor.model.artifact import read_manifest
from monitor.model.model import load_model
from monitor.recordings.synthetic import synthetic_ecg
from monitor.recordings.wfdb_records import wfdb_library
from monitor.scan.scan import scan
from tests.support.databases import write_record
from tests.support.models import recording_of
from tests.support.normals import pickles
from tests.test_docs import quoted_commands
from training import cli
from training.data import records
from training.data.records import DS2, TRAINING, normal_records
from training.errors import DataError
from training.fit.build import data_facts

_NAMES = ("101", "106", "108", "109")
_SECONDS = 190.0  # four of them give 500 beats and 500 fixed windows, as calibration needs
_WIDE = (50, 120)


def _ecg_train(*arguments: str) -> int:
    """Exit code of a command, run in this process."""
    torch.set_num_threads(1)  # a sum's rounding depends on how many share it
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ecg-train", *arguments])
        with pytest.raises(SystemExit) as caught:
            cli.main()
    return int(caught.value.code or 0)


def _fit(data: Path, out: Path, *more: str, names: Sequence[str] = _NAMES) -> list[str]:
    chosen = [part for name in names for part in ("--record", name)]
    return ["fit", "--data", str(data), "--out", str(out), "--folds", "2", "--epochs", "2", *chosen, *more]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with mitdb/ in it."""
    folder = tmp_path_factory.mktemp("data")
    for seed, name in enumerate(_NAMES):
        write_record(folder / "mitdb", name, _SECONDS, ventricular=_WIDE, seed=seed)
    return folder


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that both commands have filled."""
    folder = tmp_path_factory.mktemp("model")
    told = ("--metrics", str(folder / "ecg-train.prom"))
    assert _ecg_train(*_fit(data, folder, *told)) == 0
    assert _ecg_train("calibrate", "--data", str(data), "--model", str(folder), *told) == 0
    return folder


def test_commands_make_a_model_that_detects(model: Path) -> None:
    """Fitted and calibrated by the commands, the model finds wide beats in a new recording."""
    ecg = synthetic_ecg(90, ventricular=range(40, 90, 8), seed=9)
    windows = scan(recording_of(ecg), Detector(load_model(model))).windows
    flagged = windows.sample[windows.anomalous & (np.array(windows.kind) != "fixed")]
    near = np.abs(flagged[:, None] - ecg.r_peak[ecg.ventricular]) < 0.1 * ecg.rate_hz
    assert near.any(axis=0).mean() >= 0.8


def test_a_model_says_what_it_was_made_of(data: Path, model: Path) -> None:
    """Name, records, checksum, seed and epochs are in the manifest; nothing in the folder is a pickle."""
    manifest = read_manifest(model)
    expected = data_facts(normal_records(data, _NAMES), "MIT-BIH Arrhythmia Database 1.0.0")
    assert (manifest.name, manifest.data) == ("mitdb-contextual", expected)
    assert {(fit["epochs"], fit["seed"]) for fit in manifest.code["fit"].values()} == {(2, 0)}
    assert pickles(model) == []


def test_commands_leave_their_metrics(model: Path, data: Path) -> None:
    """One textfile holds both commands' success, the age of the data, and the version that is in force."""
    text = (model / "ecg-train.prom").read_text(encoding="utf-8")
    families = text_string_to_metric_families(text)
    samples = {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}
    name, version = read_manifest(model).name, read_manifest(model).version
    for command in ("fit", "calibrate"):
        assert samples["ecg_train_last_success_timestamp_seconds", command, name] > time.time() - 600
    newest_s = max(path.stat().st_mtime for path in (data / "mitdb").glob("10*"))
    assert samples["ecg_train_data_timestamp_seconds", name] == newest_s
    assert [key for key in samples if key[0] == "ecg_train_info"] == [("ecg_train_info", name, version)]


def test_a_finished_fit_trains_no_more(data: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run again, in whatever order and however often the records are named, it gives the same weights."""
    before = read_manifest(model)
    times = {path: path.stat().st_mtime_ns for path in (model / "training").glob("*.safetensors")}
    assert _ecg_train(*_fit(data, model, names=(*_NAMES[::-1], "101"))) == 0
    assert "next: ecg-train calibrate" in " ".join(capsys.readouterr().out.split())
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert read_manifest(model).weights_sha256 == before.weights_sha256
    assert _ecg_train("calibrate", "--data", str(data), "--model", str(model)) == 0
    assert read_manifest(model) == before
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("usual", "population", "fixed", "1 event/h", "10 events/h"))


def test_other_settings_need_another_folder(
    data: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run with another seed does not go on where this one stopped."""
    before = read_manifest(model)
    assert _ecg_train(*_fit(data, model, "--seed", "5")) == 3
    assert "a run with other data or settings was begun there" in capsys.readouterr().err
    assert read_manifest(model) == before


def test_a_killed_command_continues(data: Path, tmp_path: Path) -> None:
    """SIGKILL in the middle of `ecg-train fit`, and the same command again: the undisturbed weights."""

    def arguments(folder: str) -> list[str]:
        return _fit(
            data, tmp_path / folder, "--form", "plain", "--epochs", "1", "--name", folder, names=_NAMES[:2]
        )

    command = [sys.executable, "-c", "from training.cli import main; main()", *arguments("killed")]
    checkpoint = tmp_path / "killed" / "training" / "population-fold-0.safetensors"
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"}
    ) as child:
        while child.poll() is None and not checkpoint.exists():
            time.sleep(0.01)
        child.kill()  # SIGKILL
    assert child.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "manifest.json").exists()
    for folder in ("killed", "whole"):
        assert _ecg_train(*arguments(folder)) == 0
    killed, whole = read_manifest(tmp_path / "killed"), read_manifest(tmp_path / "whole")
    assert (killed.name, killed.weights_sha256) == ("killed", whole.weights_sha256)


def test_a_kind_is_a_choice_of_the_command(data: Path, tmp_path: Path) -> None:
    """Fitted with another encoder, decoder and latent width, calibrated, it runs, and its manifest tells."""
    kind = ("--encoder", "conv", "--decoder", "dense", "--latent", "8")
    sizes = ("--encoder-setting", "channels=[8]", "--decoder-setting", "activation=tanh", "--ahead", "0.2")
    assert _ecg_train(*_fit(data, tmp_path, "--form", "plain", *kind, *sizes)) == 0
    assert _ecg_train("calibrate", "--data", str(data), "--model", str(tmp_path)) == 0
    networks = load_model(tmp_path).manifest.networks
    told = {"encoder": "conv", "decoder": "dense", "latent": 8, "ahead": 25}
    assert networks["fixed"].settings.items() >= told.items()
    assert networks["population"].settings["encoder_settings"] == {"channels": [8]}
    ecg = synthetic_ecg(30, seed=9)
    assert len(scan(recording_of(ecg), Detector(load_model(tmp_path))).windows.sample) > 30


def test_an_objective_is_a_choice_of_the_command(data: Path, tmp_path: Path) -> None:
    """Objective, loss, pre-training and score are in the manifest, and the model runs."""
    dense = ("--encoder", "dense", "--latent", "8")
    chosen = ("--objective", "contractive", "--loss", "huber", "--pretraining", "greedy")
    command = _fit(data, tmp_path, "--form", "plain", *dense, *chosen, "--score", "neighbours")
    assert _ecg_train(*command) == 0
    assert _ecg_train("calibrate", "--data", str(data), "--model", str(tmp_path)) == 0
    manifest = load_model(tmp_path).manifest
    told = manifest.code["fit"]["population"]
    assert told["objective"]["loss"] == "huber"
    assert told["objective"]["contractive"]["weight"] > 0
    assert told["pretraining"]["kind"] == "greedy"
    assert manifest.networks["fixed"].settings["score"] == "neighbours"
    ecg = synthetic_ecg(30, seed=9)
    assert len(scan(recording_of(ecg), Detector(load_model(tmp_path))).windows.sample) > 30


def test_settings_of_objective_and_pretraining_are_choices_too(data: Path, tmp_path: Path) -> None:
    """They are in the manifest, and shape the network: an L1 penalty needs no unit from 0 to 1."""
    chosen = {
        "objective": ("sparse", "penalty=l1", "weight=0.01"),
        "pretraining": ("greedy", "epochs=1", "batch=64"),
    }
    words = [
        word
        for option, (kind, *settings) in chosen.items()
        for word in (f"--{option}", kind, *(w for each in settings for w in (f"--{option}-setting", each)))
    ]
    command = _fit(data, tmp_path, "--form", "plain", "--encoder", "dense", "--epochs", "1", *words)
    assert _ecg_train(*command) == 0
    manifest = read_manifest(tmp_path)
    told = manifest.code["fit"]["fixed"]
    assert told["objective"]["sparse"].items() >= {"penalty": "l1", "weight": 0.01}.items()
    assert told["pretraining"].items() >= {"kind": "greedy", "epochs": 1, "batch": 64}.items()
    assert manifest.networks["fixed"].settings["activation"] == "identity"


def test_kinds_on_the_page_can_be_built(tmp_path: Path) -> None:
    """Every choice that the page shows gets as far as the records, which are not there."""
    fits = (words[1:] for words in quoted_commands() if words[:2] == ["ecg-train", "fit"])
    shown = [words for words in fits if "--data" in words]  # others are mentioned, not shown whole
    assert len(shown) > 10
    for words in shown:
        given = [str(tmp_path) if word == "data" else word for word in words]
        assert _ecg_train(*given) == 8, words


def test_masking_needs_no_noise_records(data: Path, tmp_path: Path) -> None:
    """The noise stress test isn't there, and nothing of it is asked for."""
    masked = ("--objective", "denoising", "--objective-setting", "noise=masking", "--epochs", "1")
    assert _ecg_train(*_fit(data, tmp_path, "--form", "plain", "--encoder", "dense", *masked)) == 0
    manifest = read_manifest(tmp_path)
    assert manifest.code["fit"]["population"]["objective"]["denoising"]["noise"] == "masking"
    assert "noise_sha256" not in manifest.data


def test_a_setting_that_is_none_is_a_usage_error(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is read; the message has what there is."""
    asked = ("--objective", "sparse", "--objective-setting", "penalties=l1")
    assert _ecg_train(*_fit(data, tmp_path, "--form", "plain", *asked)) == 2
    said = " ".join(capsys.readouterr().err.replace("│", "").split())
    assert "objective sparse has no setting 'penalties'; there are penalty=kl, target=0.05" in said
    assert not any(tmp_path.iterdir())


def test_denoising_needs_the_noise_stress_test(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its noise records are a second download; the message names it."""
    command = _fit(data, tmp_path, "--form", "plain", "--objective", "denoising")
    assert _ecg_train(*command) != 0
    assert "ecg-train data nstdb" in " ".join(capsys.readouterr().err.split())


def test_kinds_of_anomalies_make_no_difference(data: Path, tmp_path: Path) -> None:
    """With every ventricular beat called supraventricular, training sees the same to the last bit."""
    other = write_record(tmp_path / "mitdb", "101", _SECONDS, ventricular=_WIDE)
    with wfdb_library() as wfdb:
        notes = wfdb.rdann(str(other), "atr")
        symbols = ["A" if symbol == "V" else symbol for symbol in notes.symbol]
        wfdb.wrann("101", "atr", notes.sample, symbols, fs=360, write_dir=str(other.parent))
    assert set(symbols) == {"N", "A"}
    one, changed = (data_facts(normal_records(folder, ["101"]), "made up") for folder in (data, tmp_path))
    assert one == changed


def test_training_patients_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without being told otherwise it reads the training patients alone: none of DS2, and not the demo's."""
    asked: list[str] = []

    def no_records(folder: Path, names: Sequence[str]) -> list[object]:
        asked.extend(names)
        raise DataError("enough seen")

    monkeypatch.setattr(records, "normal_records", no_records)
    assert _ecg_train("fit", "--data", str(tmp_path), "--out", str(tmp_path / "model")) == 8
    assert asked == list(TRAINING)
    assert not set(asked) & {*DS2, "201", "208"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--form", "odd"], "form is 'odd', wanted 'contextual' or 'plain'"),
        (["--encoder", "odd"], "kind is 'odd', wanted one of conv, dense, lstm, pca"),
        (["--latent", "104"], "learns nothing of normal ones"),
        (["--objective", "odd"], "objective is 'odd', wanted one of plain, sparse"),
        (["--loss", "odd"], "loss is 'odd', wanted one of log, mse"),
        (["--score", "odd"], "wanted one of error, probability, neighbours"),
        (["--pretraining", "greedy"], "needs a dense encoder"),
        (["--encoder-setting", "depth"], "got 'depth', wanted NAME=VALUE"),
        (["--record", "101", "--record", "101"], "4 folds need as many records; got 1"),
        (["--folds", "1"], "--folds"),
        (["--epochs", "0"], "--epochs"),
    ],
)
def test_what_cannot_be_trained_is_said(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong option is a usage error, before anything is read."""
    assert _ecg_train("fit", "--data", str(tmp_path), "--out", str(tmp_path / "model"), *arguments) == 2
    assert said in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_calibrate_needs_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says which file is missing."""
    assert _ecg_train("calibrate", "--data", str(tmp_path), "--model", str(tmp_path)) == 3
    assert "manifest.json: can't be read" in capsys.readouterr().err
