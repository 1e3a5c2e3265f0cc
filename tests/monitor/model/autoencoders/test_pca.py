"""Principal components in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from monitor.model.autoencoders.interface import Inputs
from tests.support.kinds import SAMPLES, composed, pair

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("samples", [37, 40])
def test_principal_components_are_scikit_learns(samples: int) -> None:
    """Solved at once, the reconstruction of windows not yet seen is that of scikit-learn's PCA."""
    random = np.random.default_rng(1)
    mixing = random.standard_normal((samples, samples)) * np.linspace(2, 0.1, samples)
    normal, others = (random.standard_normal((n, samples)) @ mixing.T + 3.0 for n in (400, 50))
    net = composed("pca", "pca", samples=samples, latent=8, spread=True)
    assert net.solve(Inputs(torch.from_numpy(normal).float()))
    out = net(Inputs(torch.from_numpy(others).float()))
    pca = PCA(8, svd_solver="full").fit(normal)
    wanted = pca.inverse_transform(pca.transform(others))
    assert out.mean.detach().numpy() == pytest.approx(wanted, abs=2e-4 * np.abs(wanted).max())
    left = (normal - pca.inverse_transform(pca.transform(normal))).std(axis=0)
    assert out.log_spread is not None
    assert out.log_spread[0].detach().numpy() == pytest.approx(np.log(left), abs=1e-3)


def test_more_components_than_the_windows_have() -> None:
    """Windows that all lie in a line are reconstructed, and nothing becomes infinite."""
    window = torch.outer(torch.linspace(-1, 1, 50), torch.sin(torch.arange(40.0)))
    net = composed("pca", "pca", samples=40, latent=8)
    assert net.solve(Inputs(window))
    assert net(Inputs(window)).mean.detach().numpy() == pytest.approx(window.numpy(), abs=1e-5)
    with pytest.raises(ValueError, match="as many samples as components"):
        composed("pca", "pca", samples=4, latent=8, objective="sparse")


def test_only_the_encoder_is_solved_where_the_decoder_has_no_closed_form() -> None:
    """Something is left to train, and the axes are found already."""
    net = pair("pca", "dense")
    before = net.encoder.get_parameter("components").clone()
    assert not net.solve(Inputs(torch.randn(50, SAMPLES)))
    assert not torch.equal(net.encoder.get_parameter("components"), before)
    assert not pair("dense", "pca").solve(Inputs(torch.randn(50, SAMPLES)))
    with pytest.raises(ValueError, match="gives no distribution"):
        pair("pca", "dense", variational=True)
