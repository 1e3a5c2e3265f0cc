"""A network trained on a fixed set of windows, for protocols that have theirs."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from monitor.model.autoencoders.interface import EncoderDecoder, Inputs
from training.fit.loop import FitResult, FitSettings, Progress, fit
from training.fit.objectives.examples import Examples, Objective


def fit_windows(
    net: EncoderDecoder,
    objective: Objective,
    normals: NDArray[np.float32],
    held_out: NDArray[np.float32],
    settings: FitSettings,
    on_epoch: Progress = lambda _: None,
) -> FitResult:
    """Train on (n, samples) normal windows, stopped on other normal ones; leaves no file."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "checkpoint"
        return fit(net, objective, _examples(normals), _examples(held_out), settings, checkpoint, on_epoch)


def _examples(windows: NDArray[np.float32]) -> Examples:
    return Examples(Inputs(torch.from_numpy(np.ascontiguousarray(windows))))
