"""Noise as loud as an ECG, told from it over seconds: electrodes that move, muscles, a loose contact.

An ECG is quiet between its waves; noise is not. Of each block of 0.1 s we take the RMS of second
differences (x[t] - 2 x[t - k] + x[t - 2 k]) over 24 ms, which see 8 to 30 Hz: a block is loud if that
is above a limit. A lead is noisy once most of its blocks of 3 s have been loud for seconds, and while some
still are: a short burst is no reason to look away, and the pauses of long noise no reason to trust it. The
heart alone can fill them, too, in ventricular flutter, but smoothly: there the same over 32 ms is nearly
three times that over 16 ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from monitor.ecg.filters import InternalSignal
from monitor.ecg.kernels import compiled
from monitor.ecg.slots import SlotState

BLOCK = 25  # internal samples, 0.1 s: a QRS complex fills two
MEMORY, LOUD = 30, 18  # blocks that a verdict looks back, and how many of them must be loud
STILL_LOUD = 9  # of MEMORY, for noise that has lasted LONG_NOISE blocks
LONG_NOISE, LONGEST_NOISE = 40, 150  # blocks; as many quiet ones end it
KEEP = 32  # blocks kept: MEMORY, and a beat found 2.4 s late with its window
SHORT, MIDDLE, LONG = 4, 6, 8  # lags, internal samples
SMOOTH = 2.6  # LONG over SHORT from which on a block may be flutter's, however loud

# Chosen on DS1 and looked at on the noise stress test; see docs/results.md.
LOUD_MV = 0.03  # RMS: no block below it is loud
ALWAYS_MV = 0.06  # and each block above it is
QUIET_RATIO = 2.0  # between the two: so many times what is usual for the lead
# The usual level follows its blocks' lower third: a share of the level a block, faster in the first 30 s.
STEP, FIRST_STEP, FIRST_BLOCKS = 0.002, 0.01, 300
LOWER_PART = 0.3
WHILE_NOISY = 0.1  # noise of a minute is not to become usual
FIRST_MV, LOWEST_MV = 0.02, 0.002


@dataclass(slots=True, eq=False)
class NoiseState(SlotState):
    """How loud each lead's latest blocks were, and what is usual for it."""

    n: NDArray[np.int64]  # (slots,) internal samples so far
    tail_mv: NDArray[np.float64]  # (slots, leads, 2 * LONG) the last of them
    power: NDArray[np.float64]  # (slots, leads, 3) sums of squares in the block that is not full
    quiet_mv: NDArray[np.float64]  # (slots, leads) usual level
    lasted: NDArray[np.int64]  # (slots, leads) noisy blocks less those that were not, of late
    loud: NDArray[np.bool_]  # (slots, KEEP, leads) latest blocks
    noisy: NDArray[np.bool_]  # (slots, KEEP, leads) verdicts at their ends

    @classmethod
    def create(cls, capacity: int, max_leads: int) -> Self:
        """Fresh state: a quiet stream."""
        return cls(
            n=np.zeros(capacity, np.int64),
            tail_mv=np.zeros((capacity, max_leads, 2 * LONG)),
            power=np.zeros((capacity, max_leads, 3)),
            quiet_mv=np.full((capacity, max_leads), FIRST_MV),
            lasted=np.zeros((capacity, max_leads), np.int64),
            loud=np.zeros((capacity, KEEP, max_leads), np.bool_),
            noisy=np.zeros((capacity, KEEP, max_leads), np.bool_),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """Verdicts at the ends of each stream's kept and new blocks.

    noisy: (rows, leads); offsets: (streams + 1,); first: (streams,) block number of each first row.
    """

    noisy: NDArray[np.bool_]
    offsets: NDArray[np.int64]
    first: NDArray[np.int64]

    def until(self, stream: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the seconds up to internal sample `end`, itself left out, were noise; (n, leads)."""
        verdicts: NDArray[np.bool_] = self.noisy[self.offsets[stream] + end // BLOCK - 1 - self.first[stream]]
        return verdicts


def follow(state: NoiseState, slots: NDArray[np.int64], signal: InternalSignal) -> Noise:
    """Take new internal samples in; `state` moves on in place. slots: (streams,) all different."""
    after = state.n[slots] + np.diff(signal.offsets)
    blocks = KEEP + after // BLOCK - state.n[slots] // BLOCK
    offsets = np.concatenate([[0], np.cumsum(blocks)]).astype(np.int64)
    loud = np.zeros((int(offsets[-1]), signal.band_mv.shape[1]), np.bool_)
    noisy, first = np.zeros_like(loud), state.n[slots] // BLOCK - KEEP
    for stream, slot in enumerate(slots):
        rows = slice(offsets[stream], offsets[stream + 1])
        band_mv = signal.band_mv[signal.offsets[stream] : signal.offsets[stream + 1]]
        for kept, out in ((state.loud[slot], loud[rows]), (state.noisy[slot], noisy[rows])):
            out[:KEEP] = kept
        _follow(
            band_mv,
            state.n[slot],
            state.tail_mv[slot],
            state.power[slot],
            state.quiet_mv[slot],
            state.lasted[slot],
            loud[rows],
            noisy[rows],
        )
        state.loud[slot], state.noisy[slot] = loud[rows][-KEEP:], noisy[rows][-KEEP:]
    state.n[slots] = after
    return Noise(noisy, offsets, first)


@compiled
def _follow(band_mv, n, tail_mv, power, quiet_mv, lasted, loud, noisy):  # type: ignore[no-untyped-def]
    # Sample by sample, so that sums are added in one order however the signal is cut.
    past = tail_mv.shape[1]
    for lead in range(band_mv.shape[1]):
        run = np.concatenate((tail_mv[lead], band_mv[:, lead]))
        row = KEEP
        for t in range(past, len(run)):
            for k, lag in enumerate((SHORT, MIDDLE, LONG)):
                power[lead, k] += (run[t] - 2.0 * run[t - lag] + run[t - 2 * lag]) ** 2
            end = n + t - past + 1
            if end % BLOCK == 0:
                _end_block(power[lead], quiet_mv, lasted, lead, end // BLOCK, loud, noisy, row)
                row += 1
        tail_mv[lead] = run[len(run) - past :]


@compiled
def _end_block(power, quiet_mv, lasted, lead, number, loud, noisy, row):  # type: ignore[no-untyped-def]
    # A white noise's second difference has √6 times its RMS.
    short, middle, long = np.sqrt(power / (6 * BLOCK))
    power[:] = 0.0
    limit = min(max(LOUD_MV, QUIET_RATIO * quiet_mv[lead]), ALWAYS_MV)
    loud[row, lead] = middle > limit and long < SMOOTH * short
    many = loud[row - MEMORY + 1 : row + 1, lead].sum()
    lasted[lead] = min(max(lasted[lead] + (1 if many >= LOUD else -1), 0), LONGEST_NOISE)
    noisy[row, lead] = lasted[lead] >= LONG_NOISE and many >= STILL_LOUD
    step = FIRST_STEP if number < FIRST_BLOCKS else STEP
    if middle > quiet_mv[lead]:
        quiet_mv[lead] *= 1 + LOWER_PART * step * (WHILE_NOISY if noisy[row, lead] else 1.0)
    else:
        quiet_mv[lead] *= 1 - (1 - LOWER_PART) * step
    quiet_mv[lead] = max(quiet_mv[lead], LOWEST_MV)
