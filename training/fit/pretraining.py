"""Weights to begin with: a dense stack learned layer by layer before it is trained as a whole.

`greedy`: each layer and its mirror image in the decoder are a shallow autoencoder of what the layers
before give (Bengio et al. 2007). `rbm`: each is a restricted Boltzmann machine, unrolled into encoder
and decoder (Hinton & Salakhutdinov 2006).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from monitor.model.autoencoders.composed import ComposedEncoderDecoder
from monitor.model.autoencoders.dense import DenseDecoder, DenseEncoder
from monitor.model.autoencoders.interface import EncoderDecoder
from training.fit.objectives.settings import changed
from training.fit.rbm import Rbm, train_rbm

KINDS = ("greedy", "rbm")
GAUSSIAN_SHARE = 0.1  # of the rate, for Gaussian units: nothing bounds them
TINY = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainingSettings:
    """How the layers are learned one by one."""

    kind: str = "greedy"
    epochs: int = 5  # of each layer
    batch: int = 128
    learning_rate: float = 3e-3  # of Adam for greedy
    rbm_rate: float = 0.05  # of contrastive divergence

    def __post_init__(self) -> None:
        whole = min(self.epochs, self.batch) >= 1
        if self.kind not in KINDS or not whole or min(self.learning_rate, self.rbm_rate) <= 0:
            raise ValueError(f"need a kind of {KINDS}, epochs and batch >= 1, rates above 0; got {self}")


def pretraining_settings(kind: str | None, given: Mapping[str, Any]) -> PretrainingSettings | None:
    """A kind's settings with the values given, None for no pre-training; raises ValueError."""
    if kind is None:
        if given:
            raise ValueError(
                f"settings of a pre-training need one of {', '.join(KINDS)}; got {', '.join(given)}"
            )
        return None
    return changed(PretrainingSettings(kind=kind), given, f"pre-training {kind}", fixed=("kind",))


@dataclass(frozen=True, slots=True)
class LayerRecord:
    """A layer after an epoch of its own; loss: squared error; gap: of free energy, NaN for greedy."""

    layer: int
    epoch: int
    loss: float
    gap: float


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A layer of the encoder and its mirror image in the decoder, each with what follows it."""

    there: nn.Linear
    code: nn.Module
    back: nn.Linear
    output: nn.Module


def pretrain(
    net: EncoderDecoder, window: Tensor, settings: PretrainingSettings, seed: int
) -> list[LayerRecord]:
    """Set a dense network's weights layer by layer; window: (n, samples), on the CPU as the network.

    Raises ValueError unless encoder and decoder are dense and mirror each other, and for `rbm` unless
    their hidden units are sigmoid.
    """
    generator = torch.Generator().manual_seed(seed)
    learn = _greedy if settings.kind == "greedy" else _rbm
    pairs = mirrored(net, settings.kind)
    data = nn.functional.pad(window, (0, pairs[0].there.in_features - window.shape[1]))
    records = []
    for number, pair in enumerate(pairs, 1):
        for epoch, (loss, gap) in enumerate(learn(pair, data, settings, generator, number == 1), 1):
            records.append(LayerRecord(number, epoch, loss, gap))
        with torch.no_grad():
            data = pair.code(pair.there(data))
    return records


def record_layers(path: Path, records: list[LayerRecord]) -> None:
    """Write each layer's losses, a JSON list."""
    plain = [{**asdict(each), "gap": None if math.isnan(each.gap) else each.gap} for each in records]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(plain, indent=1), encoding="utf-8")


def mirrored(net: EncoderDecoder, kind: str) -> list[Pair]:
    """The network's layers from the window inwards; raises ValueError if they can't be learned so."""
    # A predictor's decoder gives what follows, so its layers mirror nothing.
    if isinstance(net, ComposedEncoderDecoder) and not net.settings.ahead:
        encoder, decoder = net.encoder, net.decoder
        if isinstance(encoder, DenseEncoder) and isinstance(decoder, DenseDecoder):
            there = _pairwise([*encoder.layers, net.to_latent, net.activation])
            back = _pairwise([*decoder.layers, decoder.to_samples, net.output])[::-1]
            if _widths(there) == [widths[::-1] for widths in _widths(back)]:
                pairs = [Pair(*one, *other) for one, other in zip(there, back, strict=True)]
                if kind == "rbm":
                    _check_units(pairs)
                return pairs
    raise ValueError("pre-training needs a dense encoder and a dense decoder that mirrors its widths")


def _pairwise(parts: list[nn.Module]) -> list[tuple[nn.Linear, nn.Module]]:
    """Linear layers, each with the activation after it."""
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return [(layer, after) for layer, after in pairs if isinstance(layer, nn.Linear)]


def _widths(pairs: list[tuple[nn.Linear, nn.Module]]) -> list[tuple[int, int]]:
    return [(layer.in_features, layer.out_features) for layer, _ in pairs]


def _check_units(pairs: list[Pair]) -> None:
    """Raise ValueError for units that are no Boltzmann machine's: binary ones but at the two ends."""
    codes, outputs = [pair.code for pair in pairs], [pair.output for pair in pairs]
    inner = [*codes[:-1], *outputs[1:]]
    ends = isinstance(codes[-1], nn.Sigmoid | nn.Identity) and isinstance(outputs[0], nn.Identity)
    if not ends or not all(isinstance(unit, nn.Sigmoid) for unit in inner):
        raise ValueError("rbm needs hidden units that are sigmoid, and an output that is linear")


def _greedy(
    pair: Pair, data: Tensor, settings: PretrainingSettings, generator: torch.Generator, _first: bool
) -> Iterator[tuple[float, float]]:
    """Train a layer and its mirror image to give back what comes in; the squared error of each epoch."""
    weights = [*pair.there.parameters(), *pair.back.parameters()]
    optimizer = torch.optim.Adam(weights, settings.learning_rate)
    for _ in range(settings.epochs):
        total = 0.0
        for rows in torch.split(torch.randperm(len(data), generator=generator), settings.batch):
            given = data[rows]
            loss = nn.functional.mse_loss(pair.output(pair.back(pair.code(pair.there(given)))), given)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += float(loss.detach()) * len(rows)
        yield total / len(data), math.nan


@torch.no_grad()
def _rbm(
    pair: Pair, data: Tensor, settings: PretrainingSettings, generator: torch.Generator, first: bool
) -> Iterator[tuple[float, float]]:
    """Train a machine on what comes in and unroll it into the pair; its records of each epoch."""
    visible, hidden = pair.there.in_features, pair.there.out_features
    code = isinstance(pair.code, nn.Identity)
    # Gaussian visible units have variance 1, so signals are brought to it; others are 0 to 1 already.
    centre = data.mean(dim=0) if first else torch.zeros(visible)
    size = (data - centre).std().clamp(min=TINY) if first else torch.ones(())
    rbm = Rbm.create(visible, hidden, generator, inputs=first, code=code)
    rate = settings.rbm_rate * (GAUSSIAN_SHARE if first or code else 1.0)
    records = list(train_rbm(rbm, (data - centre) / size, settings.epochs, settings.batch, rate, generator))
    pair.there.weight.copy_(rbm.weights.T / size)
    pair.there.bias.copy_(rbm.hidden - (centre / size) @ rbm.weights)
    pair.back.weight.copy_(size * rbm.weights)
    pair.back.bias.copy_(size * rbm.visible + centre)
    return ((float(size**2) * each.error, each.gap) for each in records)
