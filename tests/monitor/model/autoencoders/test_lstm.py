"""The two forms of the LSTM encoder-decoder."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from monitor.adapt.usual_beat import FEATURES, HISTORY
from monitor.model.autoencoders.contextual import ContextualEncoderDecoder, ContextualSettings
from monitor.model.autoencoders.interface import EncoderDecoder, Inputs, Reconstruction, patches
from monitor.model.autoencoders.lstm import LstmEncoderDecoder, LstmSettings
from monitor.model.autoencoders.registry import build
from monitor.model.scoring import run_tiled

SAMPLES = 104


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Torch as the worker runs it, and the same weights every time."""
    torch.set_num_threads(1)
    torch.manual_seed(0)


def plain() -> LstmEncoderDecoder:
    """A small plain form."""
    return LstmEncoderDecoder(LstmSettings(hidden=16, latent=4, position=4))


def contextual() -> ContextualEncoderDecoder:
    """A small contextual form."""
    return ContextualEncoderDecoder(ContextualSettings(hidden=16, latent=4, decoder=16, position=4))


def inputs(n: int = 6) -> Inputs:
    """Inputs for either form."""
    return Inputs(
        window=torch.randn(n, SAMPLES),
        usual=torch.randn(n, SAMPLES),
        past=torch.randn(n, HISTORY, FEATURES),
        log_scale=torch.randn(n),
    )


def test_plain_form_gives_a_window_and_its_latent_vector() -> None:
    """Shapes are the window's, and `encode` alone gives the latent vector."""
    net, given = plain().eval(), inputs()
    out = net(given)
    assert out.mean.shape == (6, SAMPLES)
    assert torch.equal(net.encode(given), out.latent)
    assert out.log_spread is None
    assert out.rhythm is None


def test_contextual_form_gives_spread_and_rhythm_too() -> None:
    """Expected beat and log spread of the window's length, and two numbers on the next RR."""
    net, given = contextual().eval(), inputs()
    out = net(given)
    assert out.log_spread is not None
    assert out.rhythm is not None
    assert out.mean.shape == out.log_spread.shape == (6, SAMPLES)
    assert out.rhythm.shape == (6, 2)
    assert torch.equal(net.encode(given), out.latent)


def test_contextual_form_never_reads_the_window() -> None:
    """Another window, even one that is not a number, leaves every output as it is."""
    net, given = contextual().eval(), inputs()
    other = Inputs(torch.full_like(given.window, torch.nan), None, given.usual, given.past, given.log_scale)
    first, second = net(given), net(other)
    for name in ("mean", "log_spread", "latent", "rhythm"):
        assert torch.equal(getattr(first, name), getattr(second, name))


def test_plain_form_reads_the_window() -> None:
    """Two windows have two reconstructions."""
    net, given = plain().eval(), inputs(2)
    latent = net.encode(given)
    assert not torch.equal(latent[0], latent[1])


@pytest.mark.parametrize("make", [plain, contextual])
def test_gradients_reach_every_layer(make: type[EncoderDecoder]) -> None:
    """An error in the reconstruction moves all weights, the encoder's first layer among them."""
    net = make()
    given = inputs()
    if isinstance(net, ContextualEncoderDecoder):
        torch.nn.init.normal_(net.lead_scale)
    out = net(given)
    parts = [part for part in (out.mean - given.window, out.log_spread, out.rhythm) if part is not None]
    torch.stack([(part**2).mean() for part in parts]).sum().backward()  # type: ignore[no-untyped-call]
    for name, weight in net.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().max() > 0, name


def test_plain_form_learns() -> None:
    """A few steps on two windows bring the error well below that of the mean window."""
    net, given = plain(), Inputs(torch.stack([torch.sin(torch.arange(SAMPLES) / k) for k in (4.0, 9.0)]))
    optimiser = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(150):
        optimiser.zero_grad()
        error = ((net(given).mean - given.window) ** 2).mean()
        error.backward()
        optimiser.step()
    between = ((given.window.mean(dim=0) - given.window) ** 2).mean()
    assert error < 0.5 * between


@pytest.mark.parametrize("lengths", [[1, 8, 9, 50, 103, 104], [104, 30, 30, 7, 16, 64]])
def test_windows_of_any_length_share_a_batch(lengths: list[int]) -> None:
    """Together with longer ones a window gives what it gives alone, whatever its padding holds."""
    net, given = plain().eval(), inputs()
    together = run_tiled(net, Inputs(given.window, torch.tensor(lengths)))
    for row, length in enumerate(lengths):
        padded = given.window[row : row + 1].clone()
        padded[:, length:] = 77.0
        alone = run_tiled(net, Inputs(padded, torch.tensor([length])))
        assert (together.latent[row] == alone.latent[0]).all()
        assert (together.mean[row] == alone.mean[0]).all()
        short = run_tiled(net, Inputs(given.window[row : row + 1, :length]))
        assert together.latent[row] == pytest.approx(short.latent[0], abs=1e-6)
        assert together.mean[row, :length] == pytest.approx(short.mean[0], abs=1e-6)


def test_full_length_is_no_length() -> None:
    """Windows of full length give the same with and without saying so."""
    net, given = plain().eval(), inputs()
    told = net.encode(Inputs(given.window, torch.full((6,), SAMPLES)))
    assert torch.equal(told, net.encode(Inputs(given.window)))


def test_patches_are_padded_with_zeros() -> None:
    """The last patch holds what is left, and zeros."""
    cut = patches(torch.arange(1.0, 11.0)[None], 4)
    assert cut.tolist() == [[[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 0, 0]]]


def test_a_window_that_is_too_long_is_refused() -> None:
    """The learned positions end somewhere."""
    net = LstmEncoderDecoder(LstmSettings(steps=3, hidden=8, latent=4))
    with pytest.raises(ValueError, match="wanted 24 at most"):
        net(Inputs(torch.zeros(1, 25)))


@pytest.mark.parametrize(
    "given",
    [
        Inputs(torch.zeros(1, SAMPLES)),
        Inputs(torch.zeros(1, SAMPLES), past=torch.zeros(1, HISTORY, FEATURES), log_scale=torch.zeros(1)),
    ],
)
def test_contextual_form_needs_its_inputs(given: Inputs) -> None:
    """Without past or usual beat there is nothing to expect from."""
    with pytest.raises(ValueError, match="the contextual form needs"):
        contextual()(given)


@pytest.mark.parametrize(("form", "sizes"), [("lstm", {"hidden": 6}), ("contextual", {"decoder": 2})])
def test_widths_that_round_by_place_are_refused(form: str, sizes: dict[str, int]) -> None:
    """Layers whose rows depend on each other's number are not built."""
    with pytest.raises(ValueError, match="multiples of 4"):
        build(form, sizes)


def test_registry_knows_its_forms() -> None:
    """Names become networks with the settings' sizes; unknown names and settings are refused."""
    assert isinstance(build("lstm", {"latent": 8}), LstmEncoderDecoder)
    net = build("contextual", {"latent": 8})
    assert isinstance(net, ContextualEncoderDecoder)
    assert net.contextual
    assert net.settings.latent == 8
    with pytest.raises(ValueError, match="wanted 'lstm'"):
        build("transformer", {})
    with pytest.raises(TypeError):
        build("lstm", {"width": 8})


def test_contextual_form_takes_what_a_stream_remembers() -> None:
    """Its features are those of monitor.adapt.usual_beat."""
    assert ContextualSettings().features == FEATURES


def test_the_base_class_is_only_an_interface() -> None:
    """A form has to say how it encodes and decodes."""

    class Half(EncoderDecoder):
        def encode(self, inputs: Inputs) -> Tensor:
            return inputs.window

    given = Inputs(torch.zeros(1, 8))
    with pytest.raises(NotImplementedError):
        EncoderDecoder().encode(given)
    with pytest.raises(NotImplementedError):
        Half()(given)
    assert Reconstruction(given.window, given.window).rhythm is None
