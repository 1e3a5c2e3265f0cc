"""Losses and regularisers together."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from torch import Tensor

from monitor.model.autoencoders.interface import Inputs, Reconstruction
from tests.support.small_nets import SmallNet, waves
from tests.test_docs import table
from training.fit.objectives.contractive import ContractiveSettings, jacobian_square
from training.fit.objectives.corruption import DenoisingSettings
from training.fit.objectives.examples import OBJECTIVES
from training.fit.objectives.losses import LOSSES
from training.fit.objectives.settings import (
    KINDS,
    ObjectiveSettings,
    objective_loss,
    objective_settings,
    regularised,
)
from training.fit.objectives.sparse import SparseSettings, sparse_penalty
from training.fit.objectives.variational import VariationalSettings, kl_to_prior
from training.fit.pretraining import PretrainingSettings, pretraining_settings


class _Watched(SmallNet):
    """Keeps what it was given, and gives a distribution."""

    def __init__(self) -> None:
        super().__init__()
        self.encoded: list[Tensor] = []
        self.decoded: list[Tensor] = []

    def encode(self, inputs: Inputs) -> Tensor:
        self.encoded.append(inputs.window)
        return super().encode(inputs)

    def encode_distribution(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        mean = self.encode(inputs)
        return mean, mean - 1.0

    def decode(self, latent: Tensor, inputs: Inputs) -> Reconstruction:
        self.decoded.append(latent)
        return super().decode(latent, inputs)


def _loss(settings: ObjectiveSettings, net: SmallNet | None = None, seed: int | None = None) -> float:
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    found = objective_loss(net or SmallNet(), waves().inputs, settings, generator, torch.randn(999))
    return float(found.detach())


@torch.no_grad()
def test_loss_and_penalties_add_up() -> None:
    """A mean loss over the batch, and every penalty that is set."""
    sparse, contractive = SparseSettings(weight=0.3), ContractiveSettings(weight=0.2)
    net, inputs = SmallNet(), waves().inputs
    plain = LOSSES["mae"](net(inputs), inputs.window).mean()
    wanted = plain + sparse_penalty(net.encode(inputs), sparse) + 0.2 * jacobian_square(net, inputs).mean()
    found = _loss(ObjectiveSettings(loss="mae", sparse=sparse, contractive=contractive))
    assert found == pytest.approx(float(wanted), rel=1e-5)


def test_plain_settings_leave_the_objective_as_it_is() -> None:
    """The shipped networks are trained as before; for the plain form `log` is that very loss."""
    assert regularised(OBJECTIVES["usual"], ObjectiveSettings()) is OBJECTIVES["usual"]
    base = OBJECTIVES["population"].loss(SmallNet(), waves(), None)
    assert _loss(ObjectiveSettings()) == pytest.approx(float(base.detach()), rel=1e-6)


@torch.no_grad()
def test_variational_loss_is_the_evidence_bound_a_sample() -> None:
    """The divergence is shared among the samples over which the loss is a mean."""
    net, inputs = _Watched(), waves().inputs
    settings = ObjectiveSettings(loss="mse", variational=VariationalSettings(weight=2.0))
    mean, log_variance = net.encode_distribution(inputs)
    plain = LOSSES["mse"](net.decode(mean, inputs), inputs.window).mean()
    wanted = plain + 2 * kl_to_prior(mean, log_variance).mean() / 16
    assert _loss(settings, net) == pytest.approx(float(wanted), rel=1e-5)


def test_variational_training_draws_and_evaluation_does_not() -> None:
    """Only with a generator is the latent vector another than the mean."""
    net, settings = _Watched(), ObjectiveSettings(loss="mse", variational=VariationalSettings())
    for seed in (None, 1, 1, 2):
        _loss(settings, net, seed)
    mean = SmallNet.encode(net, waves().inputs)
    assert [torch.equal(latent, mean) for latent in net.decoded] == [True, False, False, False]
    assert torch.equal(net.decoded[1], net.decoded[2])
    assert not torch.equal(net.decoded[1], net.decoded[3])


def test_denoising_reads_noisy_windows_and_is_judged_by_clean_ones() -> None:
    """In evaluation the window comes as it is."""
    net = _Watched()
    net.back.weight.data.zero_()
    net.back.bias.data.zero_()
    settings = ObjectiveSettings(loss="mse", denoising=DenoisingSettings())
    clean = waves().inputs.window
    for seed in (None, 3):
        assert _loss(settings, net, seed) == pytest.approx(float((clean**2).mean()), rel=1e-5)
    assert torch.equal(net.encoded[0], clean)
    assert not torch.equal(net.encoded[1], clean)


def test_objective_keeps_the_examples_of_its_base() -> None:
    """Noise of records is bound to it."""
    noise = np.random.default_rng(0).standard_normal(999).astype(np.float32)
    objective = regularised(OBJECTIVES["fixed"], objective_settings("denoising"), noise)
    assert objective.examples is OBJECTIVES["fixed"].examples
    found = objective.loss(SmallNet(), waves(), torch.Generator().manual_seed(0))
    assert torch.isfinite(found.detach())


def test_every_kind_is_chosen_by_its_name() -> None:
    """With its own loss or another one; the network is told what it is held to."""
    for kind in KINDS:
        assert objective_settings(kind, "huber").loss == "huber"
        assert objective_settings(kind).name == ("reconstruction" if kind == "plain" else kind)
    both = ObjectiveSettings(sparse=SparseSettings(), denoising=DenoisingSettings())
    assert both.name == "sparse+denoising"


def test_settings_go_into_the_manifest_as_plain_data() -> None:
    """Every field is written, and what is not used is none."""
    plain = msgspec.json.decode(msgspec.json.encode(asdict(objective_settings("sparse", "mae"))))
    assert plain["loss"] == "mae"
    assert plain["sparse"] == {"penalty": "kl", "target": 0.05, "weight": 0.1}
    assert plain["variational"] is None


def test_unknown_names_are_refused() -> None:
    """The messages name what there is."""
    with pytest.raises(ValueError, match="objective is 'x', wanted one of plain, sparse"):
        objective_settings("x")
    with pytest.raises(ValueError, match="loss is 'x', wanted one of log, mse"):
        objective_settings("plain", "x")


def test_what_is_not_given_stays_the_default() -> None:
    """One value is another one, the loss goes with it, and the defaults themselves stay as they are."""
    masked = objective_settings("denoising", "huber", {"noise": "masking"})
    assert (masked.loss, masked.denoising) == ("huber", DenoisingSettings(noise="masking"))
    assert objective_settings("denoising").denoising == DenoisingSettings()
    sparse = objective_settings("sparse", given={"penalty": "l1", "weight": 1}).sparse
    assert sparse == SparseSettings(penalty="l1", weight=1.0)
    assert pretraining_settings("rbm", {"epochs": 10}) == PretrainingSettings(kind="rbm", epochs=10)
    assert pretraining_settings(None, {}) is None


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        ("plain", {"weight": 1}, "objective plain has no settings; got weight"),
        ("sparse", {"noise": "l1"}, "no setting 'noise'; there are penalty=kl, target=0.05, weight=0.1"),
        ("sparse", {"penalty": "l3"}, "need kl or l1.*penalty='l3'.* defaults, are penalty=kl"),
        ("sparse", {"weight": "a"}, r"`float`, got `str` - at `\$\.weight`; its settings"),
        ("denoising", {"noise": "blue"}, "'additive', 'masking', 'records'.*got .*'blue'"),
        ("contractive", {"probes": 1.5}, r"at `\$\.probes`"),
    ],
)
def test_what_cannot_be_is_told_with_what_there_is(kind: str, given: dict[str, Any], said: str) -> None:
    """A name that is none, a value out of its range, one of another type."""
    with pytest.raises(ValueError, match=said):
        objective_settings(kind, given=given)


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        (None, {"epochs": 3}, "need one of greedy, rbm; got epochs"),
        ("greedy", {"kind": "rbm"}, "pre-training greedy has no setting 'kind'; there are epochs=5"),
        ("rbm", {"rbm_rate": 0}, "rates above 0"),
        ("deep", {}, "need a kind of .*'greedy', 'rbm'"),
    ],
)
def test_pretraining_alike(kind: str | None, given: dict[str, Any], said: str) -> None:
    """Its kind has an option of its own, and settings without a kind mean nothing."""
    with pytest.raises(ValueError, match=said):
        pretraining_settings(kind, given)


def test_settings_of_the_page_are_those_of_the_code() -> None:
    """Names and defaults of every objective's settings, and of the pre-training's."""
    told = {
        row[0]: row[1]
        for row in table("docs/autoencoders.md", "of", "settings, with their defaults", "what they are")
    }
    own = {kind: getattr(settings, kind, None) for kind, settings in KINDS.items()}
    known = {kind: asdict(each) for kind, each in own.items() if each is not None}
    known["pre-training"] = asdict(PretrainingSettings())
    del known["pre-training"]["kind"]
    assert told == {
        part: ", ".join(f"{name}={value}" for name, value in each.items()) for part, each in known.items()
    }
