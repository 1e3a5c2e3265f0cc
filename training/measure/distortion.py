"""What of a window is lost if its latent vector is kept in place of its samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monitor.model.autoencoders.interface import EncoderDecoder, Inputs, Reconstruction
from monitor.model.scoring import run_tiled


def prd(signal: NDArray[np.float32], kept: NDArray[np.float32]) -> float:
    """Percent root mean square difference, 100 · √(Σ(x − y)² / Σx²); NaN for a signal that is 0."""
    return _percent(signal, kept, 0.0)


def prdn(signal: NDArray[np.float32], kept: NDArray[np.float32]) -> float:
    """The same with the signal's mean removed below, so that an offset makes no loss look small."""
    return _percent(signal, kept, float(np.mean(signal, dtype=np.float64)) if signal.size else 0.0)


def _percent(signal: NDArray[np.float32], kept: NDArray[np.float32], mean: float) -> float:
    if signal.shape != kept.shape:
        raise ValueError(f"need arrays of one shape; got {signal.shape} and {kept.shape}")
    lost = np.square(signal.astype(np.float64) - kept).sum()
    power = np.square(signal.astype(np.float64) - mean).sum()
    return float(100 * np.sqrt(lost / power)) if power else float("nan")


class Halved(EncoderDecoder):
    """A network whose latent vector is rounded to 16 bits a number, as many as a sample has."""

    def __init__(self, net: EncoderDecoder) -> None:
        super().__init__()
        self.net = net

    def encode(self, inputs: Inputs) -> Tensor:
        """Latent vectors, (batch, width), as they would be stored."""
        return self.net.encode(inputs).half().float()

    def decode(self, latent: Tensor, inputs: Inputs) -> Reconstruction:
        """Reconstruction from what was stored."""
        return self.net.decode(latent, inputs)


@dataclass(frozen=True, slots=True)
class Kept:
    """Windows of one network, (n, samples) mV, what is got back of them, and samples for each number kept."""

    windows: NDArray[np.float32]
    back: NDArray[np.float32]
    ratio: float

    def losses(self, rows: NDArray[np.bool_] | slice = slice(None)) -> tuple[float, float, float]:
        """Compression ratio, PRD and PRDN over some windows."""
        signal, back = self.windows[rows], self.back[rows]
        return self.ratio, prd(signal, back), prdn(signal, back)


def keep(net: EncoderDecoder, windows: NDArray[np.float32]) -> Kept:
    """What a network's latent vectors keep of windows, (n, samples) mV, both at 16 bits a number."""
    out = run_tiled(Halved(net).eval(), Inputs(torch.from_numpy(np.ascontiguousarray(windows))))
    width = out.latent.shape[1] if len(windows) else 0
    return Kept(windows, out.mean, windows.shape[1] / width if width else float("nan"))
