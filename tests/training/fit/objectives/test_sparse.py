"""The sparse objective: its penalties in closed form, and what they do to a network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.support.small_nets import SmallNet, waves
from training.fit.loop import FitSettings, fit
from training.fit.objectives.examples import OBJECTIVES
from training.fit.objectives.settings import ObjectiveSettings, regularised
from training.fit.objectives.sparse import SparseSettings, sparse_penalty


def test_kl_penalty_is_the_divergence_of_coins() -> None:
    """Summed over the units, of their mean activation over the batch from the target."""
    latent = torch.tensor([[0.1, 0.9], [0.3, 0.5]])
    wanted = torch.distributions.kl_divergence(
        torch.distributions.Bernoulli(probs=torch.tensor(0.05)),
        torch.distributions.Bernoulli(probs=torch.tensor([0.2, 0.7])),
    ).sum()
    found = sparse_penalty(latent, SparseSettings(target=0.05, weight=2.0))
    assert float(found) == pytest.approx(2 * float(wanted), rel=1e-5)


def test_kl_penalty_is_nothing_at_the_target() -> None:
    """It counts a mean below the target as well as one above."""
    at = [float(sparse_penalty(torch.full((8, 4), x), SparseSettings())) for x in (0.01, 0.05, 0.2)]
    assert at[1] == pytest.approx(0.0, abs=1e-6)
    assert min(at[0], at[2]) > 1e-3


def test_l1_penalty_is_the_mean_sum_of_sizes() -> None:
    """Of every window's activations, whatever their sign."""
    latent = torch.tensor([[1.0, -2.0], [0.0, 0.5]])
    assert float(sparse_penalty(latent, SparseSettings(penalty="l1", weight=0.5))) == pytest.approx(0.875)


def test_kl_penalty_refuses_units_that_are_no_probabilities() -> None:
    """The message names the activation that serves."""
    with pytest.raises(ValueError, match="choose the activation sigmoid"):
        sparse_penalty(torch.tensor([[1.5, 0.0]]), SparseSettings())


@pytest.mark.parametrize("change", [{"penalty": "l2"}, {"target": 0.0}, {"target": 1.0}, {"weight": 0.0}])
def test_settings_that_make_nothing_sparse_are_refused(change: dict[str, float]) -> None:
    """The error tells what is needed."""
    with pytest.raises(ValueError, match="need kl or l1"):
        SparseSettings(**change)  # type: ignore[arg-type]


def _activations(folder: Path, settings: ObjectiveSettings) -> Tensor:
    """What a beat's 32 units do after a training."""
    net, examples = SmallNet(latent=32), waves(256)
    objective = regularised(OBJECTIVES["population"], settings)
    training = FitSettings(epochs=40, batch=64, learning_rate=3e-2, weight_decay=0.0)
    fit(net, objective, examples, None, training, folder / "sparse", lambda record: None)
    with torch.no_grad():
        return net.encode(examples.inputs)


def test_mean_activation_falls_to_the_target_and_most_units_sleep(tmp_path: Path) -> None:
    """Nine units in ten of a hump are below 0.1, which without the penalty hardly one is."""
    latent = _activations(tmp_path, ObjectiveSettings(loss="mse", sparse=SparseSettings()))
    free = _activations(tmp_path / "free", ObjectiveSettings(loss="mse"))
    assert float(latent.mean()) == pytest.approx(0.05, abs=0.02)
    assert float((latent < 0.1).float().mean()) > 0.8
    assert float((free < 0.1).float().mean()) < 0.3
