"""What a detector finds and makes up in noisy and in clean stretches of a record, and how much is gated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from monitor.scan.matching import LEARNING_S
from training.measure.evaluation import DetectedRecord, false_alarms
from training.measure.measures import MISSED

NOISE_S = 120.0  # nst adds noise for two minutes, after five clean ones, and leaves it out for two


@dataclass(frozen=True, slots=True)
class NoiseCount:
    """A record's beats and events after the first five minutes, in all of it or in its noise."""

    name: str
    hours: float
    v_judged: int  # V beats in signal that passed the gate
    v_flagged: int
    v_gated: int
    false_beats: int
    false_events: int
    gated_hours: float

    @classmethod
    def total(cls, parts: Sequence[Self]) -> Self:
        """The sum over records."""
        sums = {each.name: sum(getattr(part, each.name) for part in parts) for each in fields(cls)[1:]}
        return cls(name="all", **sums)


def count_noise(found: DetectedRecord, *, noisy_only: bool) -> NoiseCount:
    """Counts of one record; noisy_only: of its noisy stretches alone."""
    rate, scores, windows = found.record.recording.rate_hz, found.scores, found.windows
    if scores.time_s is None or scores.kind is None:
        raise ValueError(f"{found.record.name}: the beats' times and kinds are not known")
    fixed = np.array(windows.kind) == "fixed"
    centre_s = windows.sample[fixed] / rate
    shut = np.array(windows.quality)[fixed] != "good"

    def counted(time_s: NDArray[np.float64]) -> NDArray[np.bool_]:
        since = time_s - LEARNING_S
        return (since >= 0) & ((since % (2 * NOISE_S) < NOISE_S) | (not noisy_only))

    # A beat that nobody detected is excused where the signal around it was gated.
    nearest = np.clip(np.searchsorted(centre_s, scores.time_s), 0, len(centre_s) - 1)
    gated = np.where(scores.kind == "missed", shut[nearest], scores.score == MISSED)
    used = counted(scores.time_s)
    is_v = used & (scores.label == "V")
    false = np.array([alarm.first for alarm in false_alarms(found.record, found.events)], np.float64)
    seconds = counted(np.arange(round(found.record.recording.duration_s), dtype=np.float64))
    return NoiseCount(
        name=found.record.name,
        hours=float(seconds.sum()) / 3600,
        v_judged=int((is_v & ~gated).sum()),
        v_flagged=int((is_v & scores.flagged).sum()),
        v_gated=int((is_v & gated).sum()),
        false_beats=int((used & scores.negative & scores.flagged).sum()),
        false_events=int(counted(false / rate).sum()),
        gated_hours=float((shut & counted(centre_s)).sum() / max(counted(centre_s).sum(), 1) * seconds.sum())
        / 3600,
    )
