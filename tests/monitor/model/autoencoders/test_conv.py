"""The convolutional encoder and decoder."""

from __future__ import annotations

import pytest
import torch

from monitor.model.autoencoders.interface import Inputs
from tests.support.kinds import SAMPLES, composed, learn

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("samples", [5, 8, 31, 100, 101, 257])
def test_convolutions_take_windows_of_any_length(samples: int) -> None:
    """Whatever the strides leave over, the reconstruction is as long as the window."""
    net = composed("conv", "conv", samples=samples)
    for length in (1, samples // 2, samples):
        assert net(Inputs(torch.randn(3, length))).mean.shape == (3, length)


def test_convolutions_learn_windows() -> None:
    """A few steps on two windows bring the error well below that of the mean window."""
    net, given = (
        composed("conv", "conv"),
        Inputs(torch.stack([torch.sin(torch.arange(SAMPLES) / k) for k in (4.0, 9.0)])),
    )
    between = ((given.window.mean(dim=0) - given.window) ** 2).mean()
    assert learn(net, given, 100) < 0.1 * between
