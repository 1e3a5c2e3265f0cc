"""Conducted beats of another shape: bundle branch block and pre-excitation that come and go.

Some hearts conduct their own rhythm in two ways. A strange shape that comes in time, many times on end,
and with the P wave of the usual beat before it, is such a way: the stream has a second usual beat, and a
beat that is not early is judged by the nearer of the two. Ventricular beats have no P wave before them,
or not where it was: atrioventricular dissociation (Brugada et al. 1991, doi:10.1161/01.CIR.83.5.1649).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.adapt.beats import BeatBatch
from monitor.adapt.strange_shapes import QRS, ShapeState, distance, renew, usable_leads
from monitor.adapt.usual_beat import MEMORY, UsualState, best_shift
from monitor.ecg.kernels import compiled
from monitor.ecg.windows import WindowSpec

ON_END = 6  # beats of the shape in a row, each in time; 208's fusion beats come three at a time
IN_TIME = 0.2  # most |log RR ratio| of a beat in time
FAR = -0.3  # least log squared distance to the usual beat over its power: fusion beats are nearer
P_FIRST = 16  # first sample of the P wave's part, 0.27 s before the R peak; it ends at QRS
P_SHIFT = 5  # samples by which its place may differ: a wide QRS complex has its R peak elsewhere
P_SAME = 0.2  # most squared distance of the P waves over the usual one's power, in the best lead
P_RMS = 0.08  # of the usual beat's RMS, under which a lead has no P wave


def choose(
    shapes: ShapeState,
    usual: UsualState,
    spec: WindowSpec,
    slot: NDArray[np.int64],
    r_peak: NDArray[np.int64],
    wide_mv: NDArray[np.float32],
    good: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """The conducted shape that each beat is nearer to than to the usual one, (n,); -1: the usual one.

    slot, r_peak: (n,); wide_mv: (n, spec.span, leads) around the R peak; good: (n, leads).
    """
    out = np.full(len(slot), -1)
    fitted = good & (usual.learned[slot] > 0) & usual.ready[slot, None]
    for i in np.flatnonzero(shapes.conducted[slot].any(axis=1) & fitted.any(axis=1)):
        if not usual.log_ratio(slot[i], r_peak[i]) > -IN_TIME:
            continue
        out[i] = _choose(
            shapes.shape[slot[i]], shapes.conducted[slot[i]], usual.usual[slot[i]],
            usual.scale_mv(slot[i]), wide_mv[i], fitted[i], spec.step, spec.margin,
        )  # fmt: skip
    return out


def usual_beats(
    shapes: ShapeState, usual: UsualState, slot: NDArray[np.int64], which: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The beat by which each one is judged, (n, leads, samples) mV; which: (n,) as `choose` gave it."""
    beats = usual.usual[slot]
    second = which >= 0
    beats[second] = shapes.shape[slot[second], which[second]]
    return beats


def steady(shapes: ShapeState, slot: NDArray[np.int64], batch: BeatBatch) -> NDArray[np.bool_]:
    """Whether each beat may teach the usual beat that it was judged by, (n,).

    Where there are two, only beats that follow one of the same kind: what comes one by one between
    others, as ectopic and fusion beats do, must not be followed by the usual beat that few beats have.
    """
    same = batch.second == shapes.judged_by[slot]
    shapes.judged_by[slot] = batch.second
    may: NDArray[np.bool_] = same | ~shapes.conducted[slot].any(axis=1)
    return may


def learn_conducted(
    shapes: ShapeState, slot: NDArray[np.int64], batch: BeatBatch, usual: NDArray[np.bool_]
) -> None:
    """Take beats that teach, usual: (n,), into the conducted shape that they were judged by."""
    for i in np.flatnonzero(batch.second >= 0):
        k = slot[i], batch.second[i]
        shapes.seen[k] = shapes.clock[slot[i]]
        if usual[i]:
            renew(shapes.shape[k], batch.beat[i], MEMORY)


def follow(shapes: ShapeState, slot: NDArray[np.int64], batch: BeatBatch, shape: NDArray[np.int64]) -> None:
    """Count beats on end that had a strange shape in time, and find out which shapes are conducted.

    shape: (n,) of each beat, -1 if it has none, as monitor.adapt.strange_shapes.remember gives it.
    """
    usable = usable_leads(batch)
    seen = usable.any(axis=1)
    known = seen & (shape >= 0)
    in_time = np.abs(batch.log_ratio[known]) < IN_TIME
    again = np.where(in_time, shapes.in_row[slot[known], shape[known]] + 1, 0)
    shapes.in_row[slot[seen]] = 0
    shapes.in_row[slot[known], shape[known]] = again
    # A young usual beat may be a spoilt one: what differs from it is no second way then, but the first.
    for i in np.flatnonzero(known)[(again >= ON_END) & ~batch.young[known]]:
        compared = shapes.shape[slot[i], shape[i]], batch.usual[i], batch.scale_mv[i], usable[i]
        far = np.log(distance(*compared, QRS)) > FAR
        shapes.conducted[slot[i], shape[i]] = far and _p_change(*compared) < P_SAME


@compiled
def _choose(shape, conducted, usual, scale, wide, fitted, step, margin):  # type: ignore[no-untyped-def]
    best, least = -1, np.inf
    for k in range(-1, len(conducted)):
        if k >= 0 and not conducted[k]:
            continue
        other = usual if k < 0 else shape[k]
        shift = best_shift(wide, other, scale, fitted, step, margin)
        beat = wide[shift : shift + step * usual.shape[1] : step].T
        d = distance(beat, other, scale, fitted, 0)
        if d < least:
            best, least = k, d
    return best


@compiled
def _p_change(shape, usual, scale, usable):  # type: ignore[no-untyped-def]
    """Squared distance of the P waves over the usual one's power, in the lead where it is least."""
    least, n = np.inf, QRS - P_FIRST
    for lead in range(shape.shape[0]):
        if not usable[lead]:
            continue
        for shift in range(-P_SHIFT, P_SHIFT + 1):
            mean = other = 0.0
            for j in range(P_FIRST, QRS):
                mean += usual[lead, j] / n
                other += shape[lead, j + shift] / n
            power = square = 0.0
            for j in range(P_FIRST, QRS):
                p = usual[lead, j] - mean
                power += p * p
                square += (shape[lead, j + shift] - other - p) ** 2
            if power / n > (P_RMS * scale[lead]) ** 2:
                least = min(least, square / power)
    return least
