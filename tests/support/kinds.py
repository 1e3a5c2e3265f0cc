"""Small networks of every kind, for tests."""

from __future__ import annotations

from typing import Any

import torch

from monitor.model.autoencoders.composed import ComposedEncoderDecoder, ComposedSettings
from monitor.model.autoencoders.interface import Inputs

SAMPLES = 37
# Of each kind's encoder, and of its decoder.
KIND_SIZES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "dense": ({"hidden": [8]}, {"hidden": [8]}),
    "conv": ({"channels": [4, 4]}, {"hidden": [4, 4]}),
    "lstm": ({"hidden": 8}, {"hidden": 8, "position": 2}),
    "pca": ({}, {}),
}
PAIRS = [(encoder, decoder) for encoder in KIND_SIZES for decoder in KIND_SIZES]


def composed(encoder: str = "dense", decoder: str = "dense", **more: Any) -> ComposedEncoderDecoder:
    """A small network, not yet trained."""
    settings = {"encoder": encoder, "decoder": decoder, "samples": SAMPLES, "latent": 4, **more}
    return ComposedEncoderDecoder(ComposedSettings(**settings)).eval()


def pair(encoder: str, decoder: str, **more: Any) -> ComposedEncoderDecoder:
    """One kind's encoder with another's decoder, small ones."""
    sizes = {"encoder_settings": KIND_SIZES[encoder][0], "decoder_settings": KIND_SIZES[decoder][1]}
    return composed(encoder, decoder, **{**sizes, **more})


def learn(net: ComposedEncoderDecoder, given: Inputs, steps: int) -> float:
    """Mean squared error after so many steps of training."""
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        error = ((net(given).mean - given.window) ** 2).mean()
        error.backward()
        optimizer.step()
    return float(error.detach())
