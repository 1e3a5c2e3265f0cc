"""How restless a stream is: some hearts, electrodes and patients are never as even as the others.

The population's calibration is too bold for restless streams and too timid for even ones. So each
stream's own level is learned, the surprise that nine of ten of its unflagged beats stay below, and half of
what it differs from the population's is taken off every beat's surprise. A strange beat does not
raise the level: only beats count that are not far above it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from monitor.ecg.kernels import compiled
from monitor.ecg.slots import SlotState

BINS, WIDTH = 40, 0.1  # of the histogram of surprises
MEMORY = 600.0  # beats over which it forgets
PART = 0.9  # of the beats that stay below the level; the population's level is 1, p = 0.1
SHARE = 0.5  # of the difference to the population's level that is taken off, once it is well known
DOUBT = 50.0  # beats that weigh as much as the population
HIGHEST = 2.0  # surprise after the level is taken off, from which on a beat does not count


@dataclass(slots=True, eq=False)
class OwnLevelState(SlotState):
    """Histograms of the streams' surprises."""

    beats: NDArray[np.float64]  # (slots, BINS), fading
    count: NDArray[np.float64]  # (slots,) beats so far, MEMORY at most

    @classmethod
    def create(cls, capacity: int) -> Self:
        """Fresh state: as restless as the population."""
        return cls(beats=np.zeros((capacity, BINS)), count=np.zeros(capacity))


def own_level(state: OwnLevelState, slot: NDArray[np.int64]) -> NDArray[np.float64]:
    """What is to be taken off the surprise of each stream's next beat, (n,); below 0 if it is even."""
    return _own_level(state.beats, state.count, slot)  # type: ignore[no-any-return]


def note(
    state: OwnLevelState,
    slot: NDArray[np.int64],
    surprise: NDArray[np.float64],
    own_level: NDArray[np.float64],
) -> None:
    """Learn from beats that `own_level` was taken off.

    surprise: (n,) before that, NaN where the beat was not judged so.
    """
    _note(state.beats, state.count, slot, surprise, surprise - own_level)


def own_levels_in_order(surprise: NDArray[np.float64]) -> NDArray[np.float64]:
    """What one stream's beats, in order, would each have had taken off, (n,)."""
    state, out, zero = OwnLevelState.create(1), np.empty(len(surprise)), np.zeros(1, np.int64)
    for i in range(len(surprise)):
        out[i : i + 1] = own_level(state, zero)
        note(state, zero, surprise[i : i + 1], out[i : i + 1])
    return out


@compiled
def _own_level(beats, count, slot):  # type: ignore[no-untyped-def]
    out = np.zeros(len(slot))
    for i in range(len(slot)):
        s = slot[i]
        if count[s] == 0:
            continue
        wanted, below = PART * beats[s].sum(), 0.0
        for k in range(BINS):
            if below + beats[s, k] >= wanted:
                level = (k + (wanted - below) / beats[s, k]) * WIDTH
                break
            below += beats[s, k]
        out[i] = SHARE * count[s] / (count[s] + DOUBT) * (level + np.log10(1 - PART))
    return out


@compiled
def _note(beats, count, slot, surprise, left):  # type: ignore[no-untyped-def]
    for i in range(len(slot)):
        s = slot[i]
        if left[i] < HIGHEST:  # not where it is NaN
            for k in range(BINS):
                beats[s, k] *= 1 - 1 / MEMORY
            beats[s, min(int(max(surprise[i], 0.0) / WIDTH), BINS - 1)] += 1
            count[s] = min(count[s] + 1, MEMORY)
