"""Resampling to the internal rate and the causal band-pass, with carried state per stream and lead."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt_zi

from monitor.ecg.kernels import compiled
from monitor.ecg.samples import FLAT, MISSING, Samples
from monitor.ecg.slots import SlotState

INTERNAL_RATE_HZ = 250
# Monitoring bandwidth after IEC 60601-2-27 (0.67 to 40 Hz); 0.5 Hz keeps more of the ST segment.
BAND_HZ = (0.5, 40.0)
LOW_PASS_ORDER = 4  # 60 Hz mains falls by 14 dB; order 2 would leave half of it
HALF_TAPS = 8  # of the interpolating sinc, in periods of the slower of the two rates
TAIL = 128  # input samples kept; 2 * HALF_TAPS * 1000 / 250 = 64 are needed at most
MAX_STEPS = 25_000  # the resampling ratio's denominator at most; of recordings' nominal rates it is 250
# Of the interpolator at most: 5 ms and 0.5 MB for a rate, where a phase for each step of an odd one took
# 0.2 s and 7 MB. Between two phases an internal sample is put half a thousandth of an input sample aside.
MAX_PHASES = 1000
FLAT_S = 0.5  # the very same value for so long: no electrode gives that, not even in asystole


@dataclass(slots=True, eq=False)
class FilterState(SlotState):
    """What the resampler and the band-pass carry from one chunk to the next."""

    tail: NDArray[np.float64]  # (slots, leads, TAIL) mV, ring of the last input samples
    tail_flags: NDArray[np.uint8]  # (slots, leads, TAIL)
    n_in: NDArray[np.int64]  # (slots,) input samples seen in this segment
    n_out: NDArray[np.int64]  # (slots,) internal samples given out
    same: NDArray[np.int64]  # (slots, leads) input samples since the value last changed
    band: NDArray[np.float64]  # (slots, leads, sections, 2) delay line of the band-pass

    @classmethod
    def create(cls, capacity: int, max_leads: int) -> Self:
        """Fresh state, as before a segment's first sample."""
        return cls(
            tail=np.zeros((capacity, max_leads, TAIL)),
            tail_flags=np.zeros((capacity, max_leads, TAIL), np.uint8),
            n_in=np.zeros(capacity, np.int64),
            n_out=np.zeros(capacity, np.int64),
            same=np.zeros((capacity, max_leads), np.int64),
            band=np.zeros((capacity, max_leads, len(band_pass()), 2)),
        )


@lru_cache(maxsize=1)
def band_pass() -> NDArray[np.float64]:
    """Second-order sections of the band-pass at the internal rate, (sections, 6)."""
    high = butter(2, BAND_HZ[0], "highpass", fs=INTERNAL_RATE_HZ, output="sos")
    low = butter(LOW_PASS_ORDER, BAND_HZ[1], "lowpass", fs=INTERNAL_RATE_HZ, output="sos")
    return np.ascontiguousarray(np.concatenate([high, low]))


@lru_cache(maxsize=1)
def _band_pass_step() -> NDArray[np.float64]:
    # State after an endless constant 1: a stream starts as if it had always had its first value.
    return np.ascontiguousarray(sosfilt_zi(band_pass()))


@lru_cache(maxsize=64)
def interpolator(rate_hz: float) -> tuple[NDArray[np.float64], int, int]:
    """Kaiser-windowed sinc bank (phases + 1, taps) and the input step of one internal sample as num/den.

    Internal sample k lies at input position k * num / den; the nearest phase is taken, the last being the
    first of the next input sample. Each phase sums to 1.
    """
    step = (Fraction(rate_hz) / INTERNAL_RATE_HZ).limit_denominator(MAX_STEPS)
    num, den = step.numerator, step.denominator
    half = int(np.ceil(HALF_TAPS * max(1.0, num / den)))
    cutoff = 0.9 * min(1.0, den / num)  # of the input's Nyquist frequency
    phases = min(den, MAX_PHASES)
    offset = np.arange(1 - half, half + 1)[None, :] - np.arange(phases + 1)[:, None] / phases
    taps = np.sinc(cutoff * offset) * np.i0(6.0 * np.sqrt(np.maximum(0, 1 - (offset / half) ** 2)))
    return np.ascontiguousarray(taps / taps.sum(axis=1, keepdims=True)), num, den


def delay_s(rate_hz: float) -> float:
    """Look-ahead of the resampler: input newer than this is not yet in the internal signal."""
    bank, num, den = interpolator(rate_hz)
    return float(bank.shape[1] / 2 / (INTERNAL_RATE_HZ * num / den))


@dataclass(frozen=True, slots=True, eq=False)
class InternalSignal:
    """New internal samples of several streams, one stream's run after another.

    offsets: (streams + 1,) rows of each stream; raw_mv, band_mv: (rows, leads) mV, before and after
    the band-pass; flags: (rows, leads) bits MISSING, SATURATED, FLAT.
    """

    offsets: NDArray[np.int64]
    raw_mv: NDArray[np.float64]
    band_mv: NDArray[np.float64]
    flags: NDArray[np.uint8]


def to_internal(state: FilterState, new: Samples) -> InternalSignal:
    """Resample and band-pass each stream's new samples, going on from its state."""
    banks = [interpolator(float(rate)) for rate in new.rates_hz]
    offsets, counts = new.offsets, np.zeros(len(new.slots) + 1, np.int64)
    for i, (slot, (bank, num, den)) in enumerate(zip(new.slots, banks, strict=True)):
        n_in = state.n_in[slot] + offsets[i + 1] - offsets[i]
        counts[i + 1] = _outputs(n_in, bank.shape[1] // 2, num, den) - state.n_out[slot]
    rows = np.cumsum(counts)
    raw = np.zeros((rows[-1], new.ecg_mv.shape[1]))
    band, out_flags = np.zeros_like(raw), np.zeros(raw.shape, np.uint8)
    for i, slot in enumerate(new.slots):
        own, out = slice(offsets[i], offsets[i + 1]), slice(rows[i], rows[i + 1])
        _resample(
            (new.ecg_mv[own], new.flags[own], new.n_leads[i]),
            (state.tail[slot], state.tail_flags[slot], state.same[slot], state.n_in[slot], state.n_out[slot]),
            int(FLAT_S * new.rates_hz[i]),
            banks[i],
            (raw[out], out_flags[out]),
        )
        _filter(
            raw[out],
            new.n_leads[i],
            state.n_out[slot] == 0,
            band_pass(),
            _band_pass_step(),
            state.band[slot],
            band[out],
        )
        state.n_in[slot] += offsets[i + 1] - offsets[i]
        state.n_out[slot] += counts[i + 1]
    return InternalSignal(rows, raw, band, out_flags)


def filtered(recording: Samples) -> InternalSignal:
    """Whole recordings resampled and band-passed, each from its beginning; stream i in slot i."""
    return to_internal(FilterState.create(len(recording.slots), recording.ecg_mv.shape[1]), recording)


def _outputs(n_in: int, half: int, num: int, den: int) -> int:
    """Internal samples that n_in input samples determine: all k with floor(k num / den) + half < n_in."""
    return max(0, ((n_in - half) * den + num - 1) // num) if n_in > half else 0


@compiled
def _resample(new, carried, flat_after, interpolation, outputs):  # type: ignore[no-untyped-def]
    """Push every new sample into the ring and give out each internal sample as soon as it is determined."""
    ecg, flags, n_leads = new
    tail, tail_flags, same, n_in, n_out = carried
    bank, num, den = interpolation
    out, out_flags = outputs
    phases, taps = bank.shape[0] - 1, bank.shape[1]
    half = taps // 2
    row = 0
    for n in range(ecg.shape[0]):
        for lead in range(n_leads):
            _push(
                ecg[n, lead], flags[n, lead], tail[lead], tail_flags[lead], same, lead, flat_after, n_in + n
            )
        while row < out.shape[0]:
            k = n_out + row
            left = k * num // den
            if left + half > n_in + n:
                break
            phase = (2 * (k * num % den) * phases + den) // (2 * den)
            for lead in range(n_leads):
                total = 0.0
                for j in range(taps):
                    # Before the first sample stands the first sample.
                    total += bank[phase, j] * tail[lead, max(0, left + 1 - half + j) % TAIL]
                out[row, lead] = total
                here = tail_flags[lead, left % TAIL] | tail_flags[lead, (left + 1) % TAIL]
                out_flags[row, lead] = here
            row += 1


@compiled
def _push(value, flag, tail, tail_flags, same, lead, flat_after, index):  # type: ignore[no-untyped-def]
    before = tail[(index - 1) % TAIL] if index > 0 else value
    if flag & MISSING:
        value = before  # hold the last value, so that the filters don't ring
    if value == before and not flag & MISSING:
        same[lead] += 1
    else:
        same[lead] = 0
    if same[lead] >= flat_after:
        flag |= FLAT
    tail[index % TAIL] = value
    tail_flags[index % TAIL] = flag


@compiled
def _filter(raw, n_leads, fresh, sos, step, delay, out):  # type: ignore[no-untyped-def]
    """Direct form II transposed, as scipy.signal.sosfilt."""
    for lead in range(n_leads):
        if fresh and raw.shape[0]:
            for s in range(sos.shape[0]):
                delay[lead, s, 0] = step[s, 0] * raw[0, lead]
                delay[lead, s, 1] = step[s, 1] * raw[0, lead]
        for n in range(raw.shape[0]):
            x = raw[n, lead]
            for s in range(sos.shape[0]):
                y = sos[s, 0] * x + delay[lead, s, 0]
                delay[lead, s, 0] = sos[s, 1] * x - sos[s, 4] * y + delay[lead, s, 1]
                delay[lead, s, 1] = sos[s, 2] * x - sos[s, 5] * y
                x = y
            out[n, lead] = x
