"""Strange shapes that a stream has shown before: an ectopic beat comes again, noise does not.

A beat that was found strange leaves its shape. A later beat that is much nearer to such a shape than to
the stream's usual beat is a recurrence, which is evidence of its own: on DS1 it holds for six to nine of
ten ventricular beats and for one normal beat in a thousand (docs/results.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from monitor.slots import SlotState
from monitor.usual import BeatBatch
from monitor.windows import WindowSpec

SHAPES = 6  # remembered of a stream; the one not seen for longest makes room
SHAPE_MEMORY = 16  # beats over which a shape forgets
SAME = 1.2  # log ratio of the squared distances to the usual beat and to the shape
FAR = -1.0  # log squared distance to the usual beat, in units of its power, that begins to be strange
TWICE = 2  # beats that make a shape count by half, one more to count whole
RECURS = 0.5  # recurrence that keeps a shape in memory


@dataclass(slots=True, eq=False)
class StrangerState(SlotState):
    """The strange shapes of every stream."""

    shape: NDArray[np.float32]  # (slots, SHAPES, leads, samples) mV
    count: NDArray[np.int64]  # (slots, SHAPES) beats that made it; 0 = free
    seen: NDArray[np.int64]  # (slots, SHAPES) clock at which it last came
    clock: NDArray[np.int64]  # (slots,) beats compared so far

    @classmethod
    def create(cls, capacity: int, max_leads: int, spec: WindowSpec) -> Self:
        """Fresh state: nothing strange was seen."""
        return cls(
            shape=np.zeros((capacity, SHAPES, max_leads, spec.samples), np.float32),
            count=np.zeros((capacity, SHAPES), np.int64),
            seen=np.full((capacity, SHAPES), -1, np.int64),
            clock=np.zeros(capacity, np.int64),
        )


def recurrence(state: StrangerState, slot: NDArray[np.int64], batch: BeatBatch) -> NDArray[np.float64]:
    """How surely each beat has a strange shape that came before, 0 to 1, (n,).

    slot: (n,), one beat a stream at most.
    """
    usable = batch.good & batch.known & batch.ready[:, None]
    out = np.zeros(len(slot))
    _recurrence(
        state.shape, state.count, state.seen, state.clock,
        slot, batch.beat, batch.usual, batch.scale_mv, usable, out,
    )  # fmt: skip
    return out


def remember(
    state: StrangerState, slot: NDArray[np.int64], batch: BeatBatch, strange: NDArray[np.bool_]
) -> None:
    """Take strange beats, strange: (n,), into the shape that they repeat, or keep them as new ones."""
    usable = batch.good & batch.known & batch.ready[:, None]
    for i in np.flatnonzero(strange & usable.any(axis=1)):
        _remember(
            state.shape[slot[i]], state.count[slot[i]], state.seen[slot[i]], state.clock[slot[i]],
            batch.beat[i], batch.usual[i], batch.scale_mv[i], usable[i],
        )  # fmt: skip


@njit(cache=True)
def _distance(beat, other, scale, usable):  # type: ignore[no-untyped-def]
    """Mean squared distance over usable leads in units of their power, each lead's offset removed."""
    total, leads = 0.0, 0
    samples = beat.shape[1]
    for lead in range(beat.shape[0]):
        if usable[lead]:
            mean = square = 0.0
            for j in range(samples):
                e = np.float64(beat[lead, j]) - other[lead, j]
                mean += e
                square += e * e
            total += (square / samples - (mean / samples) ** 2) / scale[lead] ** 2
            leads += 1
    return total / leads + 1e-6


@njit(cache=True)
def _nearest(shape, count, beat, scale, usable):  # type: ignore[no-untyped-def]
    """The nearest shape and its distance; -1 if there is none."""
    best, least = -1, np.inf
    for k in range(len(count)):
        if count[k] > 0:
            distance = _distance(beat, shape[k], scale, usable)
            if distance < least:
                best, least = k, distance
    return best, least


@njit(cache=True)
def _recurrence(shape, count, seen, clock, slot, beat, usual, scale, usable, out):  # type: ignore[no-untyped-def]
    for i in range(len(slot)):
        s = slot[i]
        if not usable[i].any():
            continue
        clock[s] += 1
        k, near = _nearest(shape[s], count[s], beat[i], scale[i], usable[i])
        if k < 0:
            continue
        far = _distance(beat[i], usual[i], scale[i], usable[i])
        same = min(max(np.log(far / near) / SAME, 0.0), 1.0)
        often = min(max((count[s, k] - TWICE + 1) / 2, 0.0), 1.0)
        out[i] = same * often * min(max(np.log(far) - FAR, 0.0), 1.0)
        if out[i] > RECURS:
            seen[s, k] = clock[s]


@njit(cache=True)
def _remember(shape, count, seen, clock, beat, usual, scale, usable):  # type: ignore[no-untyped-def]
    k, near = _nearest(shape, count, beat, scale, usable)
    if k < 0 or np.log(_distance(beat, usual, scale, usable) / near) < SAME:
        k = np.argmin(seen)
        count[k] = 0
        shape[k] = 0.0
    count[k] += 1
    seen[k] = clock
    rate = np.float32(1.0 / min(count[k], SHAPE_MEMORY))
    for lead in range(shape.shape[1]):
        for j in range(shape.shape[2]):
            shape[k, lead, j] += rate * (beat[lead, j] - shape[k, lead, j])
