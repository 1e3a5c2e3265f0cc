"""The contractive objective: the norm of the encoder's Jacobian."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from monitor.model.autoencoders.interface import EncoderDecoder, Inputs
from monitor.model.autoencoders.registry import build
from tests.support.small_nets import SmallNet, waves
from training.fit.loop import FitSettings, fit
from training.fit.objectives.contractive import ContractiveSettings, contractive_penalty, jacobian_square
from training.fit.objectives.examples import OBJECTIVES
from training.fit.objectives.settings import ObjectiveSettings, regularised


def _lstm() -> EncoderDecoder:
    torch.manual_seed(0)
    return build("lstm", {"patch": 8, "steps": 2, "hidden": 8, "latent": 4, "position": 4})


@torch.no_grad()
def _norm(net: EncoderDecoder) -> float:
    return float(jacobian_square(net, waves().inputs).mean())


def _by_autograd(net: EncoderDecoder, window: Tensor) -> list[float]:
    """Every window's Jacobian by torch's own function, one window at a time."""
    out = []
    for row in window:
        jacobian: Tensor = torch.func.jacrev(lambda x: net.encode(Inputs(x[None]))[0])(row)
        out.append(float((jacobian.detach() ** 2).sum()))
    return out


@pytest.mark.parametrize("net", [SmallNet(), _lstm()])
def test_norm_equals_an_autograd_jacobian(net: EncoderDecoder) -> None:
    """Of a layer as of an LSTM."""
    window = waves(5).inputs.window
    found = jacobian_square(net, Inputs(window)).tolist()
    assert found == pytest.approx(_by_autograd(net, window), rel=1e-4)


def test_norm_equals_the_closed_form_of_a_sigmoid_layer() -> None:
    """Σ_j (h_j (1 − h_j))² Σ_i W_ji², equation 9 of Rifai et al."""
    net, examples = SmallNet(), waves(6)
    h = net.encode(examples.inputs)
    wanted = ((h * (1 - h)) ** 2) @ (net.there.weight**2).sum(dim=1)
    assert jacobian_square(net, examples.inputs).tolist() == pytest.approx(wanted.tolist(), rel=1e-4)


def test_random_probes_give_the_norm_on_average() -> None:
    """Two hundred random directions come near what every unit gives."""
    net, inputs = SmallNet(), waves(8).inputs
    with torch.no_grad():
        exact = jacobian_square(net, inputs).mean()
        probed = jacobian_square(net, inputs, 200, torch.Generator().manual_seed(0)).mean()
    assert float(probed) == pytest.approx(float(exact), rel=0.1)


def test_penalty_has_the_gradient_of_the_exact_norm() -> None:
    """It reaches the encoder's weights, and only where gradients are on."""
    net, inputs = SmallNet(), waves().inputs
    settings = ContractiveSettings(weight=0.5, probes=0)
    penalty = contractive_penalty(net, inputs, settings, torch.Generator())
    (slope,) = torch.autograd.grad(penalty, net.there.weight)
    assert float(slope.abs().sum()) > 0
    with torch.no_grad():
        again = contractive_penalty(net, inputs, settings, None)
    assert not again.requires_grad
    assert float(again) == pytest.approx(float(penalty.detach()), rel=1e-5)
    assert float(again) == pytest.approx(0.5 * _norm(net), rel=1e-5)


@pytest.mark.parametrize("probes", [0, 1])
def test_norm_falls_in_training(tmp_path: Path, probes: int) -> None:
    """Lower than after the same training without the penalty, and than at the start."""
    norms, examples = [_norm(SmallNet())], waves()
    for settings in (None, ContractiveSettings(weight=1.0, probes=probes)):
        net = SmallNet()
        objective = regularised(OBJECTIVES["population"], ObjectiveSettings(loss="mse", contractive=settings))
        training = FitSettings(epochs=30, batch=32, learning_rate=2e-2)
        fit(net, objective, examples, None, training, tmp_path / str(settings), lambda record: None)
        norms.append(_norm(net))
    start, free, held = norms
    assert held < 0.5 * min(start, free)


def test_settings_that_contract_nothing_are_refused() -> None:
    """The error tells what is needed."""
    for change in ({"weight": 0.0}, {"probes": -1}):
        with pytest.raises(ValueError, match="need a weight above 0"):
            ContractiveSettings(**change)
