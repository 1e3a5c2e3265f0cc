"""Strange shapes that a stream has shown before: an ectopic beat comes again, noise does not.

A beat that was found strange leaves its shape. A later beat that is much nearer to such a shape than to
the stream's usual beat is a recurrence, which is evidence of its own: on DS1 it holds for six to nine of
ten ventricular beats and for one normal beat in a thousand (docs/results.md). From the QRS complex on:
what precedes it changes with every early beat, whatever the beat is. A shape that turns out to be
conducted (monitor.adapt.conduction) is strange no longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from monitor.adapt.beats import BeatBatch
from monitor.ecg.kernels import compiled
from monitor.ecg.slots import SlotState
from monitor.ecg.windows import WindowSpec

SHAPES = 10  # remembered of a stream; the one not seen for longest makes room
SHAPE_MEMORY = 16  # beats over which a shape forgets
SAME = 1.2  # log ratio of the squared distances to the usual beat and to the shape
FAR = -1.5  # log squared distance to the usual beat, in units of its power, that begins to be strange
ONCE = 1  # beats that make a shape count by half, one more to count whole
RECURS = 0.5  # recurrence that keeps a shape in memory
QRS = 36  # first sample of a window after the P wave, 0.11 s before the R peak


@dataclass(slots=True, eq=False)
class ShapeState(SlotState):
    """The strange shapes of every stream."""

    shape: NDArray[np.float32]  # (slots, SHAPES, leads, samples) mV
    count: NDArray[np.int64]  # (slots, SHAPES) beats that made it; 0 = free
    seen: NDArray[np.int64]  # (slots, SHAPES) clock at which it last came
    clock: NDArray[np.int64]  # (slots,) beats compared so far
    in_row: NDArray[np.int64]  # (slots, SHAPES) beats on end that had it, each in time
    conducted: NDArray[np.bool_]  # (slots, SHAPES) a second usual beat: monitor.adapt.conduction
    judged_by: NDArray[np.int64]  # (slots,) conducted shape by which the last beat was judged, -1: none

    @classmethod
    def create(cls, capacity: int, max_leads: int, spec: WindowSpec) -> Self:
        """Fresh state: nothing strange was seen."""
        return cls(
            shape=np.zeros((capacity, SHAPES, max_leads, spec.samples), np.float32),
            count=np.zeros((capacity, SHAPES), np.int64),
            seen=np.full((capacity, SHAPES), -1, np.int64),
            clock=np.zeros(capacity, np.int64),
            in_row=np.zeros((capacity, SHAPES), np.int64),
            conducted=np.zeros((capacity, SHAPES), np.bool_),
            judged_by=np.full(capacity, -1),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Recurrence:
    """Beats beside the strange shapes before them, n beats.

    share: (n,) 0 to 1, how surely a strange shape came again; shape: (n,) the one that came, -1 if none.
    """

    share: NDArray[np.float64]
    shape: NDArray[np.int64]


def recurrence(state: ShapeState, slot: NDArray[np.int64], batch: BeatBatch) -> Recurrence:
    """Which strange shapes come again in these beats; slot: (n,), one beat a stream at most."""
    out = Recurrence(np.zeros(len(slot)), np.full(len(slot), -1))
    times = np.maximum(state.count[slot], state.in_row[slot])  # it came, whether strange enough each time
    _recurrence(
        state.shape, times, state.seen, state.clock, state.conducted,
        slot, batch.beat, batch.usual, batch.scale_mv, usable_leads(batch), out.share, out.shape,
    )  # fmt: skip
    return out


def remember(
    state: ShapeState,
    slot: NDArray[np.int64],
    batch: BeatBatch,
    strange: NDArray[np.bool_],
    shape: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Take beats into the shape that they repeat, and keep strange ones as new: the shape of each, (n,).

    strange: (n,); shape: (n,) as `recurrence` gave it.
    """
    out = shape.copy()
    usable = usable_leads(batch).any(axis=1)
    for i in np.flatnonzero(usable & (strange | (shape >= 0))):
        s = slot[i]
        if out[i] < 0:
            out[i] = _make_room(state, s)
        k = s, out[i]
        state.count[k] += int(strange[i])
        beats = max(int(state.count[k]), int(state.in_row[k]) + 1)
        renew(state.shape[k], batch.beat[i], min(beats, SHAPE_MEMORY))
        if strange[i]:
            state.seen[k] = state.clock[s]
    return out


def usable_leads(batch: BeatBatch) -> NDArray[np.bool_]:
    """Leads in which a beat can be compared with its stream's usual one, (n, leads)."""
    return batch.good & batch.known & batch.ready[:, None]


def _make_room(state: ShapeState, slot: int) -> int:
    """The shape not seen for longest, emptied; conducted ones last."""
    order = np.lexsort((state.seen[slot], state.conducted[slot]))
    oldest = int(order[0])
    state.count[slot, oldest], state.shape[slot, oldest] = 0, 0.0
    state.in_row[slot, oldest], state.conducted[slot, oldest] = 0, False
    return oldest


@compiled
def renew(shape, beat, memory):  # type: ignore[no-untyped-def]
    """A running mean over so many beats, (leads, samples)."""
    rate = np.float32(1.0 / memory)
    for lead in range(shape.shape[0]):
        for j in range(shape.shape[1]):
            shape[lead, j] += rate * (beat[lead, j] - shape[lead, j])


@compiled
def distance(beat, other, scale, usable, first):  # type: ignore[no-untyped-def]
    """Mean squared distance over usable leads in units of their power, each lead's offset removed.

    beat, other: (leads, samples), compared from sample `first` on.
    """
    total, leads = 0.0, 0
    samples = beat.shape[1] - first
    for lead in range(beat.shape[0]):
        if usable[lead]:
            mean = square = 0.0
            for j in range(first, beat.shape[1]):
                e = np.float64(beat[lead, j]) - other[lead, j]
                mean += e
                square += e * e
            total += (square / samples - (mean / samples) ** 2) / scale[lead] ** 2
            leads += 1
    return total / leads + 1e-6


@compiled
def _recurrence(shape, times, seen, clock, conducted, slot, beat, usual, scale, usable, share, which):  # type: ignore[no-untyped-def]
    for i in range(len(slot)):
        s = slot[i]
        if not usable[i].any():
            continue
        clock[s] += 1
        nearest, near = -1, np.inf
        for k in range(shape.shape[1]):
            if times[i, k] > 0 and not conducted[s, k]:
                d = distance(beat[i], shape[s, k], scale[i], usable[i], QRS)
                if d < near:
                    nearest, near = k, d
        if nearest < 0:
            continue
        far = distance(beat[i], usual[i], scale[i], usable[i], QRS)
        same = min(max(np.log(far / near) / SAME, 0.0), 1.0)
        often = min(max((times[i, nearest] - ONCE + 1) / 2, 0.0), 1.0)
        share[i] = same * often * min(max(np.log(far) - FAR, 0.0), 1.0)
        if same == 1.0:
            which[i] = nearest
        if share[i] > RECURS:
            seen[s, nearest] = clock[s]
