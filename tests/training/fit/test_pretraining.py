"""Dense stacks learned layer by layer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from monitor.model.autoencoders.composed import ComposedEncoderDecoder, ComposedSettings
from monitor.model.autoencoders.interface import EncoderDecoder
from monitor.model.autoencoders.registry import build
from tests.support.small_nets import waves
from training.fit.loop import FitSettings, evaluate_loss, fit
from training.fit.objectives.examples import OBJECTIVES
from training.fit.objectives.settings import ObjectiveSettings, regularised
from training.fit.pretraining import PretrainingSettings, mirrored, pretrain
from training.fit.rbm import Rbm

SAMPLES = 32
_OBJECTIVE = regularised(OBJECTIVES["population"], ObjectiveSettings(loss="mse"))


def _network(unit: str = "relu", **change: Any) -> ComposedEncoderDecoder:
    """Three layers each way: 32, 24, 12, 4."""
    torch.manual_seed(0)
    settings = ComposedSettings(
        encoder="dense",
        decoder="dense",
        samples=SAMPLES,
        latent=4,
        encoder_settings={"hidden": [24, 12], "activation": unit},
        decoder_settings={"hidden": [12, 24], "activation": unit},
    )
    return ComposedEncoderDecoder(replace(settings, **change))


def _settings(kind: str, epochs: int = 10) -> PretrainingSettings:
    return PretrainingSettings(kind=kind, epochs=epochs, batch=32, learning_rate=1e-2)


def test_layers_are_paired_with_their_mirror_images() -> None:
    """From the window inwards, each with the activation that follows it."""
    net = _network()
    pairs = mirrored(net, "greedy")
    assert [pair.there.out_features for pair in pairs] == [24, 12, 4]
    assert [pair.back.out_features for pair in pairs] == [32, 24, 12]
    assert pairs[0].output is net.output
    assert pairs[-1].code is net.activation


@pytest.mark.parametrize(("kind", "unit"), [("greedy", "relu"), ("rbm", "sigmoid")])
def test_loss_of_every_layer_is_recorded_and_falls(kind: str, unit: str) -> None:
    """Three layers, an entry an epoch of each; the reconstruction improves in each."""
    records = pretrain(_network(unit), waves(256, SAMPLES).inputs.window, _settings(kind, 20), 0)
    assert [(each.layer, each.epoch) for each in records] == [(k, e) for k in (1, 2, 3) for e in range(1, 21)]
    for layer in (1, 2, 3):
        losses = [each.loss for each in records if each.layer == layer]
        assert losses[-1] < 0.9 * losses[0]
    assert all((each.gap == each.gap) is (kind == "rbm") for each in records)


def test_pretraining_repeats_itself() -> None:
    """The seed decides the order and all that is drawn."""
    for kind, unit in (("greedy", "relu"), ("rbm", "sigmoid")):
        one, other = _network(unit), _network(unit)
        for net in (one, other):
            pretrain(net, waves(64, SAMPLES).inputs.window, _settings(kind, 2), 3)
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@torch.no_grad()
def test_a_machine_unrolls_into_the_first_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the signal's own unit encoder and decoder are the machine's two means."""
    machines: list[Rbm] = []
    create = Rbm.create.__func__  # type: ignore[attr-defined]

    def kept(cls: type[Rbm], *args: Any, **more: Any) -> Rbm:
        machines.append(create(cls, *args, **more))
        return machines[-1]

    monkeypatch.setattr(Rbm, "create", classmethod(kept))
    net, window = _network("sigmoid"), waves(256, SAMPLES).inputs.window + 2.0
    pretrain(net, window, _settings("rbm"), 0)
    centre = window.mean(dim=0)
    size = (window - centre).std()
    pair, machine = mirrored(net, "greedy")[0], machines[0]
    hidden = machine.hidden_mean((window - centre) / size)
    assert torch.allclose(pair.code(pair.there(window)), hidden, atol=1e-5)
    assert torch.allclose(pair.back(hidden), centre + size * machine.visible_mean(hidden), atol=1e-5)
    assert [each.gaussian_visible for each in machines] == [True, False, False]
    assert [each.gaussian_hidden for each in machines] == [False, False, True]


def _fitted(folder: Path, unit: str, settings: PretrainingSettings | None, epochs: int) -> EncoderDecoder:
    net = _network(unit)
    fitting = FitSettings(epochs=epochs, batch=32, learning_rate=1e-2, pretraining=settings)
    fit(net, _OBJECTIVE, waves(256, SAMPLES), None, fitting, folder / "net.safetensors", lambda record: None)
    return net


@pytest.mark.parametrize(("kind", "unit"), [("greedy", "relu"), ("rbm", "sigmoid")])
def test_fine_tuned_is_no_worse_than_from_scratch(kind: str, unit: str, tmp_path: Path) -> None:
    """After equally many epochs of the whole network, on windows that were not trained on."""
    losses = []
    for settings in (None, _settings(kind)):
        net = _fitted(tmp_path / str(settings), unit, settings, epochs=6)
        losses.append(evaluate_loss(net, _OBJECTIVE, waves(200, SAMPLES, seed=8), torch.device("cpu")))
    scratch, tuned = losses
    assert tuned < scratch


def test_layers_are_learned_once(tmp_path: Path) -> None:
    """A continued run goes on from its checkpoint; the layers' losses lie beside it."""
    settings = _settings("greedy", 2)
    first = _fitted(tmp_path, "relu", settings, epochs=2)
    path = tmp_path / "net.layers.json"
    written = path.read_bytes()
    assert [row["layer"] for row in json.loads(written)] == [1, 1, 2, 2, 3, 3]
    path.unlink()
    again = _fitted(tmp_path, "relu", settings, epochs=2)
    assert not path.exists()
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize(
    "net",
    [
        build("lstm", {"hidden": 8, "latent": 4, "position": 4}),
        _network(decoder_settings={"hidden": [24]}),
        _network(encoder="lstm", encoder_settings={}),
        _network(variational=True),
        _network(ahead=SAMPLES // 2),
    ],
)
def test_networks_without_mirrored_layers_are_refused(net: EncoderDecoder) -> None:
    """The message says what is needed."""
    with pytest.raises(ValueError, match="needs a dense encoder and a dense decoder that mirrors"):
        mirrored(net, "greedy")


def test_machines_need_units_from_zero_to_one() -> None:
    """Between the signal and the code, where units are binary."""
    window = waves(8, SAMPLES).inputs.window
    for net in (_network("relu"), _network("sigmoid", output="sigmoid")):
        with pytest.raises(ValueError, match="hidden units that are sigmoid"):
            pretrain(net, window, _settings("rbm"), 0)


@pytest.mark.parametrize("change", [{"kind": "x"}, {"epochs": 0}, {"batch": 0}])
def test_settings_that_learn_nothing_are_refused(change: dict[str, Any]) -> None:
    """The error tells what is needed."""
    with pytest.raises(ValueError, match="need a kind of"):
        PretrainingSettings(**change)
