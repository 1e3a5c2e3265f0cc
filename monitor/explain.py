"""What a model expected of one beat: the signal path run again over the seconds before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from monitor.autoencoders.interface import Inputs
from monitor.events import Event
from monitor.filters import INTERNAL_RATE_HZ, MISSING, SATURATED
from monitor.messages import Chunk
from monitor.model import Model, contextual_inputs
from monitor.path import Samples, SignalPath, Windows
from monitor.scoring import run_tiled
from monitor.usual import BeatBatch

_SAME_S = 0.05  # a beat found again lies within this of the event's


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """One beat's window in one lead, as the model saw it; arrays are (n,), scale_mv NaN where not told."""

    time_s: NDArray[np.float64]  # relative to the R peak
    ecg_mv: NDArray[np.float32]  # filtered
    expected_mv: NDArray[np.float32]
    scale_mv: NDArray[np.float32]
    lead: str


def explain(model: Model, chunks: Sequence[Chunk], event: Event) -> Explanation | None:
    """The event's beat and what the model expected there; None if no beat is found at its R peak.

    chunks: of the event's stream, one after the other, before and just after the beat. The usual beat
    is learned from these chunks alone, so it may differ a little from the one that was in force.
    """
    path = SignalPath(model.manifest.windows, 1, len(chunks[0].leads))
    windows = path.advance(_as_samples(chunks))
    wanted = (event.r_peak_sample - chunks[0].first_sample) / event.rate_hz * INTERNAL_RATE_HZ
    away = np.abs(windows.beats.sample - wanted)
    if not len(away) or away.min() > _SAME_S * INTERNAL_RATE_HZ:
        return None
    batch = _describe(model, path, windows, int(away.argmin()))
    named = chunks[0].leads.index(event.leads[0]) if event.leads else 0
    lead = named if batch.good[0, named] else int(batch.good[0].argmax())
    return _explanation(model, path, windows.beat_mv[int(away.argmin())], batch, lead, chunks[0].leads[lead])


def _as_samples(chunks: Sequence[Chunk]) -> Samples:
    valid = np.concatenate([each.valid for each in chunks])
    saturated = np.concatenate([each.saturated for each in chunks])
    flags = np.where(valid, 0, MISSING) | np.where(saturated, SATURATED, 0)
    return Samples(
        slots=np.zeros(1, np.int64),
        offsets=np.array([0, len(flags)], np.int64),
        ecg_mv=np.concatenate([each.ecg_mv for each in chunks]),
        flags=flags.astype(np.uint8),
        n_leads=np.array([len(chunks[0].leads)], np.int64),
        rates_hz=np.array([chunks[0].rate_hz]),
    )


def _describe(model: Model, path: SignalPath, windows: Windows, row: int) -> BeatBatch:
    """The row's beat with its usual beat and history, learned from the unflagged beats before it."""
    found: list[BeatBatch] = []

    def judge(rows: NDArray[np.int64], beats: BeatBatch) -> NDArray[np.bool_]:
        if row in rows:
            found.append(beats.rows(rows == row))
        return model.judge_beats(beats).usual

    path.judge_beats(windows, np.zeros(1, np.int64), judge)
    return found[0]


def _explanation(
    model: Model, path: SignalPath, wide_mv: NDArray[np.float32], batch: BeatBatch, lead: int, name: str
) -> Explanation:
    ecg_mv = batch.beat[0, lead]
    rows, leads = np.zeros(1, np.int64), np.array([lead])
    if model.contextual and batch.ready[0] and batch.known[0, lead]:
        out = run_tiled(model.networks["usual"], contextual_inputs(batch, rows, leads))
        scale = np.float32(batch.scale_mv[0, lead])
        spread = np.zeros_like(ecg_mv) if out.log_spread is None else np.exp(out.log_spread[0])
        expected_mv, scale_mv = scale * out.mean[0], scale * spread
    else:
        out = run_tiled(model.networks["population"], Inputs(torch.from_numpy(batch.beat[:, lead])))
        expected_mv, scale_mv = out.mean[0], np.full_like(ecg_mv, np.nan)
    spec = path.spec
    shifts = [wide_mv[s : s + spec.step * spec.samples : spec.step, lead] for s in range(2 * spec.margin + 1)]
    shift = next((s for s, piece in enumerate(shifts) if np.array_equal(piece, ecg_mv)), spec.margin)
    first = shift - spec.margin - spec.left
    time_s = (first + spec.step * np.arange(spec.samples)) / INTERNAL_RATE_HZ
    return Explanation(time_s, ecg_mv, expected_mv, scale_mv, name)
