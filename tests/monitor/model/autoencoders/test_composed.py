"""Any encoder with any decoder, in one network."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from monitor.model.autoencoders.composed import ComposedEncoderDecoder
from monitor.model.autoencoders.interface import Inputs
from monitor.model.autoencoders.kinds import KINDS, kind
from monitor.model.autoencoders.parts import Decoder, Encoder
from monitor.model.autoencoders.registry import build
from monitor.model.scoring import run_tiled
from tests.support.kinds import KIND_SIZES, PAIRS, SAMPLES, composed, pair

pytestmark = pytest.mark.usefixtures("one_thread")


def test_overcomplete_is_refused_without_regularisation() -> None:
    """A latent vector as wide as the window is refused, the error says why, and an objective allows it."""
    with pytest.raises(ValueError, match=r"latent is 40 for windows of 37 samples.*copy every window"):
        composed(latent=40)
    assert composed(latent=40, objective="sparse").settings.latent == 40
    assert composed(latent=40, variational=True).settings.variational


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
        ({"encoder": "sparse"}, "kind is 'sparse', wanted one of conv, dense"),
        ({"encoder_settings": {"activation": "cosine"}}, "activation is 'cosine', wanted one of identity"),
        ({"encoder_settings": {"hidden": [6]}}, "multiples of 4"),
        ({"encoder": "lstm", "encoder_settings": {"depth": 0}}, "need patch and depth >= 1; got 8 and 0"),
        ({"decoder": "conv", "decoder_settings": {"kernel": 4}}, "a kernel with a middle"),
        ({"latent": 6}, "multiples of 4"),
        ({"ahead": 37}, "need 0 <= ahead < samples"),
    ],
)
def test_what_cannot_be_built_is_said(settings: dict[str, Any], said: str) -> None:
    """Unknown names and impossible sizes are refused when the network is built."""
    with pytest.raises(ValueError, match=said):
        composed(**settings)


def test_every_kind_has_sizes_here() -> None:
    """What follows holds for all of them."""
    assert set(KIND_SIZES) == set(KINDS)


@pytest.mark.parametrize(("encoder", "decoder"), PAIRS)
def test_windows_of_any_length_share_a_batch(encoder: str, decoder: str) -> None:
    """With every pair a window gives together with others what it gives alone, whatever its padding holds."""
    net, windows = pair(encoder, decoder, spread=True), torch.randn(6, SAMPLES)
    lengths = [1, 8, 9, 20, 36, 37]
    together = run_tiled(net, Inputs(windows, torch.tensor(lengths)))
    for row, length in enumerate(lengths):
        padded = windows[row : row + 1].clone()
        padded[:, length:] = 77.0
        alone = run_tiled(net, Inputs(padded, torch.tensor([length])))
        short = run_tiled(net, Inputs(windows[row : row + 1, :length].contiguous()))
        assert (together.latent[row] == alone.latent[0]).all()
        assert (together.mean[row] == alone.mean[0]).all()
        assert together.latent[row] == pytest.approx(short.latent[0], abs=1e-6)
        assert together.mean[row, :length] == pytest.approx(short.mean[0], abs=1e-6)


@pytest.mark.parametrize(("encoder", "decoder"), PAIRS)
def test_gradients_reach_every_layer(encoder: str, decoder: str) -> None:
    """An error moves all weights that training may move; only the principal axes are not among them."""
    net = pair(encoder, decoder, spread=True, samples=40)
    out = net(Inputs(torch.randn(6, 40)))
    assert out.log_spread is not None
    (out.mean**2 + out.log_spread**2).mean().backward()
    moved = dict(net.named_parameters())
    for name in ("encoder.components", "encoder.mean"):
        if encoder == "pca":
            assert moved.pop(name).grad is None
    for name, weight in moved.items():
        assert weight.grad is not None, name
        assert weight.grad.abs().max() > 0, name


def test_registry_builds_the_composed_form() -> None:
    """By the manifest's form and settings."""
    net = build("composed", {"encoder": "dense", "decoder": "dense", "samples": 104, "latent": 8})
    assert isinstance(net, ComposedEncoderDecoder)
    assert net(Inputs(torch.zeros(2, 104))).latent.shape == (2, 8)
    assert kind("dense").encoder is not None


def test_the_base_classes_are_only_interfaces() -> None:
    """A part has to say what it does, and is not solved where it says nothing of a closed form."""
    window = torch.zeros(1, 8)
    for call in (
        lambda: Encoder()(window, None),
        lambda: Decoder()(window, 8),
        lambda: Encoder().solve(window),
        lambda: Decoder().solve(window, window),
    ):
        with pytest.raises(NotImplementedError):
            call()
    assert not Encoder.closed_form
    assert not Decoder.closed_form
