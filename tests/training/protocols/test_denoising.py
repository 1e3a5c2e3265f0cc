"""How much noise a reconstruction takes off: the measure, the records' noise, and the protocol."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from monitor.model.autoencoders.composed import ComposedEncoderDecoder, ComposedSettings
from monitor.model.autoencoders.interface import EncoderDecoder, Inputs, Reconstruction
from tests.support.databases import write_record
from tests.support.models import small_model
from tests.support.normals import SPEC
from tests.support.small_nets import waves
from training.data.noise_records import noise_halves, training_noise
from training.data.normals import normals_of
from training.data.records import NOISE, normal_records
from training.errors import DataError
from training.fit.loop import FitSettings, fit
from training.fit.objectives.corruption import DenoisingSettings
from training.fit.objectives.examples import OBJECTIVES, Examples, population_examples
from training.fit.objectives.settings import ObjectiveSettings, regularised
from training.measure.protocol import Request
from training.protocols.denoising import denoising_gain_db, snr_gain_db
from training.protocols.registry import evaluate, find

_NOISE = np.random.default_rng(0).standard_normal(4000).astype(np.float32)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mitdb with two test records, nstdb with what stands for its noise."""
    folder = tmp_path_factory.mktemp("data")
    for seed, name in enumerate(("100", "103")):
        write_record(folder / "mitdb", name, 60, seed=seed)
    for seed, name in enumerate(NOISE):
        write_record(folder / "nstdb", name, 30, seed=seed + 5)
    return folder


def _dense(samples: int) -> ComposedEncoderDecoder:
    torch.manual_seed(0)
    return ComposedEncoderDecoder(
        ComposedSettings(encoder="dense", decoder="dense", samples=samples, latent=12)
    )


def _trained(examples: Examples, noise: np.ndarray, folder: Path, epochs: int) -> EncoderDecoder:
    net = _dense(examples.inputs.window.shape[1])
    settings = ObjectiveSettings(loss="mse", denoising=DenoisingSettings())
    objective = regularised(OBJECTIVES["population"], settings, noise)
    training = FitSettings(epochs=epochs, batch=64, learning_rate=1e-2)
    fit(net, objective, examples, None, training, folder / "net", lambda record: None)
    return net


class _Copy(EncoderDecoder):
    """Gives back what comes in."""

    def encode(self, inputs: Inputs) -> torch.Tensor:
        return inputs.window

    def decode(self, latent: torch.Tensor, inputs: Inputs) -> Reconstruction:
        return Reconstruction(latent, latent)


def test_a_tenth_of_the_noise_is_ten_decibels() -> None:
    """Of its power; what only copies gains nothing."""
    clean = waves(20, 64).inputs.window.numpy()
    noise = np.random.default_rng(1).standard_normal(clean.shape).astype(np.float32)
    less = clean + noise / np.float32(np.sqrt(10))
    assert snr_gain_db(clean, clean + noise, less) == pytest.approx(np.full(20, 10.0), abs=1e-3)
    assert denoising_gain_db(_Copy(), clean, _NOISE, 6.0) == pytest.approx(np.zeros(20), abs=1e-6)


def test_denoising_brings_noisy_windows_nearer_to_clean_ones(tmp_path: Path) -> None:
    """On windows and noise that were not trained on, and more than the same network does without it."""
    net = _trained(waves(512, 64), _NOISE, tmp_path, 25)
    clean = waves(200, 64, seed=7).inputs.window.numpy()
    other = np.random.default_rng(9).standard_normal(4000).astype(np.float32)
    for snr_db in (0.0, 6.0, 12.0):
        assert np.median(denoising_gain_db(net, clean, other, snr_db)) > 3.0


def test_noise_is_scaled_alike_and_halved(data: Path) -> None:
    """Two halves of each record, of both signals, at the windows' rate and of power 1."""
    halves = noise_halves(data, SPEC)
    assert list(halves) == list(NOISE)
    for first, later in halves.values():
        assert abs(len(first) - len(later)) <= 2
        assert len(first) == pytest.approx(30 * 125, abs=20)
        assert np.concatenate([first, later]).std() == pytest.approx(1.0, abs=0.05)


def test_training_takes_the_first_halves(data: Path, tmp_path: Path) -> None:
    """Of every noise; without the database the error names it."""
    halves = noise_halves(data, SPEC).values()
    assert np.array_equal(training_noise(data), np.concatenate([first for first, _ in halves]))
    with pytest.raises(DataError, match="nstdb"):
        training_noise(tmp_path)


def test_protocol_gives_a_gain_for_every_noise_and_ratio(data: Path) -> None:
    """With its interval over patients, and a target for all noises together."""
    request = Request(data=data, model=small_model(), records=("100", "103"))
    result, report = evaluate(find("denoising"), request)
    groups = [figure.group for figure in result.figures]
    assert groups == [f"{name}/{snr}dB" for snr in (0, 6, 12) for name in (*NOISE, "all")]
    assert all(each.name == "snr_gain_db" and each.low is not None for each in result.figures)
    assert [each.group for each in result.figures if each.target is not None] == groups[3::4]
    assert report["gain_db"]["em/6dB"][0] != report["gain_db"]["em/6dB"][1]


@pytest.mark.mitdb
@pytest.mark.skipif("ECG_DATA" not in os.environ, reason="ECG_DATA is not set")
def test_real_beats_come_out_cleaner(tmp_path: Path) -> None:
    """A dense network trained for a moment on one patient takes real noise off another one's beats."""
    folder = Path(os.environ["ECG_DATA"])
    noises = noise_halves(folder, SPEC)
    seen, new = (normals_of(each, SPEC) for each in normal_records(folder, ("101", "103")))
    first = np.concatenate([half for half, _ in noises.values()])
    examples = population_examples([seen])
    net = _trained(examples.rows(torch.arange(0, len(examples), 4)), first, tmp_path, 12)
    clean = new.beats.beat[new.beats.good][::10]
    gains = {name: denoising_gain_db(net, clean, later, 0.0).mean() for name, (_, later) in noises.items()}
    assert all(gain > 0 for gain in gains.values()), gains
