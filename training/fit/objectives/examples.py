"""What each network is trained to: inputs from normal windows, and the loss of a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from monitor.model.autoencoders.interface import EncoderDecoder, Inputs
from monitor.model.scoring import FLOOR, NU
from monitor.model.terms import contextual_inputs, halves
from training.data.normals import PatientNormals
from training.fit.objectives.losses import log_square

FORGET = 0.15  # share of training beats that lose their older past: a stream that has just begun
RHYTHM_WEIGHT = 0.1  # of the next RR interval's likelihood beside that of the window's samples


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Inputs of one lead each; log_ratio: (n,) of the beats' RR intervals, contextual form only."""

    inputs: Inputs
    log_ratio: Tensor | None = None

    def __len__(self) -> int:
        return len(self.inputs.window)

    def rows(self, index: Tensor) -> Examples:
        """Some of the examples."""
        return Examples(self.inputs.rows(index), None if self.log_ratio is None else self.log_ratio[index])


@dataclass(frozen=True, slots=True)
class Objective:
    """How a network is fed and judged; `loss(net, examples, generator)`, no generator = no augmentation."""

    examples: Callable[[list[PatientNormals]], Examples]
    loss: Callable[[EncoderDecoder, Examples, torch.Generator | None], Tensor]


def usual_examples(patients: list[PatientNormals]) -> Examples:
    """Every lead of every normal beat whose stream's usual beat and rhythm are known."""
    inputs, ratios = [], []
    for patient in patients:
        beats = patient.beats
        ok = beats.good & beats.known & beats.ready[:, None] & ~np.isnan(beats.log_ratio)[:, None]
        row, lead = np.nonzero(ok)
        inputs.append(contextual_inputs(beats, row, lead))
        ratios.append(torch.from_numpy(beats.log_ratio[row]))
    return Examples(_join(inputs), torch.cat(ratios))


def usual_loss(net: EncoderDecoder, batch: Examples, generator: torch.Generator | None) -> Tensor:
    """Student-t negative log-likelihood of the window's error and of the RR interval, per sample."""
    inputs = batch.inputs if generator is None else _forget(batch.inputs, generator)
    out = net(inputs)
    if out.log_spread is None or out.rhythm is None or batch.log_ratio is None:
        raise ValueError("the contextual form must tell spread and rhythm")
    error = inputs.window - out.mean
    error = error - error.mean(dim=1, keepdim=True)
    window = _student_t(error, out.log_spread).mean()
    rhythm = _student_t(batch.log_ratio - out.rhythm[:, 0], out.rhythm[:, 1].clamp(-5, 1)).mean()
    return window + RHYTHM_WEIGHT * rhythm


def _student_t(error: Tensor, log_spread: Tensor) -> Tensor:
    square = torch.exp(2 * (torch.log(error.abs() + FLOOR) - log_spread))
    return 0.5 * (NU + 1) * torch.log1p(square / NU) + log_spread


def _forget(inputs: Inputs, generator: torch.Generator) -> Inputs:
    """Blank the older past of some examples, as a stream that has just begun has none."""
    if inputs.past is None:
        raise ValueError("the contextual form needs a past")
    n, history = inputs.past.shape[:2]
    device = inputs.past.device
    chosen = (torch.rand(n, generator=generator) < FORGET).to(device)
    kept = torch.randint(0, history, (n,), generator=generator).to(device)
    old = torch.arange(history, device=device)[None] < (history - kept)[:, None]
    past = torch.where((chosen[:, None] & old)[:, :, None], 0.0, inputs.past)
    return Inputs(inputs.window, inputs.lengths, inputs.usual, past, inputs.log_scale)


def population_examples(patients: list[PatientNormals]) -> Examples:
    """Every lead of every normal beat, in mV."""
    return _windows([patient.beats.beat[patient.beats.good] for patient in patients])


def fixed_examples(patients: list[PatientNormals]) -> Examples:
    """Every lead of every normal fixed window, in mV, in the halves that the network reads."""
    return _windows([halves(patient.fixed_mv.transpose(0, 2, 1)[patient.fixed_good]) for patient in patients])


def plain_loss(net: EncoderDecoder, batch: Examples, _generator: torch.Generator | None) -> Tensor:
    """Mean over windows of the log mean squared error: a small lead counts as much as a large one."""
    return log_square(net(batch.inputs), batch.inputs.window).mean()


def _windows(parts: list[NDArray[np.float32]]) -> Examples:
    return Examples(Inputs(torch.from_numpy(np.ascontiguousarray(np.concatenate(parts)))))


def _join(parts: list[Inputs]) -> Inputs:
    def joined(name: str) -> Tensor:
        return torch.cat([getattr(part, name) for part in parts])

    return Inputs(joined("window"), None, joined("usual"), joined("past"), joined("log_scale"))


OBJECTIVES = {
    "usual": Objective(usual_examples, usual_loss),
    "population": Objective(population_examples, plain_loss),
    "fixed": Objective(fixed_examples, plain_loss),
}
