"""The choice of a kind as training settings name it."""

from __future__ import annotations

import msgspec
import pytest

from monitor.model.artifact import NetworkSpec
from monitor.model.autoencoders.registry import build
from tests.support.normals import SPEC
from training.fit.architecture import Architecture, parse_settings
from training.fit.objectives.settings import objective_settings
from training.fit.pretraining import PretrainingSettings
from training.fit.recipe import recipes


def test_defaults_go_by_the_window() -> None:
    """The decoder is the encoder's fellow, and half a fixed window has more numbers than a beat."""
    parts = recipes("contextual", SPEC, architecture=Architecture(encoder="conv"))
    assert parts["usual"].network.form == "contextual"
    for name, latent, samples in (("population", 12, 104), ("fixed", 32, 256)):
        settings = parts[name].network.settings
        assert parts[name].network.form == "composed"
        assert (settings["encoder"], settings["decoder"]) == ("conv", "conv")
        assert (settings["latent"], settings["samples"]) == (latent, samples)


def test_every_choice_is_in_the_manifest() -> None:
    """What was chosen comes back from the manifest's JSON as the same network."""
    chosen = Architecture(
        encoder="dense",
        decoder="lstm",
        latent=8,
        ahead_s=0.2,
        encoder_settings={"hidden": [32, 16]},
        decoder_settings={"depth": 2},
    )
    spec = chosen.network(104, 125.0, 12, objective_settings("denoising"))
    read = msgspec.json.decode(msgspec.json.encode(spec), type=NetworkSpec)
    assert read == spec
    assert (spec.settings["ahead"], spec.settings["objective"]) == (25, "denoising")
    assert (
        build(read.form, read.settings).state_dict().keys()
        == build(spec.form, spec.settings).state_dict().keys()
    )


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (Architecture(encoder="sparse"), "kind is 'sparse'"),
        (Architecture(latent=104), "learns nothing of normal ones"),
        (Architecture(ahead_s=1.0), "need 0 <= ahead < samples; got 125 and 104"),
        (Architecture(encoder="dense", encoder_settings={"depth": 2}), "dense to dense: .*'depth'"),
        (Architecture(latent=6), "multiples of 4"),
    ],
)
def test_what_cannot_be_is_refused_at_once(chosen: Architecture, said: str) -> None:
    """Before anything is read or trained."""
    with pytest.raises(ValueError, match=said):
        recipes("plain", SPEC, architecture=chosen)


def test_objectives_shape_the_network() -> None:
    """Variational ones give distributions and spreads, sparse ones units from 0 to 1."""
    chosen = Architecture(encoder="dense", latent=128, score="neighbours")
    told = {
        name: recipes("plain", SPEC, architecture=chosen, objective=objective_settings(name))["population"]
        for name in ("variational", "sparse", "contractive", "denoising")
    }
    settings = {name: recipe.network.settings for name, recipe in told.items()}
    assert all(settings[name]["objective"] == name for name in settings)
    assert all(each["score"] == "neighbours" for each in settings.values())
    assert [name for name in settings if settings[name]["variational"]] == ["variational"]
    assert [name for name in settings if settings[name]["spread"]] == ["variational"]
    assert [name for name in settings if settings[name]["activation"] == "sigmoid"] == ["sparse"]
    assert told["sparse"].settings.objective == objective_settings("sparse")


def test_the_contextual_network_keeps_its_own_objective() -> None:
    """Others are for the networks that see the window."""
    parts = recipes("contextual", SPEC, architecture=Architecture(), objective=objective_settings("sparse"))
    assert parts["usual"].settings.objective.name == "reconstruction"


def test_pretraining_that_cannot_be_is_refused_at_once() -> None:
    """Of layers that are not dense, or whose units are no Boltzmann machine's."""
    for encoder, kind, said in (("lstm", "greedy", "needs a dense encoder"), ("dense", "rbm", "are sigmoid")):
        first = PretrainingSettings(kind=kind)
        with pytest.raises(ValueError, match=said):
            recipes("plain", SPEC, architecture=Architecture(encoder=encoder), pretraining=first)


def test_settings_of_the_command_line() -> None:
    """Numbers, lists and truth as JSON has them, anything else as text: what is not a number, too."""
    given = ["depth=2", "hidden=[32, 16]", "bidirectional=true", "activation=tanh", "weight=NaN"]
    assert parse_settings(given) == {
        "depth": 2,
        "hidden": [32, 16],
        "bidirectional": True,
        "activation": "tanh",
        "weight": "NaN",
    }
    for wrong in ("depth", "depth=", "=2"):
        with pytest.raises(ValueError, match="wanted NAME=VALUE"):
            parse_settings([wrong])
