"""Verdicts → findings: single beats, runs, pauses, chaotic rhythm, and signal that can't be judged.

One stream's windows come in order of decision, so that what is found does not depend on how the
recording was cut into chunks. Samples here are internal ones, counted from the segment's start.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from monitor.adapt.runs import advance
from monitor.ecg.filters import INTERNAL_RATE_HZ as RATE
from monitor.ecg.quality import Quality
from monitor.ecg.slots import SlotState
from monitor.formats.events import Kind, Phase

UPDATE = 10 * RATE  # an open episode is told again so often
PAUSE = 2 * RATE  # without a beat: a pause (Bradycardia guideline 2018 takes 3 s, Holter practice 2 s)
DECISION = RATE // 2  # a beat is decided at most so long after its R peak
CHAOS_WINDOWS = 2  # anomalous fixed windows in a row that make a chaotic rhythm
CALM_WINDOWS = 3  # others in a row that end it
BAD_WINDOWS = 2  # fixed windows in a row without one good lead
RECENT = 24  # beats remembered: those of a fixed window at 300 a minute
EARLY, LATE = -0.1, 0.2  # log RR ratio: 10 % early, 20 % late


@dataclass(frozen=True, slots=True)
class Finding:
    """An event before it has a stream, a time and a model."""

    kind: Kind
    at: int  # R peak, or the first sample concerned
    first: int
    last: int
    why: str
    phase: Phase | None = None
    beats: int | None = None


@dataclass(slots=True, eq=False)
class EpisodeState(SlotState):
    """What is open in every stream; -1 stands for nothing."""

    run: NDArray[np.int64]  # (slots,) flagged beats in a row, or in the open run
    run_first: NDArray[np.int64]  # (slots,) R peak of the run's first beat
    run_open: NDArray[np.bool_]  # (slots,)
    run_told: NDArray[np.int64]  # (slots,) R peak at which the run was last told
    calm: NDArray[np.int64]  # (slots,) unflagged beats in a row
    recent: NDArray[np.int64]  # (slots, RECENT, 2) R peak and flag of the last beats, oldest first
    last_r: NDArray[np.int64]  # (slots,)
    pause_open: NDArray[np.bool_]  # (slots,)
    bad_until: NDArray[np.int64]  # (slots,) last sample of the last fixed window without a good lead
    chaos: NDArray[np.int64]  # (slots,) anomalous fixed windows in a row
    chaos_first: NDArray[np.int64]  # (slots,)
    chaos_open: NDArray[np.bool_]  # (slots,)
    chaos_told: NDArray[np.int64]  # (slots,)
    chaos_calm: NDArray[np.int64]  # (slots,)
    bad: NDArray[np.int64]  # (slots,) bad fixed windows in a row
    bad_first: NDArray[np.int64]  # (slots,)
    bad_open: NDArray[np.int64]  # (slots,) 0, or the Quality that was told

    @classmethod
    def create(cls, capacity: int) -> Self:
        """Fresh state: nothing is open, no beat was seen."""

        def numbers(value: int) -> NDArray[np.int64]:
            return np.full(capacity, value, np.int64)

        def flags() -> NDArray[np.bool_]:
            return np.zeros(capacity, np.bool_)

        nothing: dict[str, Any] = {
            field.name: flags() if field.name.endswith("open") else numbers(-1) for field in fields(cls)
        }
        counts = ("run", "calm", "chaos", "chaos_calm", "bad", "bad_open")
        nothing |= {name: numbers(0) for name in counts}
        nothing["recent"] = np.full((capacity, RECENT, 2), -(10 * RATE), np.int64)
        return cls(**nothing)

    def open_episodes(self, slots: NDArray[np.int64]) -> int:
        """Episodes that have begun and not ended."""
        parts = (self.run_open, self.pause_open, self.chaos_open, self.bad_open > 0)
        return int(sum(part[slots].sum() for part in parts))


def on_beat(
    state: EpisodeState, slot: int, r_peak: int, window: tuple[int, int], flagged: bool, kind: Kind, why: str
) -> list[Finding]:
    """Findings of one beat; `kind` and `why` say what it is if it is flagged."""
    out = _end_pause(state, slot, r_peak)
    state.last_r[slot] = max(int(state.last_r[slot]), r_peak)
    state.recent[slot, :-1] = state.recent[slot, 1:]
    state.recent[slot, -1] = r_peak, flagged
    beats, was_open = int(state.run[slot]), bool(state.run_open[slot])
    advance(state.run, state.calm, state.run_open, np.array([slot]), np.array([flagged]))
    if flagged and beats == 0:
        state.run_first[slot] = r_peak
    if not state.run_open[slot]:
        if was_open:
            out.append(_run(state, slot, r_peak, Phase.END, beats))
        elif flagged:
            out.append(Finding(kind, r_peak, *window, why))
    elif flagged and (not was_open or r_peak - state.run_told[slot] >= UPDATE):
        state.run_told[slot] = r_peak
        out.append(_run(state, slot, r_peak, Phase.UPDATE if was_open else Phase.ONSET, beats + 1))
    return out


def _run(state: EpisodeState, slot: int, r_peak: int, phase: Phase, beats: int) -> Finding:
    first = int(state.run_first[slot])
    at = r_peak if phase is Phase.ONSET else first
    return Finding(Kind.RUN, at, first, r_peak, f"{beats} anomalous beats", phase, beats)


def _end_pause(state: EpisodeState, slot: int, r_peak: int) -> list[Finding]:
    """A pause that a beat ends; one too short to have been told while it lasted is told whole."""
    last = int(state.last_r[slot])
    open_before, state.pause_open[slot] = bool(state.pause_open[slot]), False
    why = f"{(r_peak - last) / RATE:.2f} s without a beat"
    if open_before:
        return [Finding(Kind.RHYTHM_PAUSE, max(last, 0), max(last, 0), r_peak, why, Phase.END)]
    if last < 0 or r_peak - last < PAUSE or state.bad_until[slot] >= last:
        return []
    return [Finding(Kind.RHYTHM_PAUSE, last, last, r_peak, why)]


def on_fixed(
    state: EpisodeState, slot: int, span: tuple[int, int], quality: Quality, anomalous: bool, low: bool
) -> list[Finding]:
    """Findings of one fixed window, the clock of everything that is told without a beat.

    quality: of the window's best lead; anomalous: its verdict; low: no deflection in any lead.
    """
    out = _signal(state, slot, span, quality)
    out += _chaos(state, slot, span, anomalous and not low)
    if quality != Quality.GOOD:
        state.bad_until[slot] = span[1]
        return out
    # Silence counts from the last beat, or from when the signal could be judged again.
    since = max(int(state.last_r[slot]), int(state.bad_until[slot]), 0)
    silent = span[1] - since
    if silent >= PAUSE + DECISION and not state.pause_open[slot] and not state.chaos_open[slot]:
        state.pause_open[slot] = True
        why = f"{silent / RATE:.1f} s without a beat"
        why += ", without any deflection: asystole, or a lead that is off" if low else ""
        out.append(Finding(Kind.RHYTHM_PAUSE, since, since, span[1], why, Phase.ONSET))
    return out


def _chaos(state: EpisodeState, slot: int, span: tuple[int, int], anomalous: bool) -> list[Finding]:
    first, last = span
    if not (anomalous and _no_usual_rhythm(state, slot, span)):
        state.chaos[slot] = 0
        state.chaos_calm[slot] += 1
        if not state.chaos_open[slot] or state.chaos_calm[slot] < CALM_WINDOWS:
            return []
        state.chaos_open[slot] = False
        return [_chaotic(state, slot, last, Phase.END)]
    state.chaos_calm[slot] = 0
    if state.chaos[slot] == 0 and not state.chaos_open[slot]:
        state.chaos_first[slot] = first
    state.chaos[slot] += 1
    if state.chaos_open[slot]:
        if last - state.chaos_told[slot] < UPDATE:
            return []
        phase = Phase.UPDATE
    elif state.chaos[slot] >= CHAOS_WINDOWS:
        state.chaos_open[slot], phase = True, Phase.ONSET
    else:
        return []
    state.chaos_told[slot] = last
    return [_chaotic(state, slot, last, phase)]


def _no_usual_rhythm(state: EpisodeState, slot: int, span: tuple[int, int]) -> bool:
    """True unless most beats of the window were found usual: then the window is odd, the rhythm is not."""
    beats = state.recent[slot]
    inside = (beats[:, 0] >= span[0]) & (beats[:, 0] <= span[1])
    return bool(2 * (inside & (beats[:, 1] > 0)).sum() >= inside.sum())


def _chaotic(state: EpisodeState, slot: int, last: int, phase: Phase) -> Finding:
    first = int(state.chaos_first[slot])
    return Finding(Kind.RHYTHM_CHAOTIC, first, first, last, "no beats of any usual shape", phase)


def _signal(state: EpisodeState, slot: int, span: tuple[int, int], quality: Quality) -> list[Finding]:
    if quality == Quality.GOOD:
        state.bad[slot] = 0
        if not state.bad_open[slot]:
            return []
        state.bad_open[slot] = 0
        first = int(state.bad_first[slot])
        return [Finding(Kind.SIGNAL_RESTORED, first, first, span[1], "can be judged again")]
    if state.bad[slot] == 0:
        state.bad_first[slot] = span[0]
    state.bad[slot] += 1
    kind = Kind.SIGNAL_LOST if quality in (Quality.FLAT, Quality.MISSING) else Kind.SIGNAL_POOR
    told = _kind_of(int(state.bad_open[slot]))
    if state.bad[slot] < BAD_WINDOWS or told in (kind, Kind.SIGNAL_LOST):
        return []
    state.bad_open[slot] = int(quality)
    first = int(state.bad_first[slot])
    return [Finding(kind, first, first, span[1], quality.name.lower(), Phase.ONSET)]


def close_all(state: EpisodeState, slot: int, last: int) -> list[Finding]:
    """Ends of all that is open when a segment ends at internal sample `last`; lost signal stays lost."""
    out = []
    if state.run_open[slot]:
        last_r = int(state.recent[slot, -1, 0])
        out.append(_run(state, slot, last_r, Phase.END, int(state.run[slot])))
    if state.chaos_open[slot]:
        out.append(_chaotic(state, slot, last, Phase.END))
    if state.pause_open[slot]:
        first = max(int(state.last_r[slot]), 0)
        out.append(Finding(Kind.RHYTHM_PAUSE, first, first, last, "the signal ended", Phase.END))
    return out


def _kind_of(told: int) -> Kind | None:
    if not told:
        return None
    return Kind.SIGNAL_LOST if told in (Quality.FLAT, Quality.MISSING) else Kind.SIGNAL_POOR


def beat_kind(log_ratio: float, shape: float, rhythm: float) -> tuple[Kind, str]:
    """What a flagged beat is called, by the larger part of its statistic."""
    if rhythm > shape and log_ratio < EARLY:
        return Kind.BEAT_EARLY, "early"
    if log_ratio > LATE and shape < 2.0:
        return Kind.BEAT_LATE, "late"
    return Kind.BEAT_MORPHOLOGY, "morphology"
