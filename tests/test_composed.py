"""Any encoder with any decoder, in one network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA

from monitor.autoencoders.composed import ComposedEncoderDecoder, ComposedSettings
from monitor.autoencoders.interface import Inputs
from monitor.autoencoders.kinds import KINDS, kind
from monitor.autoencoders.recurrent import LstmEncoder
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
        ({"encoder": "sparse"}, "kind is 'sparse', wanted one of dense, conv"),
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


SIZES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "dense": ({"hidden": [8]}, {"hidden": [8]}),
    "conv": ({"channels": [4, 4]}, {"hidden": [4, 4]}),
    "lstm": ({"hidden": 8}, {"hidden": 8, "position": 2}),
    "pca": ({}, {}),
}
PAIRS = [(encoder, decoder) for encoder in SIZES for decoder in SIZES]


def pair(encoder: str, decoder: str, **more: Any) -> ComposedEncoderDecoder:
    """One kind's encoder with another's decoder, small ones."""
    sizes = {"encoder_settings": SIZES[encoder][0], "decoder_settings": SIZES[decoder][1]}
    return composed(encoder, decoder, **{**sizes, **more})


def test_every_kind_has_sizes_here() -> None:
    """What follows holds for all of them."""
    assert set(SIZES) == set(KINDS)


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


def learn(net: ComposedEncoderDecoder, given: Inputs, steps: int) -> float:
    """Mean squared error after so many steps of training."""
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        error = ((net(given).mean - given.window) ** 2).mean()
        error.backward()
        optimizer.step()
    return float(error.detach())


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_depth_and_direction(depth: int, bidirectional: bool) -> None:
    """They give the parameters of torch's own stack, and its output where all windows are whole."""
    net = LstmEncoder(40, 4, hidden=8, depth=depth, bidirectional=bidirectional)
    own = torch.nn.LSTM(8, 8, depth, batch_first=True, bidirectional=bidirectional)
    assert sum(p.numel() for p in net.parameters()) == sum(p.numel() for p in own.parameters())
    parts = [(net.forwards, ""), (net.backwards, "_reverse")]
    weights = {
        f"{name.removesuffix('_l0')}_l{layer}{suffix}": value
        for modules, suffix in parts
        for layer, module in enumerate(modules)
        for name, value in module.state_dict().items()
    }
    own.load_state_dict(weights)
    window = torch.randn(3, 40)
    _, (hidden, _) = own(window.reshape(3, 5, 8))
    got = net(window, None)
    assert got.shape == (3, net.width) == (3, 8 * (1 + bidirectional))
    assert got.detach().numpy() == pytest.approx(
        torch.cat(list(hidden[-1 - bidirectional :]), 1).detach().numpy(), abs=1e-6
    )


@pytest.mark.parametrize("bidirectional", [False, True])
def test_stacks_train_and_share_batches(bidirectional: bool) -> None:
    """Gradients reach the first layer of a deep pair, and a short window knows nothing of its neighbours."""
    sizes = {"hidden": 8, "depth": 2, "bidirectional": bidirectional}
    net = composed("lstm", "lstm", encoder_settings=sizes, decoder_settings=sizes)
    windows, lengths = torch.randn(4, SAMPLES), torch.tensor([3, 37, 16, 17])
    together = run_tiled(net, Inputs(windows, lengths))
    alone = run_tiled(net, Inputs(windows[2:3], lengths[2:3]))
    short = run_tiled(net, Inputs(windows[2:3, :16].contiguous()))
    assert (together.latent[2] == alone.latent[0]).all()
    assert together.latent[2] == pytest.approx(short.latent[0], abs=1e-6)
    net(Inputs(windows)).mean.square().mean().backward()
    first = [p for name, p in net.encoder.named_parameters() if "wards.0." in name]
    assert len(first) == 4 * (1 + bidirectional)
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in first)


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


def test_registry_builds_the_composed_form() -> None:
    """By the manifest's form and settings."""
    net = build("composed", {"encoder": "dense", "decoder": "dense", "samples": 104, "latent": 8})
    assert isinstance(net, ComposedEncoderDecoder)
    assert net(Inputs(torch.zeros(2, 104))).latent.shape == (2, 8)
    assert kind("dense").encoder is not None
