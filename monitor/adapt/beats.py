"""Beats as a model judges them, and what they teach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class BeatBatch:
    """Beats with all that a network or a score needs; n beats, the leads of each.

    beat, usual: (n, leads, samples) mV, the beat shifted to fit the usual one; past: (n, leads,
    HISTORY, FEATURES); scale_mv, log_scale: (n, leads) RMS of the usual beat and its logarithm; good:
    (n, leads); known: (n, leads) a usual beat exists; rr_s, log_ratio: (n,) RR interval and its log
    ratio to the recent median, NaN if unknown; ready: (n,); recurrence: (n,) 0 to 1, how surely a strange
    shape came again (monitor.adapt.strange_shapes); own_level: (n,) what is taken off the surprise
    (monitor.adapt.own_level); run: (n,) flagged beats in the run that is open, 0 if none is
    (monitor.adapt.runs); second: (n,) conducted shape that stands for the usual beat, -1 if none does
    (monitor.adapt.conduction); young: (n,) the usual beat is
    not MATURE.
    """

    beat: NDArray[np.float32]
    usual: NDArray[np.float32]
    past: NDArray[np.float32]
    scale_mv: NDArray[np.float64]
    log_scale: NDArray[np.float32]
    good: NDArray[np.bool_]
    known: NDArray[np.bool_]
    rr_s: NDArray[np.float32]
    log_ratio: NDArray[np.float32]
    ready: NDArray[np.bool_]
    recurrence: NDArray[np.float64]
    own_level: NDArray[np.float64]
    run: NDArray[np.int64]
    second: NDArray[np.int64]
    young: NDArray[np.bool_]

    def rows(self, index: NDArray[np.bool_]) -> BeatBatch:
        """Some of the beats."""
        return BeatBatch(*(getattr(self, field.name)[index] for field in fields(self)))

    @classmethod
    def joined(cls, batches: Sequence[BeatBatch]) -> BeatBatch:
        """One batch of several with equally many leads."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(batch, name) for batch in batches]) for name in names))


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What beats teach their streams, (n,) each: the usual shape, a strange one, or neither.

    flagged: the verdict; surprise: before anything was taken off it, NaN where the population judged.
    """

    flagged: NDArray[np.bool_]
    usual: NDArray[np.bool_]
    strange: NDArray[np.bool_]
    surprise: NDArray[np.float64]
