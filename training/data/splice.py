"""Recordings made of single heart cycles of a real one: normal beats, then abnormal beats on end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.recordings.recording import from_millivolts
from training.data.records import AnnotatedRecord, annotated

BEFORE_S = 0.3  # a cycle is cut so long before its R peak, and ends so long before the next one
SHORTEST_S, LONGEST_S = 0.28, 1.4  # other RR intervals are artefacts or pauses


def cycles(record: AnnotatedRecord, label: str, leads: int) -> list[NDArray[np.float32]]:
    """The heart cycles of one AAMI class, each (n, leads) mV, in time order."""
    rate, beats = record.recording.rate_hz, record.beats
    ecg_mv, before = record.recording.ecg_mv[:, :leads], round(BEFORE_S * rate)
    rr_s = np.diff(beats) / rate
    fits = (record.labels[:-1] == label) & (rr_s > SHORTEST_S) & (rr_s < LONGEST_S) & (beats[:-1] >= before)
    return [ecg_mv[beats[i] - before : beats[i + 1] - before] for i in np.flatnonzero(fits)]


def joined(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Cycles end on end, each without its own level; a step at a seam fades over the cycle after it."""
    out: list[NDArray[np.float32]] = []
    for part in parts:
        level = part - np.median(part, axis=0)
        if out:
            fade = np.linspace(1, 0, len(level), dtype=np.float32)[:, None] ** 3
            level = level + (out[-1][-1] - level[0]) * fade
        out.append(level.astype(np.float32))
    return np.concatenate(out)


def spliced(
    record: AnnotatedRecord, *, normal_s: float, abnormal: int, leads: int, label: str = "V", seed: int = 0
) -> AnnotatedRecord:
    """So many seconds of normal cycles drawn at random, then so many of another class, as one record.

    Raises ValueError if the record has no cycle of either class.
    """
    pools = {each: cycles(record, each, leads) for each in ("N", label)}
    if not all(pools.values()):
        raise ValueError(f"{record.name}: need cycles of N and {label}; got {[*map(len, pools.values())]}")
    rng, rate = np.random.default_rng(seed), record.recording.rate_hz
    drawn: list[tuple[str, NDArray[np.float32]]] = []
    missing = round(normal_s * rate)
    while missing > 0:
        drawn.append(("N", pools["N"][rng.integers(len(pools["N"]))]))
        missing -= len(drawn[-1][1])
    drawn += [(label, pools[label][i]) for i in rng.integers(len(pools[label]), size=abnormal)]
    starts = np.cumsum([0, *(len(part) for _, part in drawn[:-1])]) + round(BEFORE_S * rate)
    names = [lead.name for lead in record.recording.leads[:leads]]
    name = f"{record.name}, {leads} of its leads"
    recording = from_millivolts(name, rate, names, joined([part for _, part in drawn]).astype(np.float64))
    return annotated(recording, [(int(at), what, "") for at, (what, _) in zip(starts, drawn, strict=True)])
