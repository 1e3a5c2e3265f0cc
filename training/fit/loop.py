"""The training loop: seeded, early-stopped on held-out normal patients, resumable after a kill."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from monitor.model.autoencoders.interface import EncoderDecoder, Inputs
from training.fit.kept_latents import keep_latents
from training.fit.objectives.examples import Examples, Objective
from training.fit.objectives.settings import ObjectiveSettings
from training.fit.pretraining import PretrainingSettings, pretrain, record_layers

CHUNK = 2048  # examples of a pass without gradients

OnEpoch = Callable[["EpochRecord"], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class FitSettings:
    """How a network is trained; saved in the manifest."""

    epochs: int = 12
    batch: int = 256
    learning_rate: float = 4e-3  # of a one-cycle schedule's peak (Smith & Topin 2019)
    weight_decay: float = 1e-3
    clip: float = 1.0  # of the gradient's norm
    patience: int = 4  # epochs without a better held-out loss
    examples_per_epoch: int = 0  # a random part of the data each epoch; 0 = all
    seed: int = 0
    objective: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    pretraining: PretrainingSettings | None = None

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch, self.patience) < 1 or self.learning_rate <= 0:
            raise ValueError(f"need epochs, batch, patience >= 1 and a learning rate above 0; got {self}")


def settings_from(plain: dict[str, Any]) -> FitSettings:
    """The settings that a manifest's plain data tell; raises TypeError and ValueError for others."""
    parts = dict(plain)
    try:
        for name, kind in (("objective", ObjectiveSettings), ("pretraining", PretrainingSettings)):
            if parts.get(name) is not None:
                parts[name] = msgspec.convert(parts[name], kind)
    except msgspec.ValidationError as exc:
        raise ValueError(str(exc)) from exc
    return FitSettings(**parts)


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """Losses after one epoch; held_out is NaN where no patient was held out."""

    epoch: int
    train: float
    held_out: float

    def __str__(self) -> str:
        return f"train {self.train:.3f}, held out {self.held_out:.3f}"


@dataclass(slots=True)
class FitResult:
    """What a training run gave; the network is left at its best epoch."""

    history: list[EpochRecord] = field(default_factory=list)
    best_epoch: int = 0

    @property
    def best_loss(self) -> float:
        """Held-out loss of the best epoch."""
        return self.history[self.best_epoch - 1].held_out

    def stale(self, epoch: int, patience: int) -> bool:
        """Whether the best epoch lies further back than that."""
        return bool(self.best_epoch) and epoch - self.best_epoch > patience

    def add(self, record: EpochRecord, *, last_is_best: bool) -> bool:
        """Take an epoch in; True if it is the best: that with the lowest held-out loss, or the last one."""
        best = last_is_best or not self.best_epoch or record.held_out < self.best_loss
        self.history.append(record)
        if best:
            self.best_epoch = record.epoch
        return best


def device() -> torch.device:
    """A GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fit(
    net: EncoderDecoder,
    objective: Objective,
    train: Examples,
    held_out: Examples | None,
    settings: FitSettings,
    checkpoint: Path,
    on_epoch: OnEpoch,
    stop_after: int | None = None,
) -> FitResult:
    """Train until the held-out loss no longer falls, or for `stop_after` epochs where nobody is held out.

    Continues from `checkpoint` if it exists, to the very result of an undisturbed run: every epoch's
    randomness comes from the seed and its number alone. A network that has a closed form is solved, in one
    epoch that only measures. Raises ValueError if there is nothing to train on.
    """
    _begin(net, train, held_out, settings, checkpoint)
    place = device()
    solved = net.to(place).solve(to_device(train, place).inputs)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1.0, weight_decay=settings.weight_decay)
    result, best = _resume(checkpoint, net, optimizer)
    epochs = settings.epochs if stop_after is None else min(stop_after, settings.epochs)
    for epoch in range(len(result.history) + 1, (1 if solved else epochs) + 1):
        if held_out is not None and result.stale(epoch, settings.patience):
            break
        if solved:
            loss = evaluate_loss(net, objective, train, place)
        else:
            loss = _epoch(net, objective, train, settings, optimizer, epoch, place)
        other = math.nan if held_out is None else evaluate_loss(net, objective, held_out, place)
        if result.add(EpochRecord(epoch, loss, other), last_is_best=held_out is None):
            best = _weights(net)
        _save(checkpoint, net, optimizer, result, best)
        on_epoch(result.history[-1])
    net.load_state_dict(best)
    net.to("cpu").eval()
    if keep_latents(net, train.inputs, settings.seed):
        # Calibration reads the folds' networks from here, with all that they keep.
        _save(checkpoint, net, optimizer, result, _weights(net))
    return result


def _begin(
    net: EncoderDecoder, train: Examples, held_out: Examples | None, settings: FitSettings, checkpoint: Path
) -> None:
    """Refuse what nothing can be learned from; pre-train, unless that was done before."""
    held = None if held_out is None else len(held_out)
    if not len(train) or held == 0:
        raise ValueError(f"need examples to train on and to hold out; got {len(train)} and {held}")
    if settings.pretraining is not None and not checkpoint.exists():
        layers = pretrain(net, train.inputs.window, settings.pretraining, settings.seed)
        record_layers(checkpoint.with_suffix(".layers.json"), layers)


def _epoch(
    net: EncoderDecoder,
    objective: Objective,
    train: Examples,
    settings: FitSettings,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    place: torch.device,
) -> float:
    """Mean loss of one pass over the examples."""
    generator = torch.Generator().manual_seed(settings.seed * 1000 + epoch)
    order = torch.randperm(len(train), generator=generator)[: settings.examples_per_epoch or None]
    steps = max(1, len(order) // settings.batch)
    net.train()
    total = 0.0
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = _rate(settings, (epoch - 1 + step / steps) / settings.epochs)
        batch = to_device(train.rows(order[step * settings.batch : (step + 1) * settings.batch]), place)
        loss = objective.loss(net, batch, generator)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), settings.clip)
        optimizer.step()
        total += float(loss.detach())
    return total / steps


def _rate(settings: FitSettings, done: float) -> float:
    """One cycle: up for three tenths of the training, then down to nearly nothing, both by a cosine."""
    if done < 0.3:
        share = 0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * done / 0.3))
    else:
        share = 0.5 * (1 + math.cos(math.pi * (done - 0.3) / 0.7)) + 1e-4
    return settings.learning_rate * share


@torch.no_grad()
def evaluate_loss(
    net: EncoderDecoder, objective: Objective, examples: Examples, place: torch.device
) -> float:
    """Mean loss without augmentation."""
    net.eval()
    total = 0.0
    for start in range(0, len(examples), CHUNK):
        part = examples.rows(torch.arange(start, min(start + CHUNK, len(examples))))
        total += float(objective.loss(net, to_device(part, place), None)) * len(part)
    return total / len(examples)


def to_device(examples: Examples, place: torch.device) -> Examples:
    """The same examples on a device."""

    def move(part: Tensor | None) -> Tensor | None:
        return None if part is None else part.to(place)

    i = examples.inputs
    inputs = Inputs(i.window.to(place), move(i.lengths), move(i.usual), move(i.past), move(i.log_scale))
    return Examples(inputs, move(examples.log_ratio))


def _weights(net: EncoderDecoder) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in net.state_dict().items()}


def _save(
    path: Path,
    net: EncoderDecoder,
    optimizer: torch.optim.Optimizer,
    result: FitResult,
    best: dict[str, Tensor],
) -> None:
    """Write a checkpoint in one step: a kill leaves the old one or the new one."""
    tensors = {f"net.{name}": value for name, value in _weights(net).items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value.cpu() for name, value in state.items()}
    facts = {"history": [asdict(record) for record in result.history], "best_epoch": result.best_epoch}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file(
        {name: value.contiguous() for name, value in tensors.items()}, partial, {"fit": json.dumps(facts)}
    )
    partial.replace(path)


def _resume(
    path: Path, net: EncoderDecoder, optimizer: torch.optim.Optimizer
) -> tuple[FitResult, dict[str, Tensor]]:
    if not path.exists():
        return FitResult(), _weights(net)
    with safe_open(path, "pt") as file:
        facts = json.loads(file.metadata()["fit"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dict

    def part(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    net.load_state_dict(part("net."))
    states: dict[int, dict[str, Tensor]] = {}
    for key, value in part("optimizer.").items():
        index, name = key.split(".", 1)
        states.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": states})
    history = [EpochRecord(**record) for record in facts["history"]]
    return FitResult(history, facts["best_epoch"]), part("best.")
