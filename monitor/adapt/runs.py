"""Runs of flagged beats: when one opens, when it ends, and that a beat in it is judged with less patience.

A lasting arrhythmia is one open run. While it lasts, a beat ends it only by being what may teach, as
a thermostat has two thresholds: the network has seen strange beats before this one and expects more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from monitor.ecg.slots import SlotState

RUN_BEATS = 3  # flagged beats in a row that open a run: from three on, tachycardia is called nonsustained
CALM_BEATS = 2  # unflagged beats in a row that end it
RUN_SURPRISE = 1.5  # p = 0.03, what may teach: threshold while a run is open
# Flagged beats from which on a run teaches what is usual again. Nobody has said in ten minutes that it is
# false, but a stream that is flagged for good is watched no longer.
LASTING_BEATS = 600


@dataclass(slots=True, eq=False)
class RunState(SlotState):
    """Of every stream: how many beats were flagged in a row, or in the run that is open."""

    beats: NDArray[np.int64]  # (slots,)
    calm: NDArray[np.int64]  # (slots,) unflagged beats in a row
    open: NDArray[np.bool_]  # (slots,)

    @classmethod
    def create(cls, capacity: int) -> Self:
        """Fresh state: no beat was flagged."""
        nothing = np.zeros(capacity, np.int64)
        return cls(beats=nothing, calm=nothing.copy(), open=np.zeros(capacity, np.bool_))


def open_run(state: RunState, slot: NDArray[np.int64]) -> NDArray[np.int64]:
    """Flagged beats in each stream's open run, (n,); 0 where none is open."""
    return np.where(state.open[slot], state.beats[slot], 0)


def count(state: RunState, slot: NDArray[np.int64], flagged: NDArray[np.bool_]) -> None:
    """Take beats into their streams' runs; slot, flagged: (n,), one beat a stream at most."""
    advance(state.beats, state.calm, state.open, slot, flagged)


def advance(
    beats: NDArray[np.int64],
    calm: NDArray[np.int64],
    is_open: NDArray[np.bool_],
    slot: NDArray[np.int64],
    flagged: NDArray[np.bool_],
) -> None:
    """The rule of a run, in place on (slots,) arrays: RunState's, and those of what is told."""
    quiet = np.where(flagged, 0, calm[slot] + 1)
    goes_on = flagged | (is_open[slot] & (quiet < CALM_BEATS))
    counted = np.where(goes_on, beats[slot] + flagged, 0)
    is_open[slot] = goes_on & (is_open[slot] | (counted >= RUN_BEATS))
    beats[slot], calm[slot] = counted, quiet
