"""Windows over every stream: beat-centred ones when a beat is found, fixed ones all the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from monitor.ecg.filters import INTERNAL_RATE_HZ, InternalSignal
from monitor.ecg.kernels import compiled
from monitor.ecg.samples import MISSING
from monitor.ecg.slots import SlotState

KEEP = 1536  # internal samples kept: a beat found 2.5 s late and a fixed window both fit
PENDING = 16  # beats that wait for their window's right edge; 0.45 s holds 3 at 400 beats a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSpec:
    """How the networks' input is cut; saved in the artifact, so serving cannot differ.

    Lengths are in internal samples (250 Hz) unless they say `samples`, which are of the window's own,
    `step` times slower rate.
    """

    left: int = 100  # from the R peak to the window's left edge: 0.4 s, the P wave
    step: int = 2  # 125 Hz: the band-pass ends at 40 Hz
    samples: int = 104  # 0.83 s: past the T wave at rest
    margin: int = 6  # ±24 ms in which a beat may be shifted to fit the usual one
    fixed_samples: int = 512  # 4.1 s: three beats at 45/min
    fixed_hop: int = 250  # 1 s

    def __post_init__(self) -> None:
        if self.fixed_span + INTERNAL_RATE_HZ > KEEP or self.span + self.left + 2.5 * INTERNAL_RATE_HZ > KEEP:
            raise ValueError(f"need windows that fit into {KEEP} internal samples; got {self}")

    @property
    def span(self) -> int:
        """Internal samples under a beat window, both margins included."""
        return self.step * (self.samples - 1) + 1 + 2 * self.margin

    @property
    def right(self) -> int:
        """Internal samples needed after the R peak: the look-ahead of every beat's verdict."""
        return self.span - self.left - self.margin

    @property
    def fixed_span(self) -> int:
        """Internal samples under a fixed window."""
        return self.step * self.fixed_samples


@dataclass(slots=True, eq=False)
class WindowState(SlotState):
    """The last seconds of every stream, and the beats whose window is not yet complete."""

    band: NDArray[np.float32]  # (slots, KEEP, leads) mV
    flags: NDArray[np.uint8]  # (slots, KEEP, leads)
    n: NDArray[np.int64]  # (slots,) internal samples so far
    fixed: NDArray[np.int64]  # (slots,) fixed windows given out
    pending: NDArray[np.int64]  # (slots, PENDING, 3): R peak, decided at, late
    waiting: NDArray[np.int64]  # (slots,) rows of `pending` in use

    @classmethod
    def create(cls, capacity: int, max_leads: int) -> Self:
        """Fresh state: what came before the segment counts as missing."""
        return cls(
            band=np.zeros((capacity, KEEP, max_leads), np.float32),
            flags=np.full((capacity, KEEP, max_leads), MISSING, np.uint8),
            n=np.zeros(capacity, np.int64),
            fixed=np.zeros(capacity, np.int64),
            pending=np.zeros((capacity, PENDING, 3), np.int64),
            waiting=np.zeros(capacity, np.int64),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Extended:
    """Each stream's kept samples followed by its new ones.

    band, flags: (rows, leads); offsets: (streams + 1,) rows of each stream; first: (streams,)
    internal sample number of each stream's first row (negative before the segment).
    """

    band: NDArray[np.float32]
    flags: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    first: NDArray[np.int64]

    def cut(
        self,
        array: NDArray[Any],
        stream: NDArray[np.int64],
        start: NDArray[np.int64],
        length: int,
        step: int = 1,
    ) -> NDArray[Any]:
        """Windows (n, length, leads) of `band` or `flags` from internal sample `start` of each stream."""
        row = self.offsets[stream] + start - self.first[stream]
        cut: NDArray[Any] = array[row[:, None] + step * np.arange(length)]
        return cut


def extend(state: WindowState, slots: NDArray[np.int64], signal: InternalSignal) -> Extended:
    """Append new internal samples to each stream's kept ones, and keep the last for next time."""
    lengths = np.diff(signal.offsets) + KEEP
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    band = np.empty((offsets[-1], signal.band_mv.shape[1]), np.float32)
    flags = np.empty(band.shape, np.uint8)
    first = state.n[slots] - KEEP
    for i, slot in enumerate(slots):
        new, out = slice(signal.offsets[i], signal.offsets[i + 1]), slice(offsets[i], offsets[i + 1])
        for array, kept, fresh in ((band, state.band, signal.band_mv), (flags, state.flags, signal.flags)):
            array[out][:KEEP] = kept[slot]
            array[out][KEEP:] = fresh[new]
            kept[slot] = array[out][-KEEP:]
    state.n[slots] += np.diff(signal.offsets)
    return Extended(band, flags, offsets, first)


@dataclass(frozen=True, slots=True, eq=False)
class Cuts:
    """Where windows lie: stream index, R peak (or fixed start), the sample that completed it, late."""

    stream: NDArray[np.int64]
    sample: NDArray[np.int64]
    decided_at: NDArray[np.int64]
    late: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.stream)


def beat_cuts(
    state: WindowState,
    slots: NDArray[np.int64],
    spec: WindowSpec,
    stream: NDArray[np.int64],
    beats: NDArray[np.int64],
) -> Cuts:
    """Beats whose window is complete now, in each stream's order; the others wait.

    stream: (n,) index into slots of each newly found beat; beats: (n, 3) R peak, decided at, late.
    """
    room = int(state.waiting[slots].sum()) + len(beats)
    out = np.zeros((room, 4), np.int64)
    bounds = np.searchsorted(stream, np.arange(len(slots) + 1))
    used = _ready(slots, bounds, beats, spec.right, state.n, state.pending, state.waiting, out)
    out = out[:used]
    return Cuts(out[:, 0], out[:, 1], np.maximum(out[:, 2], out[:, 1] + spec.right), out[:, 3] > 0)


@compiled
def _ready(slots, bounds, beats, right, n, pending, waiting, out):  # type: ignore[no-untyped-def]
    used = 0
    for i in range(len(slots)):
        slot = slots[i]
        kept = 0
        old = waiting[slot]
        for j in range(old + bounds[i + 1] - bounds[i]):
            if j < old:
                r, decided, late = pending[slot, j]
            else:
                r, decided, late = beats[bounds[i] + j - old]
            if r + right < n[slot]:
                out[used, 0], out[used, 1], out[used, 2], out[used, 3] = i, r, decided, late
                used += 1
            elif kept < PENDING:  # always: beats keep a refractory period of 0.2 s
                pending[slot, kept, 0], pending[slot, kept, 1], pending[slot, kept, 2] = r, decided, late
                kept += 1
        waiting[slot] = kept
    return used


def fixed_cuts(state: WindowState, slots: NDArray[np.int64], spec: WindowSpec) -> Cuts:
    """Fixed windows that have become complete, in each stream's order; `sample` is their first one."""
    done = np.maximum(0, (state.n[slots] - spec.fixed_span) // spec.fixed_hop + 1)
    count = np.maximum(0, done - state.fixed[slots])
    stream = np.repeat(np.arange(len(slots)), count)
    within = np.arange(len(stream)) - np.repeat(np.cumsum(count) - count, count)
    start = (state.fixed[slots][stream] + within) * spec.fixed_hop
    state.fixed[slots] += count
    return Cuts(stream, start, start + spec.fixed_span - 1, np.zeros(len(start), bool))
