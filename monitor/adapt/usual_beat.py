"""What is usual for a stream: its own beat, learned from usual beats, and its recent rhythm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from monitor.adapt.beats import BeatBatch
from monitor.ecg.filters import INTERNAL_RATE_HZ
from monitor.ecg.kernels import compiled
from monitor.ecg.slots import SlotState
from monitor.ecg.windows import WindowSpec

LEARN = 12  # beats that make the first usual beat; until then the population judges
MEMORY = 48  # beats over which the usual beat forgets
MATURE = 120  # beats in it from which on it is trusted: the first ones may have been ectopic
HISTORY = 16  # beats before, that the contextual form reads
REGIONS = 8  # of a window, whose residual energy is remembered
KNOWN = 3  # feature from which on a beat's shape is told
FEATURES = (
    KNOWN + 1 + REGIONS
)  # of one past beat and lead: present, log RR ratio, log RR, known, log residuals
RHYTHM = 24  # RR intervals whose median is the recent rhythm
MIN_SCALE_MV = 0.05  # of a usual beat's RMS; a flatter lead must not blow noise up
RR_S = (0.2, 5.0)  # bounds of an RR interval as a feature


@dataclass(slots=True, eq=False)
class UsualState(SlotState):
    """A stream's usual beat, a new stream's first beats, and the last beats' features."""

    usual: NDArray[np.float32]  # (slots, leads, samples) mV
    learned: NDArray[np.int64]  # (slots, leads) beats in the usual beat; 0 = unknown
    ready: NDArray[np.bool_]  # (slots,) False while the population judges
    buffer: NDArray[np.float32]  # (slots, LEARN, leads, samples) mV, a new stream's first beats
    buffer_good: NDArray[np.bool_]  # (slots, LEARN, leads)
    buffered: NDArray[np.int64]  # (slots,)
    past: NDArray[np.float32]  # (slots, leads, HISTORY, FEATURES), oldest first
    rr: NDArray[np.float32]  # (slots, RHYTHM) s, a ring
    rr_count: NDArray[np.int64]  # (slots,) RR intervals so far
    last_r: NDArray[np.int64]  # (slots,) internal sample of the last R peak; -1 = none

    @classmethod
    def create(cls, capacity: int, max_leads: int, spec: WindowSpec) -> Self:
        """Fresh state: nothing is known of the stream."""
        return cls(
            usual=np.zeros((capacity, max_leads, spec.samples), np.float32),
            learned=np.zeros((capacity, max_leads), np.int64),
            ready=np.zeros(capacity, np.bool_),
            buffer=np.zeros((capacity, LEARN, max_leads, spec.samples), np.float32),
            buffer_good=np.zeros((capacity, LEARN, max_leads), np.bool_),
            buffered=np.zeros(capacity, np.int64),
            past=np.zeros((capacity, max_leads, HISTORY, FEATURES), np.float32),
            rr=np.zeros((capacity, RHYTHM), np.float32),
            rr_count=np.zeros(capacity, np.int64),
            last_r=np.full(capacity, -1, np.int64),
        )

    def log_ratio(self, slot: int, r_peak: int) -> float:
        """Log ratio of the RR interval that an R peak would end to the recent median; NaN if unknown."""
        return float(_interval(r_peak, self.rr[slot], self.rr_count[slot], self.last_r[slot])[1])

    def scale_mv(self, slot: int) -> NDArray[np.float64]:
        """RMS of a stream's usual beat, (leads,), not below MIN_SCALE_MV."""
        scale = np.zeros(self.usual.shape[1])
        _scale(self.usual[slot], scale, np.zeros(len(scale), np.float32))
        return scale


def describe(
    state: UsualState,
    spec: WindowSpec,
    slot: NDArray[np.int64],
    r_peak: NDArray[np.int64],
    wide_mv: NDArray[np.float32],
    good: NDArray[np.bool_],
    usual: NDArray[np.float32] | None = None,
) -> BeatBatch:
    """Fit each beat to its stream's usual one and take it into the stream's rhythm and history.

    slot, r_peak: (n,), one beat a stream at most; wide_mv: (n, spec.span, leads) around the R peak;
    good: (n, leads); usual: (n, leads, samples) to be taken for the streams' own usual beats.
    """
    out = _undescribed(state, spec, slot, good, usual)
    for i, s in enumerate(slot):
        out.past[i] = state.past[s]
        _scale(out.usual[i], out.scale_mv[i], out.log_scale[i])
        _rhythm(r_peak[i], state.rr[s], state.rr_count, state.last_r, s, out.rr_s, out.log_ratio, i)
        fitted = good[i] & out.known[i]
        shift = best_shift(wide_mv[i], out.usual[i], out.scale_mv[i], fitted, spec.step, spec.margin)
        out.beat[i] = wide_mv[i, shift : shift + spec.step * spec.samples : spec.step].T
        _remember(
            state.past[s], out.beat[i], out.usual[i], out.scale_mv[i], fitted, out.rr_s[i], out.log_ratio[i]
        )
    return out


def _undescribed(
    state: UsualState,
    spec: WindowSpec,
    slot: NDArray[np.int64],
    good: NDArray[np.bool_],
    usual: NDArray[np.float32] | None,
) -> BeatBatch:
    """What is known of beats before they are looked at, and room for the rest."""
    n, leads = good.shape
    shape = (n, leads, spec.samples)
    return BeatBatch(
        beat=np.zeros(shape, np.float32),
        usual=state.usual[slot] if usual is None else usual,
        past=np.zeros((n, leads, HISTORY, FEATURES), np.float32),
        scale_mv=np.zeros((n, leads)),
        log_scale=np.zeros((n, leads), np.float32),
        good=good,
        known=state.learned[slot] > 0,
        rr_s=np.full(n, np.nan, np.float32),
        log_ratio=np.full(n, np.nan, np.float32),
        ready=state.ready[slot],
        recurrence=np.zeros(n),
        own_level=np.zeros(n),
        run=np.zeros(n, np.int64),
        second=np.full(n, -1),
        young=state.learned[slot].max(axis=1) < MATURE,
    )


def learn(
    state: UsualState,
    slot: NDArray[np.int64],
    beat_mv: NDArray[np.float32],
    good: NDArray[np.bool_],
    usual: NDArray[np.bool_],
) -> None:
    """Take beats that were found usual into the usual beat.

    slot, usual: (n,), one beat a stream at most; beat_mv: (n, leads, samples) as `describe` gave it.
    """
    for i, s in enumerate(slot):
        if not state.ready[s]:
            # Nothing is known to judge by: every beat enters, and the most central ones are kept.
            if good[i].any():
                at = state.buffered[s]
                state.buffer[s, at], state.buffer_good[s, at] = beat_mv[i], good[i]
                state.buffered[s] += 1
            if state.buffered[s] == LEARN:
                _first(state.usual[s], state.learned[s], state.buffer[s], state.buffer_good[s])
                state.ready[s] = True
        elif usual[i]:
            _renew(state.usual[s], state.learned[s], beat_mv[i], good[i])


@compiled
def _scale(usual, scale, log_scale):  # type: ignore[no-untyped-def]
    for lead in range(usual.shape[0]):
        power = 0.0
        for j in range(usual.shape[1]):
            power += np.float64(usual[lead, j]) ** 2
        scale[lead] = max(np.sqrt(power / usual.shape[1]), MIN_SCALE_MV)
        log_scale[lead] = np.log(scale[lead])


@compiled
def _interval(r_peak, rr, count, last_r):  # type: ignore[no-untyped-def]
    """RR interval to the beat before, and its log ratio to the median of the last ones; NaN if unknown."""
    if last_r < 0:
        return np.nan, np.nan
    interval = min(max((r_peak - last_r) / INTERNAL_RATE_HZ, RR_S[0]), RR_S[1])
    if count < 3:
        return interval, np.nan
    return interval, np.log(interval / np.median(rr[: min(count, RHYTHM)]))


@compiled
def _rhythm(r_peak, rr, rr_count, last_r, slot, rr_s, log_ratio, i):  # type: ignore[no-untyped-def]
    """The beat's RR interval and log ratio, and the interval taken into the recent ones."""
    count = rr_count[slot]
    rr_s[i], log_ratio[i] = _interval(r_peak, rr, count, last_r[slot])
    if last_r[slot] >= 0:
        rr[count % RHYTHM] = rr_s[i]
        rr_count[slot] = count + 1
    last_r[slot] = max(last_r[slot], r_peak)


@compiled
def best_shift(wide, usual, scale, leads, step, margin):  # type: ignore[no-untyped-def]
    """First row of the window whose shape is nearest to the usual beat, each lead by its own scale."""
    best, best_shift = np.inf, margin
    samples = usual.shape[1]
    for trial in range(2 * margin + 1):
        # 0, -1, +1, -2, ...: of equal fits the least shift wins
        shift = margin + ((trial + 1) // 2 if trial % 2 == 0 else -((trial + 1) // 2))
        total, any_lead = 0.0, False
        for lead in range(len(leads)):
            if leads[lead]:
                any_lead = True
                mean = square = 0.0
                for j in range(samples):
                    e = np.float64(wide[shift + step * j, lead]) - usual[lead, j]
                    mean += e
                    square += e * e
                total += (square - mean * mean / samples) / scale[lead] ** 2
        if any_lead and total < best:
            best, best_shift = total, shift
    return best_shift


@compiled
def _remember(past, beat, usual, scale, leads, rr_s, log_ratio):  # type: ignore[no-untyped-def]
    """Append this beat's features: its rhythm, and how far each region strayed from the usual beat."""
    samples = usual.shape[1]
    width = samples // REGIONS
    for lead in range(len(leads)):
        past[lead, :-1] = past[lead, 1:].copy()
        row = past[lead, -1]
        row[:] = 0.0
        row[0] = 1.0
        row[1] = 0.0 if np.isnan(log_ratio) else log_ratio
        row[2] = 0.0 if np.isnan(rr_s) else np.log(rr_s)
        if leads[lead]:
            row[KNOWN] = 1.0
            for region in range(REGIONS):
                energy = 0.0
                for j in range(region * width, (region + 1) * width):
                    energy += (np.float64(beat[lead, j]) - usual[lead, j]) ** 2
                row[KNOWN + 1 + region] = np.log(energy / width / scale[lead] ** 2 + 1e-4)


@compiled
def _renew(usual, learned, beat, good):  # type: ignore[no-untyped-def]
    """A running mean that forgets; an unusual beat never enters, so that no outlier needs clipping."""
    for lead in range(usual.shape[0]):
        if good[lead]:
            learned[lead] += 1
            rate = np.float32(1.0 / min(learned[lead], MEMORY))
            for j in range(usual.shape[1]):
                usual[lead, j] += rate * (beat[lead, j] - usual[lead, j])


@compiled
def _first(usual, learned, buffer, good):  # type: ignore[no-untyped-def]
    """The mean of the beats nearest to the most central one: a few ectopic beats don't enter."""
    n = buffer.shape[0]
    distance = _distances(buffer, good)
    centre, least = 0, np.inf
    half = n // 2 - 1  # the centre and so many others: all of the sinus beats in a bigeminy
    for a in range(n):
        spread = np.sort(distance[a])[half]
        if spread < least:
            centre, least = a, spread
    limit = np.sort(distance[centre])[half]
    for a in range(n):
        if distance[centre, a] <= limit:
            for lead in range(usual.shape[0]):
                if good[a, lead]:
                    learned[lead] += 1
                    for j in range(usual.shape[1]):
                        usual[lead, j] += (buffer[a, lead, j] - usual[lead, j]) / learned[lead]


@compiled
def _distances(buffer, good):  # type: ignore[no-untyped-def]
    """Squared distance of every two beats, a common good lead; infinite where there is none."""
    n, leads, samples = buffer.shape
    distance = np.zeros((n, n))
    for a in range(n):
        for b in range(n):
            common = 0
            for lead in range(leads):
                if good[a, lead] and good[b, lead]:
                    common += 1
                    for j in range(samples):
                        distance[a, b] += (np.float64(buffer[a, lead, j]) - buffer[b, lead, j]) ** 2
            distance[a, b] = distance[a, b] / common if common else np.inf
    return distance
