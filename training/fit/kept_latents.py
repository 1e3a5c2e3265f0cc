"""The normal latent vectors that a network keeps to measure others' distance by."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from monitor.model.autoencoders.interface import EncoderDecoder, Inputs
from monitor.model.autoencoders.scores import NearestLatent
from monitor.model.scoring import run_tiled

DRAWN = 20_000  # of the normal windows that the centres are sought among
ROUNDS = 10  # of k-means: the distance to the nearest centre hardly changes after these


def keep_latents(net: EncoderDecoder, normals: Inputs, seed: int) -> bool:
    """Fill a trained network's set of normal latents; False if it has none. The network is on the CPU.

    The set is k-means centres (MacQueen 1967), which cover rare normal shapes better than as many
    windows drawn at random.
    """
    if not isinstance(net.score, NearestLatent):
        return False
    random = np.random.default_rng(seed)
    count = len(normals.window)
    chosen = np.sort(random.permutation(count)[:DRAWN])
    latent = run_tiled(net.eval(), normals.rows(torch.from_numpy(chosen))).latent
    with torch.no_grad():
        net.score.kept.copy_(torch.from_numpy(centres(latent, len(net.score.kept), seed)))
    return True


def centres(latent: NDArray[np.float32], count: int, seed: int) -> NDArray[np.float32]:
    """(count, width) k-means centres of (n, width) latents; of fewer than `count`, themselves repeated."""
    if len(latent) <= count:
        return np.resize(latent, (count, latent.shape[1]))
    found = KMeans(count, init="random", n_init=1, max_iter=ROUNDS, random_state=seed)
    return np.asarray(found.fit(latent).cluster_centers_, np.float32)
