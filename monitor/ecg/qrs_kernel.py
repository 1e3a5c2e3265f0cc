"""The QRS detector's recursion, compiled: causal, exact, one sample of one stream at a time.

Every channel (a band of a lead) has an envelope, a beat level (median of its peaks at the latest
beats) and a background (its mean over seconds). The feature is the mean of envelope / beat level
over channels, weighted by (usual level / background)³, and once more by that of the lead's bands: a noisy
channel counts less, and a noisy lead. Its largest sample
within 200 ms is a beat if it passes a threshold that falls with the time since the last beat, as in Pan
& Tompkins (1985), else it waits for their search-back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from monitor.ecg.kernels import compiled
from monitor.ecg.qrs_peaks import NEAR, TWAVE, is_peak, median, r_peak, threshold_part, tops
from monitor.ecg.qrs_state import QrsState

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

BANDS, HALF, RING, HISTORY, PENDING = 2, 18, 128, 8, 16  # sizes of qrs_state
MASK = RING - 1
RATE = 250  # Hz

LEARN = 500  # 2 s, of which the first guess of the levels is made
FLOOR_MV = 0.05  # no beat level is lower, so that the noise of a still lead makes no beats

# Where noise peaks nearly as high as beats, beats that come when they are due pass a lower threshold,
# those that come early a higher one: by so much, times the cube of the noise's feature.
LENIENT, HASTY = 0.5, 1.2
BACK = 0.2  # search-back's threshold as part of the way from noise to beat level
FIRST = 0.4  # of the largest peak while learning
SEARCH_RR = 1.5  # search-back after 1.5 usual RR (1.66 in Pan & Tompkins), or 1.5 s
SEARCH_MAX = 375.0
OLDEST = 600  # 2.4 s: search-back reaches no further

CLIP = 2.0  # one lead's artefact is worth no more than two beats
CLIP_SLOPE = 0.1  # beyond it the envelope's peak must still be a peak
ARTEFACT = 2.4  # a feature that stands for six usual beats
STILL = 0.25  # of the usual level: less background than this makes no band better than another
STILL_LEAD = 0.04  # and less than this no lead
BACKGROUND = 1 / 500  # a sample's weight in the background: 2 s
USUAL_STEP = 0.02  # a beat moves the usual level by 2 %: a minute's artefacts don't teach it
STARVED = 500  # 2 s without a beat: are the levels too high?

LATE = 105  # 0.42 s; ordinary decisions come NEAR + HALF + FIDUCIAL = 84 samples after R at most


@compiled
def advance(
    state: QrsState,
    slots: Ints,
    offsets: Ints,
    held_mv: Floats,
    envelope_mv: Floats,
    n_leads: Ints,
    found: Ints,
    count: Ints,
) -> None:
    """Add a row (stream, R peak, decided at, late) to `found` for every beat; count[0] rows are filled."""
    for stream in range(len(slots)):
        i, leads = slots[stream], n_leads[stream]
        for row in range(offsets[stream], offsets[stream + 1]):
            before, now = count[0], state.clock[i]
            for lead in range(leads):
                state.raw_mv[i, lead, now & MASK] = held_mv[row, lead]
            seeing = _feed(state, i, leads, envelope_mv[row])
            peak = now - HALF - NEAR
            if peak >= 0 and is_peak(state.feature[i], peak):
                _decide(state, i, leads, peak, found, count)
            if seeing:  # else the time since the last beat stands still
                _look_back(state, i, leads, peak, found, count)
            found[before : count[0], 0] = stream
            state.clock[i] = now + 1


@compiled
def _feed(state: QrsState, i: int, leads: int, envelope_mv: Floats) -> bool:
    """Take the channels' newest envelopes (channels,) in; False if all are unusable."""
    at = (state.clock[i] - HALF) & MASK
    seeing = False
    for c in range(leads * BANDS):
        envelope = state.envelope_mv[i, c, at] = envelope_mv[c]
        if envelope >= 0:
            seeing = True
            most = 3 * max(state.usual_mv[i, c], FLOOR_MV) if state.n_beats[i] else 1e3
            state.background_mv[i, c] += BACKGROUND * (min(envelope, most) - state.background_mv[i, c])
    state.blind[i] += 0 if seeing else 1
    state.feature[i, at] = _feature(state, i, leads, envelope_mv)
    return seeing


@compiled
def _feature(state: QrsState, i: int, leads: int, envelope_mv: Floats) -> float:
    """Channels' envelopes in units of a beat, weighted mean; 0 without a usable lead."""
    total = weights = 0.0
    for lead in range(leads):
        first = lead * BANDS
        clear = _lead_clearness(state, i, first) if state.n_beats[i] else 1.0
        for c in range(first, first + BANDS):
            if envelope_mv[c] < 0:
                continue
            # Until the first beat the levels are not known: plain mean in mV.
            level = weight = 1.0
            if state.n_beats[i]:
                level = max(state.beat_level_mv[i, c], FLOOR_MV)
                weight = _clearness(state, i, c, STILL) ** 3 * clear
            ratio = envelope_mv[c] / level
            total += weight * min(ratio, CLIP + CLIP_SLOPE * (ratio - CLIP))
            weights += weight
    return total / weights if weights > 0 else 0.0


@compiled
def _clearness(state: QrsState, i: int, c: int, still: float) -> float:
    """How far beats stand out of a channel's background."""
    usual = max(state.usual_mv[i, c], FLOOR_MV)
    ratio: float = usual / max(state.background_mv[i, c], still * usual)
    return ratio


@compiled
def _lead_clearness(state: QrsState, i: int, first: int) -> float:
    """The mean of a lead's bands, of which `first` is the first."""
    total = 0.0
    for c in range(first, first + BANDS):
        total += _clearness(state, i, c, STILL_LEAD)
    return total / BANDS


@compiled
def _decide(state: QrsState, i: int, leads: int, peak: int, found: Ints, count: Ints) -> None:
    """Take the peak for a beat or keep it for search-back."""
    _forget(state, i, max(state.n_pending[i] - PENDING + 1, 0))
    k = state.n_pending[i]
    state.n_pending[i] = k + 1
    state.pending_peak[i, k] = peak
    tops(state.envelope_mv[i, : leads * BANDS], peak, state.pending_mv[i, k])
    lead = 0
    while lead + 1 < leads and state.envelope_mv[i, lead * BANDS, peak & MASK] < 0:
        lead += 1  # the first lead that is usable here
    r, polarity = r_peak(state.raw_mv[i, lead], peak, state.last_r[i] + NEAR, state.polarity[i])
    state.pending_r[i, k], state.pending_polarity[i, k] = r, polarity
    if state.n_beats[i] == 0:
        return
    gap = peak - state.last_peak[i] - state.blind[i]
    noise, value = _noise(state, i, leads, k), state.feature[i, peak & MASK]
    early = max(0.0, 1.0 - gap / state.usual_rr[i])
    threshold = _threshold(noise, threshold_part(gap, state.usual_rr[i]), early)
    if threshold <= value < ARTEFACT:
        _accept(state, i, leads, k, found, count)
        _forget(state, i, k + 1)
        return
    for c in range(leads * BANDS):
        if state.pending_mv[i, k, c] >= 0:
            top = min(state.pending_mv[i, k, c], state.beat_level_mv[i, c])
            state.noise_peak_mv[i, c, state.n_noise[i] % HISTORY] = top
            state.noise_level_mv[i, c] = median(state.noise_peak_mv[i, c], HISTORY)
    state.n_noise[i] += 1


@compiled
def _threshold(noise: float, part: float, early: float) -> float:
    """Feature that a peak must reach, `part` of the way from noise to beat level; early: part of an RR."""
    return noise + part * max(1.0 - noise, 0.1) + (HASTY * early - LENIENT) * noise**3


@compiled
def _noise(state: QrsState, i: int, leads: int, k: int) -> float:
    """Feature of usual noise peaks in the channels that saw pending peak k."""
    seen = state.pending_mv[i, k] >= 0
    return _feature(state, i, leads, np.where(seen, state.noise_level_mv[i], -1.0))


@compiled
def _accept(state: QrsState, i: int, leads: int, k: int, found: Ints, count: Ints) -> None:
    """Make pending peak k a beat: report it and learn from it."""
    peak, r, now = state.pending_peak[i, k], state.pending_r[i, k], state.clock[i]
    n = count[0]
    found[n, 1], found[n, 2], found[n, 3] = r, now, now - r > LATE
    count[0] = n + 1
    gap = peak - state.last_peak[i]
    if state.n_beats[i] > 0 and state.blind[i] == 0 and gap < 3 * RATE:
        state.rr[i, state.n_beats[i] % HISTORY] = gap
        state.usual_rr[i] = min(max(median(state.rr[i], HISTORY), 75.0), 350.0)
    for c in range(leads * BANDS):
        top = state.pending_mv[i, k, c]
        if top >= 0:
            if state.usual_mv[i, c] <= 0:  # this lead's first beat
                state.usual_mv[i, c] = state.beat_peak_mv[i, c] = top
            state.beat_peak_mv[i, c, state.n_beats[i] % HISTORY] = top
            state.beat_level_mv[i, c] = median(state.beat_peak_mv[i, c], HISTORY)
            step = 1 + max(USUAL_STEP, 0.5 / (state.n_beats[i] + 1))
            state.usual_mv[i, c] *= step if top > state.usual_mv[i, c] else 1 / step
    state.polarity[i] += 0.05 * (state.pending_polarity[i, k] - state.polarity[i])
    state.last_peak[i], state.last_r[i], state.blind[i] = peak, r, 0
    state.n_beats[i] += 1


@compiled
def _forget(state: QrsState, i: int, count: int) -> None:
    """Drop the oldest pending peaks."""
    left = state.n_pending[i] - count
    for k in range(left):
        state.pending_peak[i, k] = state.pending_peak[i, k + count]
        state.pending_r[i, k] = state.pending_r[i, k + count]
        state.pending_polarity[i, k] = state.pending_polarity[i, k + count]
        state.pending_mv[i, k] = state.pending_mv[i, k + count]
    state.n_pending[i] = left


@compiled
def _look_back(state: QrsState, i: int, leads: int, peak: int, found: Ints, count: Ints) -> None:
    """Learn from the first peaks; later search the pending ones when a beat is overdue."""
    if state.n_beats[i] == 0:
        if state.n_pending[i] > 0 and state.clock[i] - state.pending_peak[i, 0] >= LEARN:
            _learn(state, i, leads, found, count)
        return
    gap = peak - state.last_peak[i] - state.blind[i]
    if gap >= STARVED and gap % RATE == 0:
        _lower(state, i, leads, gap)
    if state.n_pending[i] > 0 and gap >= min(SEARCH_RR * state.usual_rr[i], SEARCH_MAX):
        _search(state, i, leads, found, count)


@compiled
def _lower(state: QrsState, i: int, leads: int, gap: int) -> None:
    """Bring levels down to the usual ones, which an artefact does not move, and later halve them."""
    for c in range(leads * BANDS):
        part = 0.5 if gap >= 2 * STARVED or state.n_beats[i] < HISTORY else 1.0
        usual = max(state.usual_mv[i, c], FLOOR_MV)
        if state.beat_level_mv[i, c] > usual:
            part = usual / state.beat_level_mv[i, c]
        state.beat_peak_mv[i, c] *= part
        state.beat_level_mv[i, c] *= part


@compiled
def _eligible(state: QrsState, i: int, k: int) -> bool:
    """Whether pending peak k is neither the last beat's T wave nor too old to be reported."""
    is_new = state.clock[i] - state.pending_r[i, k] < OLDEST
    return bool(is_new and state.pending_peak[i, k] - state.last_peak[i] > TWAVE)


@compiled
def _learn(state: QrsState, i: int, leads: int, found: Ints, count: Ints) -> None:
    """Take the largest peaks so far for the first beats and their level, unless they are tiny."""
    for c in range(leads * BANDS):
        level = 0.0
        for k in range(state.n_pending[i]):
            level = max(level, state.pending_mv[i, k, c])
        state.beat_level_mv[i, c] = state.usual_mv[i, c] = level
        state.beat_peak_mv[i, c] = level
    state.n_beats[i] = 1
    state.last_peak[i] = -RATE
    for k in range(state.n_pending[i]):
        if _eligible(state, i, k) and _feature(state, i, leads, state.pending_mv[i, k]) >= FIRST:
            _accept(state, i, leads, k, found, count)
    if state.last_peak[i] < 0:
        state.n_beats[i] = 0
    state.n_pending[i] = 0


@compiled
def _search(state: QrsState, i: int, leads: int, found: Ints, count: Ints) -> None:
    """Take the largest pending peak for a beat if it passes the lower threshold."""
    best, most = state.n_pending[i], 0.0
    for k in range(state.n_pending[i]):
        value, noise = _feature(state, i, leads, state.pending_mv[i, k]), _noise(state, i, leads, k)
        if _eligible(state, i, k) and value > most and value >= _threshold(noise, BACK, 0.0):
            best, most = k, value
    if best < state.n_pending[i]:
        _accept(state, i, leads, best, found, count)
        _forget(state, i, best + 1)
