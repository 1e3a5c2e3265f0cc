"""What a model expected of a window: the signal path run again over the minutes before it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from monitor.adapt.beats import BeatBatch, Lesson
from monitor.adapt.path import SignalPath, Windows
from monitor.ecg.filters import INTERNAL_RATE_HZ
from monitor.ecg.quality import Quality
from monitor.ecg.samples import Samples, flags_of
from monitor.model.autoencoders.interface import Inputs
from monitor.model.model import Model
from monitor.model.scoring import run_tiled
from monitor.model.terms import contextual_inputs, halves
from monitor.recordings.recording import Recording, chunks

CONTEXT_S = 300.0  # of signal before a window: many times the memory of the usual beat
_AFTER_S = 6.0  # until the last window is complete
_SAME_S = 0.05  # a window found again lies within this of the one wanted


@dataclass(frozen=True, slots=True)
class Wanted:
    """A window to explain, by its place in the recording."""

    sample: int  # R peak, or the last sample of a fixed window
    lead: str | None = None  # the strangest one if None
    fixed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """One window in one lead, as the model saw it; arrays are (n,)."""

    lead: str
    time_s: NDArray[np.float64]  # from the recording's beginning
    ecg_mv: NDArray[np.float32]  # filtered
    expected_mv: NDArray[np.float32]
    spread_mv: NDArray[np.float32] | None  # scale of the error that was expected; None if that is not told
    due_s: float | None = None  # when the recent rhythm let a beat expect, from the recording's beginning


def explain(model: Model, recording: Recording, wanted: Sequence[Wanted]) -> list[Explanation | None]:
    """What the model expected of each window; None where no window is found in its place.

    The usual beat is learned from the CONTEXT_S before alone: it may differ a little from the one that was
    in force when the recording was scanned from its beginning.
    """
    found: dict[int, Explanation] = {}
    for first, last, members in _stretches(recording, wanted):
        part = replace(recording, adc=recording.adc[first:last])
        found |= _explain_part(model, part, first / recording.rate_hz, {i: wanted[i] for i in members})
    return [found.get(i) for i in range(len(wanted))]


def expected_beats(
    model: Model, batch: BeatBatch, row: NDArray[np.int64], lead: NDArray[np.int64], *, usual: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """What some (beat, lead) pairs should have been, and by how much they may stray, (n, samples) mV each.

    usual: judge them by their streams' usual beats, which must be known, rather than by the population,
    whose network does not tell how far it may be wrong.
    """
    beat_mv = batch.beat[row, lead]
    if not (usual and model.contextual):
        return run_tiled(model.networks["population"], Inputs(torch.from_numpy(beat_mv))).mean, None
    out = run_tiled(model.networks["usual"], contextual_inputs(batch, row, lead))
    scale = batch.scale_mv[row, lead].astype(np.float32)[:, None]
    spread = None if out.log_spread is None else scale * np.exp(out.log_spread)
    # The score leaves out the error's own mean: a step of the baseline is no change of shape.
    offset = (beat_mv / scale - out.mean).mean(axis=1, keepdims=True)
    return scale * (out.mean + offset), spread


def _stretches(recording: Recording, wanted: Sequence[Wanted]) -> list[tuple[int, int, list[int]]]:
    """First and last sample (excluded) to run through, and the windows wanted there; nothing is run twice."""
    rate_hz, found = recording.rate_hz, list[tuple[int, int, list[int]]]()
    for i in sorted(range(len(wanted)), key=lambda i: wanted[i].sample):
        # Whole seconds: fixed windows then begin where they began in the whole recording.
        begin_s = max(0, math.floor(wanted[i].sample / rate_hz - CONTEXT_S))
        first, last = round(begin_s * rate_hz), wanted[i].sample + round(_AFTER_S * rate_hz)
        if found and first <= found[-1][1]:
            first, _, members = found.pop()
            found.append((first, last, [*members, i]))
        elif first < len(recording):
            found.append((first, last, [i]))
    return found


def _explain_part(
    model: Model, part: Recording, begin_s: float, wanted: dict[int, Wanted]
) -> dict[int, Explanation]:
    """Explanations by index; part: the recording from `begin_s` on."""
    path = SignalPath(model.manifest.windows, 1, len(part.leads))
    windows = path.advance(_samples(part))
    ends = windows.fixed.sample + path.spec.fixed_span - 1
    rows: dict[int, int] = {}
    for i, each in wanted.items():
        at_s = each.sample / part.rate_hz - begin_s
        row = _nearest(ends if each.fixed else windows.beats.sample, at_s * INTERNAL_RATE_HZ)
        if row is not None:
            rows[i] = row
    beats = _judged(model, path, windows, {row for i, row in rows.items() if not wanted[i].fixed})
    return {
        i: _of_fixed(model, part, begin_s, windows, row, wanted[i].lead)
        if wanted[i].fixed
        else _of_beat(model, part, begin_s, windows, row, *beats[row], wanted[i].lead)
        for i, row in rows.items()
        if wanted[i].fixed or row in beats
    }


def _samples(recording: Recording) -> Samples:
    """All of a recording as the worker would see it, in slot 0."""
    parts = list(chunks(recording, 10.0, stream=recording.name))
    flags = [flags_of(each.valid, each.saturated) for each in parts]
    ecg_mv = np.concatenate([each.ecg_mv for each in parts])
    return Samples.of_streams([ecg_mv], [np.concatenate(flags)], [recording.rate_hz])


def _nearest(samples: NDArray[np.int64], wanted: float) -> int | None:
    """Row of the window there; None if there is none."""
    away = np.abs(samples - wanted)
    if not len(away) or away.min() > _SAME_S * INTERNAL_RATE_HZ:
        return None
    return int(away.argmin())


def _judged(
    model: Model, path: SignalPath, windows: Windows, wanted: set[int]
) -> dict[int, tuple[BeatBatch, NDArray[np.float64]]]:
    """Each wanted beat that was judged, what was known of its stream, and each lead's surprise, (leads,)."""
    found: dict[int, tuple[BeatBatch, NDArray[np.float64]]] = {}

    def judge(rows: NDArray[np.int64], beats: BeatBatch) -> Lesson:
        verdicts = model.judge_beats(beats)
        judged = np.isfinite(verdicts.surprise) & np.isin(rows, list(wanted))
        for at in np.flatnonzero(judged):
            found[int(rows[at])] = beats.rows(np.arange(len(rows)) == at), verdicts.by_lead[at]
        return verdicts.lesson

    path.judge_beats(windows, np.zeros(1, np.int64), judge)
    return found


def _of_beat(
    model: Model,
    part: Recording,
    begin_s: float,
    windows: Windows,
    row: int,
    batch: BeatBatch,
    by_lead: NDArray[np.float64],
    lead_name: str | None,
) -> Explanation:
    lead = _lead(part, by_lead, lead_name)
    expected_mv, spread_mv = _expected_beat(model, batch, lead)
    spec, ecg_mv, wide_mv = model.manifest.windows, batch.beat[0, lead], windows.beat_mv[row, :, lead]
    # The beat was shifted to fit the usual one; here it stands where it came.
    shifts = (wide_mv[s : s + spec.step * spec.samples : spec.step] for s in range(2 * spec.margin + 1))
    shift = next((s for s, piece in enumerate(shifts) if np.array_equal(piece, ecg_mv)), spec.margin)
    peak = int(windows.beats.sample[row])
    time_s = (
        begin_s
        + (peak + shift - spec.margin - spec.left + spec.step * np.arange(spec.samples)) / INTERNAL_RATE_HZ
    )
    rr_s, log_ratio = float(batch.rr_s[0]), float(batch.log_ratio[0])
    due_s = begin_s + peak / INTERNAL_RATE_HZ - rr_s + rr_s / math.exp(log_ratio)
    known = not math.isnan(due_s)
    return Explanation(
        part.leads[lead].name, time_s, ecg_mv, expected_mv, spread_mv, due_s if known else None
    )


def _expected_beat(
    model: Model, batch: BeatBatch, lead: int
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    known = batch.ready[0] and batch.known[0, lead]
    mean, spread = expected_beats(model, batch, np.zeros(1, np.int64), np.array([lead]), usual=known)
    return mean[0], None if spread is None else spread[0]


def _of_fixed(
    model: Model, part: Recording, begin_s: float, windows: Windows, row: int, lead_name: str | None
) -> Explanation:
    good = windows.fixed_quality[row] == Quality.GOOD
    lead = _lead(part, np.where(good, 0.0, np.nan), lead_name)
    ecg_mv = np.ascontiguousarray(windows.fixed_mv[row, :, lead])
    out = run_tiled(model.networks["fixed"], Inputs(torch.from_numpy(halves(ecg_mv[None]))))
    step = model.manifest.windows.step
    time_s = begin_s + (windows.fixed.sample[row] + step * np.arange(len(ecg_mv))) / INTERNAL_RATE_HZ
    return Explanation(part.leads[lead].name, time_s, ecg_mv, out.mean.reshape(-1), None)


def _lead(part: Recording, by_lead: NDArray[np.float64], name: str | None) -> int:
    """The lead of this name if it was judged, otherwise the strangest."""
    names = [lead.name for lead in part.leads]
    if name in names and not np.isnan(by_lead[names.index(name)]):
        return names.index(name)
    return int(np.argmax(np.nan_to_num(by_lead, nan=-1.0)))
