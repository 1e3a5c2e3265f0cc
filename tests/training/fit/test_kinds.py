"""Every kind of autoencoder from training to streaming, and one that comes from outside."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monitor.detect.detector import Detector
from monitor.errors import ArtifactError
from monitor.model.artifact import NetworkSpec, save_artifact
from monitor.model.autoencoders.kinds import GROUP, KINDS, kind
from monitor.model.model import Model, load_model
from monitor.recordings.synthetic import synthetic_ecg
from tests.support.kinds import KIND_SIZES, PAIRS
from tests.support.made_up import Outcome, chunk_of, chunks_of, outcome, run
from tests.support.models import calibrated
from tests.support.normals import SPEC, patients, quiet
from tests.support.project import ROOT
from tests.test_docs import blocks, table
from training.fit.architecture import Architecture
from training.fit.objectives.settings import objective_settings
from training.fit.pretraining import PretrainingSettings
from training.fit.recipe import fit_all, recipes

pytestmark = pytest.mark.usefixtures("one_thread")

_SHORT: dict[str, Any] = {"epochs": 1, "batch": 256, "examples_per_epoch": 256}
_NOISE = np.random.default_rng(0).standard_normal(2000).astype(np.float32)
_STACK = {"hidden": 8, "depth": 2, "bidirectional": True}
_DEEP = {"encoder_settings": _STACK, "decoder_settings": _STACK}
_LOST = "lost=outside_kind:LOST\n"
_OUTSIDE = """
from torch import Tensor
from monitor.model.autoencoders.parts import Encoder, Kind

"""


def _trained(folder: Path, architecture: Architecture, **aim: Any) -> Model:
    """A model with a step of training on made-up patients behind it, saved and loaded again."""
    parts = {
        name: replace(recipe, settings=replace(recipe.settings, **_SHORT))
        for name, recipe in recipes("plain", SPEC, architecture=architecture, **aim).items()
    }
    networks = {
        name: fit_all(name, recipe, patients("ab"), 2, folder, quiet, _NOISE).final
        for name, recipe in parts.items()
    }
    specs: dict[str, NetworkSpec] = {name: recipe.network for name, recipe in parts.items()}
    save_artifact(folder, calibrated(specs, networks), networks)
    return load_model(folder)


def _streamed(model: Model, sizes: list[int]) -> Outcome:
    """What the detector says of 40 s with wide beats that comes in chunks of these sizes."""
    ecg = synthetic_ecg(40, ventricular=range(20, 40, 7), seed=4)
    chunks = chunks_of(ecg.ecg_mv, sizes, rate_hz=ecg.rate_hz)
    return outcome(run(Detector(model), ([chunk] for chunk in chunks)))


@pytest.mark.parametrize(
    ("encoder", "decoder", "more"),
    [
        *[(encoder, decoder, {}) for encoder, decoder in PAIRS],
        ("lstm", "lstm", {"ahead_s": 0.2}),
        ("conv", "dense", {"ahead_s": 0.2}),
        ("lstm", "lstm", _DEEP),
    ],
)
def test_every_kind_trains_saves_loads_and_streams(
    encoder: str, decoder: str, more: dict[str, Any], tmp_path: Path
) -> None:
    """Loaded again it says of a stream the same as before, in one chunk or in many, bit for bit."""
    own, other = KIND_SIZES[encoder][0], KIND_SIZES[decoder][1]
    chosen = {"encoder": encoder, "decoder": decoder, "latent": 4}
    sizes = {"encoder_settings": own, "decoder_settings": other}
    model = _trained(tmp_path, Architecture(**{**chosen, **sizes, **more}))
    settings = model.manifest.networks["population"].settings
    assert (settings["encoder"], settings["decoder"], settings["latent"]) == (encoder, decoder, 4)
    whole = _streamed(model, [])
    assert len(whole["a"][1]) > 60
    assert whole["a"][0]
    assert _streamed(model, [1, 1, 2, *np.random.default_rng(0).integers(1, 900, 40).tolist()]) == whole
    assert _streamed(load_model(tmp_path), [5000]) == whole


@pytest.mark.parametrize(
    ("objective", "score", "kind"),
    [
        ("sparse", "error", None),
        ("denoising", "error", None),
        ("contractive", "neighbours", None),
        ("variational", "probability", None),
        ("variational", "neighbours", None),
        ("plain", "neighbours", "greedy"),
        ("plain", "error", "rbm"),
    ],
)
def test_every_objective_trains_saves_loads_and_streams(
    objective: str, score: str, kind: str | None, tmp_path: Path
) -> None:
    """With its score, and with layers learned one by one: in one chunk or in many, bit for bit."""
    sizes = {"hidden": [16], "activation": "sigmoid"}
    chosen = Architecture(
        encoder="dense", latent=4, score=score, encoder_settings=sizes, decoder_settings=sizes
    )
    first = PretrainingSettings(kind=kind, epochs=1) if kind else None
    model = _trained(tmp_path, chosen, objective=objective_settings(objective), pretraining=first)
    whole = _streamed(model, [])
    assert len(whole["a"][1]) > 60
    assert _streamed(model, [1, 1, 2, *np.random.default_rng(0).integers(1, 900, 40).tolist()]) == whole
    assert _streamed(load_model(tmp_path), [5000]) == whole


def test_neighbours_in_the_batch_do_not_matter(tmp_path: Path) -> None:
    """A stream of a convolutional model gives beside another one what it gives alone."""
    model = _trained(tmp_path, Architecture(encoder="conv"))
    ecg = {name: synthetic_ecg(20, seed=seed).ecg_mv for seed, name in enumerate("ab")}
    together = Detector(model).process([chunk_of(part, stream=name) for name, part in ecg.items()])
    for name, part in ecg.items():
        alone = Detector(model).process([chunk_of(part, stream=name)])
        assert outcome([alone])[name] == outcome([together])[name]


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed distribution with three entry points, two of which are no kinds."""
    facts = tmp_path / "outside-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(
        f"[{GROUP}]\nmean=outside_kind:MEAN\nnone=outside_kind:NO_KIND\n{_LOST}"
    )
    (example,) = (each for each in blocks(ROOT / "docs" / "autoencoders.md", "python") if "Kind(" in each)
    (tmp_path / "outside_kind.py").write_text(f"{_OUTSIDE}{example}NO_KIND = 'mean'\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("outside")
def test_a_kind_from_outside_needs_no_change_here(tmp_path: Path) -> None:
    """The page's example, an entry point, trains, saves, loads and streams with a decoder of ours."""
    model = _trained(tmp_path / "model", Architecture(encoder="mean", decoder="dense", latent=4))
    assert _streamed(model, [700] * 9) == _streamed(model, [])
    with pytest.raises(ValueError, match="'mean' has no decoder"):
        recipes("plain", SPEC, architecture=Architecture(encoder="mean"))
    with pytest.raises(ValueError, match=r"'none' of ecg_monitor\.autoencoders is a str, wanted a Kind"):
        kind("none")
    with pytest.raises(ValueError, match=r"'lost' of ecg_monitor\.autoencoders can't be loaded"):
        kind("lost")
    with pytest.raises(ValueError, match="wanted one of conv, dense, lost, lstm, mean, none, pca"):
        kind("other")


def test_a_model_of_a_kind_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker is told which kind its model asks for, and which there are."""
    _trained(tmp_path, Architecture(encoder="dense", latent=4))
    monkeypatch.delitem(KINDS, "dense")
    with pytest.raises(ArtifactError, match="kind is 'dense', wanted one of conv, lstm, pca"):
        load_model(tmp_path)


def test_settings_of_the_page_are_those_of_the_code() -> None:
    """Names and defaults of every part."""
    told = {
        part: "" if said == "none" else said
        for part, said in table("docs/autoencoders.md", "part", "settings, with their defaults")
    }
    told["lstm decoder"] = told["lstm decoder"].replace("the same, and", f"{told['lstm encoder']},")
    for name, each in KINDS.items():
        for part, make in (("encoder", each.encoder), ("decoder", each.decoder)):
            assert make is not None
            given = inspect.signature(make).parameters.values()
            own = [f"{p.name}={_shown(p.default)}" for p in given if p.kind is p.KEYWORD_ONLY]
            assert told.get(f"{name} {part}", told.get(f"{name} encoder, decoder")) == ", ".join(own)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def test_a_closed_form_is_solved_not_trained(tmp_path: Path) -> None:
    """One epoch that measures, whatever was asked for; continued, it is the same network."""
    recipe = recipes("plain", SPEC, architecture=Architecture(encoder="pca"))["population"]
    one = fit_all("population", recipe, patients("ab"), 2, tmp_path, quiet)
    assert {label: [epoch.epoch for epoch in run] for label, run in one.history.items()} == {
        "fold 0": [1],
        "fold 1": [1],
        "all": [1],
    }
    again = fit_all("population", recipe, patients("ab"), 2, tmp_path, quiet)
    for name, value in one.final.state_dict().items():
        assert torch.equal(again.final.state_dict()[name], value)
