"""Findings of a recording as strips: what was measured, what was expected, and why it was flagged."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitor.detect.reasons import EARLY, LATE
from monitor.ecg.filters import INTERNAL_RATE_HZ, filtered
from monitor.ecg.samples import MISSING, Samples
from monitor.formats.beats import ScoredWindows
from monitor.formats.events import Event, Kind, Phase
from monitor.recordings.recording import Recording
from monitor.scan.explain import Explanation, Wanted
from monitor.scan.paper import draw_strips
from monitor.scan.strip import Mark, Strip
from monitor.scan.terminal import clock, probability

MAX_STRIPS = 12
BEFORE_S, AFTER_S = 1.4, 1.6  # of a strip around the R peak: the beats on both sides are seen
LONGEST_S = 8.0  # of a pause or other interval, shown from its beginning
_AROUND_S = 0.4  # shown before and after an interval
_SETTLED_S = 10.0  # after which the filter has forgotten where it began
_SAME_S = 0.05
_BEATS = frozenset({Kind.BEAT_MORPHOLOGY, Kind.BEAT_EARLY, Kind.BEAT_LATE, Kind.RUN})
_MODELLED = _BEATS | {Kind.RHYTHM_CHAOTIC}
_RECENT = 24  # RR intervals whose median is the usual one

# What the model expected of windows of the recording; None where it does not find one again.
Explain = Callable[[Recording, Sequence[Wanted]], Sequence[Explanation | None]]


def draw_findings(
    recording: Recording,
    events: Sequence[Event],
    windows: ScoredWindows | None,
    explain: Explain,
    *,
    path: Path,
) -> None:
    """Write a PNG of the strangest findings, in time order; windows: all that were scored."""
    chosen = choose_events(events)
    modelled = [event for event in chosen if event.kind in _MODELLED]
    explained = zip(modelled, explain(recording, [_wanted(event) for event in modelled]), strict=True)
    expected = {event.id: explanation for event, explanation in explained}
    ends = _ends(events)
    strips = [
        strip_of(
            recording, event, windows, expected.get(event.id), ends.get((event.kind, event.first_sample))
        )
        for event in chosen
    ]
    draw_strips(strips, path, title=recording.name if strips else f"{recording.name}: nothing found")


def choose_events(events: Sequence[Event], count: int = MAX_STRIPS) -> list[Event]:
    """At most `count` events in time order: of each kind in turn the rarest, then the longest."""
    ends = _ends(events)

    def rarity(event: Event) -> tuple[float, float]:
        last = ends.get((event.kind, event.first_sample), event).last_sample
        return 1.0 if event.p_value is None else event.p_value, event.first_sample - last

    kinds: dict[Kind, list[Event]] = defaultdict(list)
    for event in sorted(events, key=rarity):
        if event.phase in (None, Phase.ONSET) and event.kind is not Kind.SIGNAL_RESTORED:
            kinds[event.kind].append(event)
    in_turn = chain.from_iterable(zip_longest(*kinds.values()))
    chosen = [event for event in in_turn if event is not None][:count]
    return sorted(chosen, key=lambda event: event.r_peak_sample)


def _ends(events: Sequence[Event]) -> dict[tuple[Kind, int], Event]:
    """Events that ended an episode, by its kind and first sample."""
    return {(event.kind, event.first_sample): event for event in events if event.phase is Phase.END}


def _wanted(event: Event) -> Wanted:
    lead = next(iter(event.leads), None)
    if event.kind is Kind.RHYTHM_CHAOTIC:
        return Wanted(event.last_sample, lead, fixed=True)
    return Wanted(event.r_peak_sample, lead)


def strip_of(
    recording: Recording,
    event: Event,
    windows: ScoredWindows | None,
    expected: Explanation | None = None,
    ended: Event | None = None,
) -> Strip:
    """The event on paper: a beat with what was expected of it, an interval with its length.

    windows: of the recording, whose beats are marked; ended: what told the end of an episode.
    """
    rate_hz = recording.rate_hz
    last = (ended or event).last_sample
    lead = expected.lead if expected is not None else next(iter(event.leads), recording.leads[0].name)
    shown = _shown(recording, event, last)
    time_s, ecg_mv = signal_of(recording, *shown, lead, as_judged=expected is not None)
    marks = [] if windows is None else beat_marks(windows, rate_hz, shown)
    beat_s = event.r_peak_sample / rate_hz
    part_s = None if event.part_s is None else (beat_s + event.part_s[0], beat_s + event.part_s[1])
    whole_s = (event.first_sample / rate_hz, last / rate_hz)
    is_beat = event.kind in _BEATS
    return Strip(
        time_s=time_s,
        ecg_mv=ecg_mv,
        expected=expected,
        marks=[replace(mark, shown=is_beat and abs(mark.time_s - beat_s) < _SAME_S) for mark in marks],
        due_s=_due_s(event, windows),
        span_s=None if is_beat else whole_s,
        part_s=part_s if expected is not None else None,
        part=event.part or "",
        title=_title(event, whole_s),
        # A pause is told while it lasts: how long it was is known in the end.
        why=_why(ended if ended is not None and event.kind is Kind.RHYTHM_PAUSE else event),
        lead=lead,
    )


def _shown(recording: Recording, event: Event, last: int) -> tuple[int, int]:
    """First and last sample (excluded) of a strip: the beats around the R peak, or the interval judged."""
    rate_hz = recording.rate_hz
    before, after, around, longest = (
        round(seconds * rate_hz) for seconds in (BEFORE_S, AFTER_S, _AROUND_S, LONGEST_S)
    )
    first, end = event.r_peak_sample - before, event.r_peak_sample + after
    if event.kind is Kind.RUN:
        first = max(min(first, event.first_sample - 2 * around), end - longest)
    elif event.kind not in _BEATS:
        first = min(first, event.first_sample - around)
        end = min(max(end, last + around), first + longest)
    first = max(0, min(first, len(recording) - 2))
    return first, max(first + 2, min(end, len(recording)))


def signal_of(
    recording: Recording, first: int, last: int, lead: str, *, as_judged: bool
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Seconds and mV of one lead, NaN where nothing was measured; as_judged: filtered, not raw."""
    column = [each.name for each in recording.leads].index(lead)
    rate_hz = recording.rate_hz
    if not as_judged:
        return np.arange(first, last) / rate_hz, recording.piece_mv(first, last)[:, column]
    # From a whole second, as windows are explained: both then lie on the same instants.
    begin_s = max(0, math.floor(first / rate_hz - _SETTLED_S))
    piece = recording.piece_mv(round(begin_s * rate_hz), last)[:, column : column + 1]
    signal = filtered(Samples.of_signal(piece, rate_hz))
    time_s = begin_s + np.arange(len(signal.band_mv)) / INTERNAL_RATE_HZ
    ecg_mv = np.where(signal.flags & MISSING, np.nan, signal.band_mv).astype(np.float32)[:, 0]
    kept = time_s >= first / rate_hz
    return time_s[kept], ecg_mv[kept]


def beat_marks(windows: ScoredWindows, rate_hz: float, shown: tuple[int, int]) -> list[Mark]:
    """The beats between two samples, and what they were flagged as."""
    begin, end = np.searchsorted(windows.sample, shown)
    return [
        Mark(int(windows.sample[i]) / rate_hz, _what(windows, i))
        for i in range(begin, end)
        if windows.kind[i] != "fixed"
    ]


def _what(windows: ScoredWindows, i: int) -> str:
    if windows.quality[i] != "good":
        return "?"
    return windows.kind[i].partition(".")[2] if windows.anomalous[i] else ""


def _due_s(event: Event, windows: ScoredWindows | None) -> float | None:
    """When the recent rhythm let a beat expect, where it came at another time or not at all."""
    at_s = event.r_peak_sample / event.rate_hz
    if event.kind is Kind.RHYTHM_PAUSE and windows is not None:
        before = windows.rr_s[: np.searchsorted(windows.sample, event.r_peak_sample, "right")]
        known = before[np.isfinite(before)][-_RECENT:]
        return at_s + float(np.median(known)) if len(known) else None
    if event.rr_s is None or event.usual_rr_s is None or EARLY <= event.rr_s / event.usual_rr_s <= LATE:
        return None
    return at_s - event.rr_s + event.usual_rr_s


def _title(event: Event, whole_s: tuple[float, float]) -> str:
    """When, what and how rare."""
    at_s = event.r_peak_sample / event.rate_hz
    when = clock(at_s) if event.phase is None else f"{clock(whole_s[0])} to {clock(whole_s[1])}"
    parts = [when, str(event.kind)]
    if event.p_value is not None:
        parts.append(f"p {probability(event.p_value)}")
    return "   ".join(parts)


def _why(event: Event) -> str:
    leads = f"; leads {', '.join(event.leads)}" if len(event.leads) > 1 else ""
    learning = "; the stream's usual beat is not known yet" if event.learning else ""
    return event.why + leads + learning
