"""How much nearer to the clean beat a reconstruction is than the noisy beat that it was made from."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from monitor.model.autoencoders.interface import EncoderDecoder, Inputs
from monitor.model.scoring import run_tiled
from training.fit.objectives.corruption import add_noise


def snr_gain_db(
    clean: NDArray[np.float32], noisy: NDArray[np.float32], found: NDArray[np.float32]
) -> NDArray[np.float64]:
    """10 log10 of the noisy windows' squared error over the reconstructions', (n,); all (n, samples).

    The signal's power is in both ratios and falls out.
    """
    before, after = (((part - clean).astype(np.float64) ** 2).sum(axis=1) for part in (noisy, found))
    return np.asarray(10 * np.log10(before / after), np.float64)


def denoising_gain_db(
    net: EncoderDecoder,
    clean: NDArray[np.float32],
    noise: NDArray[np.float32],
    snr_db: float,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Each window's gain with a piece of noise from a random place at this ratio, (n,).

    clean: (n, samples) mV; noise: (m,), at least as long as a window.
    """
    window = torch.from_numpy(clean)
    random = np.random.default_rng(seed)
    first = random.integers(0, len(noise) - clean.shape[1] + 1, len(clean))
    pieces = torch.from_numpy(noise[first[:, None] + np.arange(clean.shape[1])])
    noisy = add_noise(window, pieces, torch.full((len(window),), snr_db))
    return snr_gain_db(clean, noisy.numpy(), run_tiled(net, Inputs(noisy)).mean)
