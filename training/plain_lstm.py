"""The plain LSTM encoder-decoder on fixed sets of windows: a baseline of the published protocols."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from monitor.autoencoders.interface import EncoderDecoder, Inputs
from monitor.autoencoders.lstm import LstmEncoderDecoder, LstmSettings
from training.fit import CHUNK, FitSettings, fit
from training.objectives import OBJECTIVES, Examples


def train_plain(
    normals: NDArray[np.float32],
    held_out: NDArray[np.float32],
    sizes: LstmSettings,
    settings: FitSettings,
) -> EncoderDecoder:
    """A network trained on (n, samples) normal windows, stopped on other normal ones."""
    torch.manual_seed(settings.seed)
    net = LstmEncoderDecoder(sizes)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint"
        plain = OBJECTIVES["population"]
        fit(net, plain, _examples(normals), _examples(held_out), settings, checkpoint, lambda _: None)
    return net


@torch.no_grad()
def squared_error(net: EncoderDecoder, windows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean squared error of each window's reconstruction, (n,)."""
    out = np.empty(len(windows))
    for start in range(0, len(windows), CHUNK):
        part = torch.from_numpy(windows[start : start + CHUNK])
        out[start : start + CHUNK] = ((net(Inputs(part)).mean - part) ** 2).mean(dim=1).numpy()
    return out


def _examples(windows: NDArray[np.float32]) -> Examples:
    return Examples(Inputs(torch.from_numpy(np.ascontiguousarray(windows))))
