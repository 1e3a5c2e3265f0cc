"""Beats beside what a model expected of them, for the report's pictures."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from monitor.autoencoders.interface import Inputs
from monitor.filters import INTERNAL_RATE_HZ
from monitor.model import Model, contextual_inputs
from monitor.scoring import run_tiled
from monitor.usual import BeatBatch
from training.report import PER_ROW, ReconstructionSample


def reconstruction_samples(
    model: Model, name: str, beats: BeatBatch, count: int = PER_ROW
) -> list[ReconstructionSample]:
    """The `count` beats that fit best and the `count` that fit worst, on each one's strangest lead.

    name: of the patient; beats: of one patient, at best held out of training.
    """
    kind = "usual" if model.contextual else "population"
    # The contextual network judges a beat once its stream's usual beat is known.
    usable = beats.good & beats.known & beats.ready[:, None] if model.contextual else beats.good
    some = np.asarray(usable.any(axis=1), dtype=np.bool_)
    judged = np.flatnonzero(some)
    if not len(judged):
        return []
    verdicts = model.judge_beats(beats.rows(some))
    by_lead = np.where(usable[judged], np.nan_to_num(verdicts.by_lead, nan=-1.0), -1.0)
    order = np.argsort(verdicts.surprise, kind="stable")
    # Of a short recording the best and the worst may overlap.
    chosen = np.array(list(dict.fromkeys([*order[:count].tolist(), *order[-count:].tolist()])), np.int64)
    row, lead = judged[chosen], by_lead[chosen].argmax(axis=1)
    expected, spread = _expected(model, kind, beats, row, lead)
    spec = model.manifest.windows
    time_s = (np.arange(spec.samples) * spec.step - spec.left) / INTERNAL_RATE_HZ
    return [
        ReconstructionSample(
            title=f"{name}, lead {lead[i] + 1}",
            time_s=time_s,
            ecg_mv=beats.beat[row[i], lead[i]],
            expected_mv=expected[i],
            spread_mv=None if spread is None else spread[i],
            error=float(verdicts.surprise[chosen[i]]),
        )
        for i in range(len(chosen))
    ]


def _expected(
    model: Model, kind: str, beats: BeatBatch, row: NDArray[np.int64], lead: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Reconstruction and expected error in mV, (n, samples) each."""
    net = model.networks[kind]
    if kind == "population":
        return run_tiled(net, Inputs(torch.from_numpy(beats.beat[row, lead]))).mean, None
    out = run_tiled(net, contextual_inputs(beats, row, lead))
    scale = beats.scale_mv[row, lead].astype(np.float32)[:, None]
    spread = None if out.log_spread is None else scale * np.exp(out.log_spread)
    # The score leaves out the error's own mean: a step of the baseline is no change of shape.
    offset = (beats.beat[row, lead] / scale - out.mean).mean(axis=1, keepdims=True)
    return scale * (out.mean + offset), spread
