"""The LSTM encoder and decoder, of any depth and direction."""

from __future__ import annotations

import pytest
import torch

from monitor.model.autoencoders.interface import Inputs
from monitor.model.autoencoders.recurrent import LstmEncoder
from monitor.model.scoring import run_tiled
from tests.support.kinds import SAMPLES, composed

pytestmark = pytest.mark.usefixtures("one_thread")


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
