"""Any encoder with any decoder, in one network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles

from monitor.autoencoders.composed import ComposedEncoderDecoder, ComposedSettings
from monitor.autoencoders.interface import Inputs
from monitor.autoencoders.kinds import kind
from monitor.autoencoders.registry import build
from monitor.scoring import run_tiled

SAMPLES = 37
LINEAR: dict[str, Any] = {"hidden": [], "activation": "identity"}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Torch as the worker runs it, and the same weights every time."""
    torch.set_num_threads(1)
    torch.manual_seed(0)


def composed(encoder: str = "dense", decoder: str = "dense", **more: Any) -> ComposedEncoderDecoder:
    """A small network, not yet trained."""
    settings = {"encoder": encoder, "decoder": decoder, "samples": SAMPLES, "latent": 4, **more}
    return ComposedEncoderDecoder(ComposedSettings(**settings)).eval()


def test_overcomplete_is_refused_without_regularisation() -> None:
    """A latent vector as wide as the window is refused, the error says why, and an objective allows it."""
    with pytest.raises(ValueError, match=r"latent is 40 for windows of 37 samples.*copy every window"):
        composed(latent=40)
    assert composed(latent=40, objective="sparse").settings.latent == 40
    assert composed(latent=40, variational=True).settings.variational


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


def test_spread_and_distribution() -> None:
    """Both are told where the settings say so, in the window's and the latent vector's shape."""
    net = composed(spread=True, variational=True, samples=40)
    given = Inputs(torch.randn(5, 40))
    out, (mean, log_variance) = net(given), net.encode_distribution(given)
    assert out.mean.shape == out.log_spread.shape == (5, 40)
    assert torch.equal(mean, out.latent)
    assert log_variance.shape == mean.shape == (5, 4)
    with pytest.raises(ValueError, match="only a variational encoder"):
        composed().encode_distribution(given)


def test_a_row_does_not_depend_on_its_place() -> None:
    """Any row in any tile gives what it gives alone, bit for bit, for a window of an odd length."""
    net, windows = composed(), torch.randn(130, SAMPLES)
    together = run_tiled(net, Inputs(windows))
    for row in (0, 1, 63, 64, 129):
        alone = run_tiled(net, Inputs(windows[row : row + 1]))
        assert (alone.mean[0] == together.mean[row]).all()
        assert (alone.latent[0] == together.latent[row]).all()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"encoder": "sparse"}, "kind is 'sparse', wanted one of dense"),
        ({"encoder_settings": {"activation": "cosine"}}, "activation is 'cosine', wanted one of identity"),
        ({"encoder_settings": {"hidden": [6]}}, "multiples of 4"),
        ({"latent": 6}, "multiples of 4"),
        ({"ahead": 37}, "need 0 <= ahead < samples"),
    ],
)
def test_what_cannot_be_built_is_said(settings: dict[str, Any], said: str) -> None:
    """Unknown names and impossible sizes are refused when the network is built."""
    with pytest.raises(ValueError, match=said):
        composed(**settings)


def test_registry_builds_the_composed_form() -> None:
    """By the manifest's form and settings."""
    net = build("composed", {"encoder": "dense", "decoder": "dense", "samples": 104, "latent": 8})
    assert isinstance(net, ComposedEncoderDecoder)
    assert net(Inputs(torch.zeros(2, 104))).latent.shape == (2, 8)
    assert kind("dense").encoder is not None
