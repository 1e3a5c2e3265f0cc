"""Findings of a recording as strips: what was measured, what was expected, and why it was flagged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.events import Event, Kind, Phase
from monitor.messages import Chunk, decode_chunk
from monitor.plots import Strip, draw_strips
from monitor.recordings import Recording, encode_slice
from monitor.scan_view import clock, probability

MAX_STRIPS = 12
BEFORE_S, AFTER_S = 1.4, 1.6  # of a strip around the R peak: the beats on both sides are seen
LONGEST_S = 6.0  # of a pause or other interval, shown from its beginning
CONTEXT_S = 120.0  # of signal given to the model before the beat, so that it knows the usual one
_AFTER_CONTEXT_S = 3.0
_MODELLED = frozenset({Kind.BEAT_MORPHOLOGY, Kind.BEAT_EARLY, Kind.BEAT_LATE, Kind.RUN})


class Explained(Protocol):
    """What a model expected of one window; arrays are (n,)."""

    @property
    def time_s(self) -> NDArray[np.float64]:
        """Relative to the R peak."""

    @property
    def ecg_mv(self) -> NDArray[np.float32]:
        """As the model saw it: filtered."""

    @property
    def expected_mv(self) -> NDArray[np.float32]:
        """Its reconstruction."""

    @property
    def scale_mv(self) -> NDArray[np.float32]:
        """The error it expects to make."""

    @property
    def lead(self) -> str:
        """The lead drawn."""


Explain = Callable[[Sequence[Chunk], Event], Explained | None]  # None: the beat is not found again


def draw_findings(
    recording: Recording,
    events: Sequence[Event],
    beats: NDArray[np.int64],
    explain: Explain,
    *,
    path: Path,
) -> None:
    """Write a PNG of the strangest findings, in time order; beats: (n,) sample numbers of R peaks."""
    strips = [strip_of(recording, event, beats, explain) for event in choose_events(events)]
    draw_strips(strips, path, title=recording.name if strips else f"{recording.name}: nothing found")


def choose_events(events: Sequence[Event], count: int = MAX_STRIPS) -> list[Event]:
    """At most `count` events in time order: of each kind in turn the one with the lowest p-value."""
    kinds: dict[str, list[Event]] = defaultdict(list)
    for event in sorted(events, key=lambda event: 1.0 if event.p_value is None else event.p_value):
        if event.phase in (None, Phase.ONSET) and event.kind is not Kind.SIGNAL_RESTORED:
            kinds[event.kind].append(event)
    in_turn = chain.from_iterable(zip_longest(*kinds.values()))
    chosen = [event for event in in_turn if event is not None][:count]
    return sorted(chosen, key=lambda event: event.r_peak_sample)


def strip_of(recording: Recording, event: Event, beats: NDArray[np.int64], explain: Explain) -> Strip:
    """The event on paper; a beat with what the model expected, anything else as measured."""
    rate_hz = recording.rate_hz
    r_peak_s = event.r_peak_sample / rate_hz
    explained = explain(context_of(recording, event), event) if event.kind in _MODELLED else None
    lead = explained.lead if explained is not None else next(iter(event.leads), recording.leads[0].name)
    first, last = _shown(recording, event)
    column = [each.name for each in recording.leads].index(lead)
    time_s = np.arange(first, last) / rate_hz
    ecg_mv = recording.piece_mv(first, last)[:, column]
    near = beats[(beats >= first) & (beats < last) & (beats != event.r_peak_sample)] / rate_hz
    title = f"{clock(r_peak_s)}  {event.kind}  p {probability(event.p_value) or '–'}"
    marks = [r_peak_s, *near.tolist()]
    if explained is None:
        return Strip(time_s=time_s, ecg_mv=ecg_mv, r_peak_s=marks, title=title, why=event.why, lead=lead)
    window_s = explained.time_s + r_peak_s
    # The filter takes the baseline away: without its offset the grey signal would float beside the window.
    inside = (time_s >= window_s[0]) & (time_s <= window_s[-1])
    offset = np.nanmedian(ecg_mv[inside]) - np.median(explained.ecg_mv)
    return Strip(
        time_s=window_s,
        ecg_mv=explained.ecg_mv,
        expected_mv=explained.expected_mv,
        band_mv=explained.scale_mv,
        context=(time_s, ecg_mv - offset),
        r_peak_s=marks,
        title=title,
        why=event.why,
        lead=lead,
    )


def _shown(recording: Recording, event: Event) -> tuple[int, int]:
    """First and last sample (excluded) of a strip: the beats around the R peak, or the interval judged."""
    rate_hz = recording.rate_hz
    first = event.r_peak_sample - round(BEFORE_S * rate_hz)
    last = event.r_peak_sample + round(AFTER_S * rate_hz)
    if event.kind not in _MODELLED:
        first = min(first, event.first_sample)
        last = min(max(last, event.last_sample), first + round(LONGEST_S * rate_hz))
    return max(0, first), min(len(recording), last)


def context_of(recording: Recording, event: Event) -> list[Chunk]:
    """The signal up to a little after the event, as the detector gets it."""
    first = max(0, event.r_peak_sample - round(CONTEXT_S * recording.rate_hz))
    last = min(len(recording), event.r_peak_sample + round(_AFTER_CONTEXT_S * recording.rate_hz))
    # Chunks hold a minute at most; ten seconds at a time is far below that at any rate.
    size = round(10 * recording.rate_hz)
    return [
        decode_chunk(
            encode_slice(
                recording,
                at,
                min(at + size, last),
                stream=event.stream,
                session=event.session,
                first_sample=at,
                start_us=max(0, event.time_us + round((at - event.r_peak_sample) * 1e6 / recording.rate_hz)),
            )
        )
        for at in range(first, last, size)
    ]
