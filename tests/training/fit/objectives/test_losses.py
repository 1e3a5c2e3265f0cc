"""Every loss against its closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from monitor.model.autoencoders.interface import Reconstruction
from tests.test_docs import table
from training.fit.objectives.losses import HUBER_MV, LOSSES, RANGE

_WINDOW = torch.tensor([[0.0, 1.0, -0.5, 0.25], [2.0, 0.0, 0.0, -2.0]])
_ERROR = torch.tensor([[0.05, -0.3, 0.0, 0.1], [1.0, 0.02, -0.5, 0.0]])


def _loss(name: str, error: Tensor = _ERROR, log_spread: Tensor | None = None) -> list[float]:
    out = Reconstruction(_WINDOW + error, torch.zeros(2, 4), log_spread)
    found: list[float] = LOSSES[name](out, _WINDOW).tolist()
    return found


def _rows(cell: object) -> list[float]:
    """Mean over samples of a function of error and window, worked out one by one."""
    assert callable(cell)
    return [
        sum(cell(e, x) for e, x in zip(errors, xs, strict=True)) / len(xs)
        for errors, xs in zip(_ERROR.tolist(), _WINDOW.tolist(), strict=True)
    ]


def _huber(error: float, _x: float) -> float:
    size = abs(error)
    return size**2 / 2 if size <= HUBER_MV else HUBER_MV * (size - HUBER_MV / 2)


def _entropy(error: float, x: float) -> float:
    low, high = RANGE
    target, found = (x - low) / (high - low), (x + error - low) / (high - low)
    return -(target * math.log(found) + (1 - target) * math.log(1 - found))


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("mse", lambda e, x: e**2),
        ("mae", lambda e, x: abs(e)),
        ("huber", _huber),
        ("bce", _entropy),
    ],
)
def test_loss_is_its_closed_form(name: str, cell: object) -> None:
    """A mean over samples, one value a window."""
    assert _loss(name) == pytest.approx(_rows(cell), rel=1e-4)


def test_log_loss_is_the_logarithm_of_the_square() -> None:
    """But for a floor of a thousandth of the window's power."""
    square, power = _rows(lambda e, x: e**2), _rows(lambda e, x: x**2)
    wanted = [math.log(s + 1e-3 * p + 1e-5) for s, p in zip(square, power, strict=True)]
    assert _loss("log") == pytest.approx(wanted, rel=1e-4)


def test_gaussian_loss_is_the_density_of_the_error() -> None:
    """Negative log of the normal density with the spread that the decoder tells."""
    log_spread = torch.linspace(-2, 1, 8).reshape(2, 4)
    density = torch.distributions.Normal(_WINDOW + _ERROR, log_spread.exp())
    wanted = -density.log_prob(_WINDOW).mean(dim=1)  # type: ignore[no-untyped-call]
    assert _loss("gaussian", log_spread=log_spread) == pytest.approx(wanted.tolist(), rel=1e-5)


def test_gaussian_loss_needs_a_spread() -> None:
    """A decoder that tells none has no likelihood."""
    with pytest.raises(ValueError, match="tells its spread"):
        _loss("gaussian")


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_no_error_is_best_and_its_slope_leads_there(name: str) -> None:
    """Every loss is least at the window itself, and going down its slope leads towards it."""
    spread = torch.zeros(2, 4)
    assert all(
        a < b for a, b in zip(_loss(name, 0 * _ERROR, spread), _loss(name, _ERROR, spread), strict=True)
    )
    mean = (_WINDOW + _ERROR).requires_grad_()
    loss = LOSSES[name](Reconstruction(mean, torch.zeros(2, 4), spread), _WINDOW).sum()
    (slope,) = torch.autograd.grad(loss, mean)
    assert torch.equal(slope.sign(), _ERROR.sign())


def test_entropy_leads_back_from_outside_of_its_range() -> None:
    """Where the scaled signal leaves 0–1 the loss still rises with the distance."""
    near, far = (_loss("bce", torch.full((2, 4), 10.0 + more)) for more in (0.0, 5.0))
    assert all(a < b and math.isfinite(b) for a, b in zip(near, far, strict=True))


def test_the_page_names_every_loss() -> None:
    """As a choice of `ecg-train fit`."""
    rows = table("docs/autoencoders.md", "loss", "of the error $e = x - \\hat x$")
    assert [row[0] for row in rows] == list(LOSSES)
