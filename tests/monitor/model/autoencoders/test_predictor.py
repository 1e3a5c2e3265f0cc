"""Networks whose decoder continues the signal."""

from __future__ import annotations

import pytest
import torch

from monitor.model.autoencoders.interface import Inputs
from tests.support.kinds import SAMPLES, composed, learn, pair

pytestmark = pytest.mark.usefixtures("one_thread")


PERIOD = 16


def sines(n: int, samples: int) -> Inputs:
    """Sines of one period, any phase and amplitude."""
    phase, size = 2 * torch.pi * torch.rand(n, 1), 0.5 + torch.rand(n, 1)
    return Inputs(size * torch.sin(2 * torch.pi * torch.arange(samples) / PERIOD + phase))


def test_a_predictor_continues_a_sine() -> None:
    """From two periods the next one, with an error under 1 % of its power, for sines not yet seen."""
    sizes = {"patch": 4, "hidden": 16}
    net = composed(
        "lstm", "lstm", samples=3 * PERIOD, ahead=PERIOD, encoder_settings=sizes, decoder_settings=sizes
    )
    learn(net, sines(64, 3 * PERIOD), 300)
    given = sines(50, 3 * PERIOD)
    following, spread = net.predict(net.encode(given))
    assert following.shape == (50, PERIOD)
    assert spread is None
    wanted = given.window[:, -PERIOD:]
    assert (following - wanted).square().mean() < 0.01 * wanted.square().mean()


@pytest.mark.parametrize("ahead", [1, 5, 20, 36])
@pytest.mark.parametrize(("encoder", "decoder"), [("lstm", "lstm"), ("dense", "conv"), ("pca", "pca")])
def test_a_predictor_never_reads_what_it_predicts(encoder: str, decoder: str, ahead: int) -> None:
    """The last part, of any length, changes no prediction; the first part has no error."""
    net = pair(encoder, decoder, ahead=ahead, spread=True)
    windows = torch.randn(3, SAMPLES)
    other = windows.clone()
    other[:, -ahead:] = 9.0
    one, two = net(Inputs(windows)), net(Inputs(other))
    assert torch.equal(one.latent, two.latent)
    assert torch.equal(one.mean, two.mean)
    assert torch.equal(one.mean[:, :-ahead], windows[:, :-ahead])
    assert one.log_spread is not None
    assert (one.log_spread[:, :-ahead] == 0).all()
    assert (one.log_spread[:, -ahead:] != 0).all()


def test_a_short_window_is_predicted_from_its_own_first_part() -> None:
    """Of windows of other lengths in one batch, each one's last samples are predicted."""
    net, windows = composed(ahead=5), torch.randn(2, SAMPLES)
    out = net(Inputs(windows, torch.tensor([20, 37])))
    short = net(Inputs(windows[:1, :20]))
    assert torch.equal(out.mean[0, :15], windows[0, :15])
    assert out.mean[0, :20].tolist() == pytest.approx(short.mean[0].tolist(), abs=1e-6)


def test_linear_prediction_is_closed_form() -> None:
    """A sine is continued by principal component regression, without a step of training."""
    net = composed("pca", "pca", samples=3 * PERIOD, ahead=PERIOD)
    assert net.solve(sines(200, 3 * PERIOD))
    given = sines(20, 3 * PERIOD)
    assert net(given).mean.detach().numpy() == pytest.approx(given.window.numpy(), abs=1e-4)


@pytest.mark.parametrize("samples", [5, 38])
def test_a_window_of_another_length_is_refused(samples: int) -> None:
    """Nothing is left of it to predict from, or the decoder has no place for it."""
    with pytest.raises(ValueError, match=f"window has {samples} samples, wanted 6 to 37"):
        composed(ahead=5)(Inputs(torch.zeros(1, samples)))
