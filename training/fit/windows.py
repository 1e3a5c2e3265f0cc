"""A network trained on a fixed set of windows, for protocols that have theirs."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from monitor.model.autoencoders.interface import EncoderDecoder, Inputs
from monitor.model.autoencoders.lstm import LstmEncoderDecoder, LstmSettings
from training.fit.loop import CHUNK, FitResult, FitSettings, OnEpoch, fit
from training.fit.objectives.examples import OBJECTIVES, Examples, Objective


def fit_windows(
    net: EncoderDecoder,
    objective: Objective,
    normals: NDArray[np.float32],
    held_out: NDArray[np.float32],
    settings: FitSettings,
    on_epoch: OnEpoch = lambda _: None,
) -> FitResult:
    """Train on (n, samples) normal windows, stopped on other normal ones; leaves no file."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint"
        return fit(net, objective, _examples(normals), _examples(held_out), settings, checkpoint, on_epoch)


def _examples(windows: NDArray[np.float32]) -> Examples:
    return Examples(Inputs(torch.from_numpy(np.ascontiguousarray(windows))))


def train_plain(
    normals: NDArray[np.float32],
    held_out: NDArray[np.float32],
    sizes: LstmSettings,
    settings: FitSettings,
) -> EncoderDecoder:
    """A network trained on (n, samples) normal windows, stopped on other normal ones."""
    torch.manual_seed(settings.seed)
    net = LstmEncoderDecoder(sizes)
    fit_windows(net, OBJECTIVES["population"], normals, held_out, settings)
    return net


@torch.no_grad()
def squared_error(net: EncoderDecoder, windows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean squared error of each window's reconstruction, (n,)."""
    out = np.empty(len(windows))
    for start in range(0, len(windows), CHUNK):
        part = torch.from_numpy(windows[start : start + CHUNK])
        out[start : start + CHUNK] = ((net(Inputs(part)).mean - part) ** 2).mean(dim=1).numpy()
    return out
