"""Restricted Boltzmann machines against what can be counted out."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor

from training.fit.rbm import Rbm, slope, train_rbm

KINDS = [(False, False), (True, False), (False, True)]


def _tiny(gaussian_visible: bool = False, gaussian_hidden: bool = False) -> Rbm:
    """Four visible and three hidden units, of double precision."""
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((4, 3), (4,), (3,))]
    return Rbm(0.4 * parts[0], 0.3 * parts[1], 0.3 * parts[2], gaussian_visible, gaussian_hidden)


def _states(count: int) -> Tensor:
    """All states of binary units."""
    return torch.tensor(list(product((0.0, 1.0), repeat=count)), dtype=torch.float64)


def _energy(rbm: Rbm, v: Tensor, h: Tensor) -> Tensor:
    """Of every visible with every hidden state, (visible states, hidden states)."""
    return -(v @ rbm.visible)[:, None] - (h @ rbm.hidden)[None] - v @ rbm.weights @ h.T


def test_free_energy_counts_every_hidden_state() -> None:
    """−log Σ_h exp(−E), by enumeration."""
    rbm, v = _tiny(), _states(4)
    wanted = -torch.logsumexp(-_energy(rbm, v, _states(3)), dim=1)
    assert torch.allclose(rbm.free_energy(v), wanted)


def test_slope_is_the_gradient_by_enumeration() -> None:
    """With all states at their exact probability it is the derivative of the mean log-likelihood."""
    rbm, data = _tiny(), _states(4)[[3, 5, 5, 14]]
    parts = [part.requires_grad_() for part in (rbm.weights, rbm.visible, rbm.hidden)]
    free = -torch.logsumexp(-_energy(rbm, _states(4), _states(3)), dim=1)
    of_data = -torch.logsumexp(-_energy(rbm, data, _states(3)), dim=1)
    likelihood = (-of_data - torch.logsumexp(-free, dim=0)).mean()
    wanted = torch.autograd.grad(likelihood, parts)
    with torch.no_grad():
        found = slope(rbm, data, _states(4), torch.softmax(-free, dim=0))
    for one, other in zip((found.weights, found.visible, found.hidden), wanted, strict=True):
        assert torch.allclose(one, other)


def test_long_chains_come_near_the_gradient() -> None:
    """Contrastive divergence with many steps from the data has the exact slope on average."""
    rbm, generator = _tiny(), torch.Generator().manual_seed(1)
    data = _states(4)[[3, 5, 5, 14]]
    exact = slope(rbm, data, _states(4), torch.softmax(-rbm.free_energy(_states(4)), dim=0))
    start = data.repeat(4000, 1)
    means = rbm.gibbs(start, 20, generator)
    drawn = (torch.rand(means.shape, generator=generator) < means).double()
    assert torch.allclose(slope(rbm, data, drawn).weights, exact.weights, atol=0.02)


@pytest.mark.parametrize(("visible", "hidden"), KINDS)
def test_slope_is_that_of_the_free_energy(visible: bool, hidden: bool) -> None:
    """For every kind of units: the derivative of F at the chain's ends less that at the data."""
    rbm, generator = _tiny(visible, hidden), torch.Generator().manual_seed(2)
    data, ends = torch.rand(2, 6, 4, generator=generator, dtype=torch.float64)
    found = slope(rbm, data, ends)
    parts = [part.requires_grad_() for part in (rbm.weights, rbm.visible, rbm.hidden)]
    wanted = torch.autograd.grad((rbm.free_energy(ends).mean() - rbm.free_energy(data).mean()), parts)
    for one, other in zip((found.weights, found.visible, found.hidden), wanted, strict=True):
        assert torch.allclose(one, other)


def _patterns(gaussian: bool) -> Tensor:
    """Three patterns of 12 units, with a little noise."""
    generator = torch.Generator().manual_seed(3)
    patterns = (torch.rand(3, 12, generator=generator) < 0.4).float()
    data = patterns[torch.randint(0, 3, (300,), generator=generator)]
    if gaussian:
        return 2 * data - 1 + 0.3 * torch.randn(data.shape, generator=generator)
    return (data - (torch.rand(data.shape, generator=generator) < 0.03).float()).abs()


@pytest.mark.parametrize(("visible", "hidden"), KINDS)
def test_error_and_gap_fall(visible: bool, hidden: bool) -> None:
    """One step gives the data back better and better, and the free energies of both come together."""
    generator = torch.Generator().manual_seed(4)
    rbm = Rbm.create(12, 8, generator, inputs=visible, code=hidden)
    rate = 0.005 if visible or hidden else 0.05
    records = list(train_rbm(rbm, _patterns(visible), 40, 20, rate, generator))
    assert records[-1].error < 0.5 * records[0].error
    highest = max(abs(each.gap) for each in records[:20])
    assert abs(records[-1].gap) < 0.6 * highest


def test_training_repeats_itself() -> None:
    """The generator decides all that is drawn."""
    runs = []
    for _ in range(2):
        generator = torch.Generator().manual_seed(5)
        rbm = Rbm.create(12, 4, generator)
        runs.append((list(train_rbm(rbm, _patterns(False), 3, 50, 0.05, generator)), rbm.weights))
    assert runs[0][0] == runs[1][0]
    assert torch.equal(runs[0][1], runs[1][1])
