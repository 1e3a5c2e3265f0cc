"""The dense encoder and decoder."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles

from monitor.model.autoencoders.interface import Inputs
from tests.support.kinds import composed

pytestmark = pytest.mark.usefixtures("one_thread")

LINEAR: dict[str, Any] = {"hidden": [], "activation": "identity"}


def test_one_linear_layer_each_way_spans_the_principal_subspace() -> None:
    """Trained to convergence, the decoder's columns are the first components' (Baldi & Hornik 1989)."""
    random = np.random.default_rng(0)
    scale = np.array([4.0, 3.0, 2.5, 2.0, 0.5, 0.4, 0.3, 0.2])
    axes = np.linalg.qr(random.standard_normal((16, 8)))[0]
    windows = random.standard_normal((300, 8)) * scale @ axes.T
    windows -= windows.mean(axis=0)
    net = composed(samples=16, encoder_settings=LINEAR, decoder_settings=LINEAR).double()
    given = Inputs(torch.from_numpy(windows))
    optimizer = torch.optim.LBFGS(net.parameters(), max_iter=500, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        loss = ((net(given).mean - given.window) ** 2).mean()
        loss.backward()
        return float(loss.detach())

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    components = np.linalg.svd(windows, full_matrices=False)[2][:4]
    learned = net.decoder.get_parameter("to_samples.weight").detach().numpy()
    assert subspace_angles(learned, components.T).max() < 1e-2
