"""What was found held against what people annotated, beat by beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.formats.beats import ScoredWindows
from monitor.formats.events import Event, Kind
from monitor.formats.figures import Figure, figure
from monitor.recordings.wfdb_records import Annotations
from monitor.scan.matching import match_beats, tolerance_samples

# AAMI classes by WFDB mnemonic; what is not named is Q. Escape beats (e, j, n) come late, not early, and
# are N's as ANSI/AAMI EC57 has them; WFDB's `bxb` counts them as S.
_MEMBERS = {"N": "NLRejnB", "S": "AaJS", "V": "VEr", "F": "F"}
AAMI = {symbol: group for group, symbols in _MEMBERS.items() for symbol in symbols}
_BEAT_EVENTS = frozenset({Kind.BEAT_MORPHOLOGY, Kind.BEAT_EARLY, Kind.BEAT_LATE})


@dataclass(frozen=True, slots=True)
class ClassCount:
    """Of one class's annotated beats, how many were found and how many flagged."""

    annotated: int
    detected: int  # have a scored beat window within 150 ms
    flagged_beats: int  # ... that is anomalous
    flagged_events: int  # have an event
    flagged: int  # either


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Annotated beats and what was said of each."""

    counts: dict[str, ClassCount]  # by AAMI class: N, S, V, F, Q
    flagged: NDArray[np.bool_]  # (n_annotated,)
    extra_beats: int  # scored beat windows where no beat is annotated
    false_events: int  # beat events that lie on a normal beat or on none


def compare(
    annotations: Annotations, windows: ScoredWindows, events: Sequence[Event], rate_hz: float
) -> Comparison:
    """Scored beats and events of one stream against its annotated beats.

    windows: in time order; which beats are the same is told as every protocol tells it (match_beats).
    """
    tolerance = tolerance_samples(rate_hz)
    beats = np.array([kind == "run" or kind.startswith("beat") for kind in windows.kind], np.bool_)
    samples, anomalous = windows.sample[beats], windows.anomalous[beats]
    partner = match_beats(annotations.sample, samples, tolerance).partners(len(annotations.sample))
    by_beats = (partner >= 0) & np.append(anomalous, np.False_)[partner]
    # A beat that search-back found is told after the one that follows it.
    on_beat = sorted(event.r_peak_sample for event in events if event.kind in _BEAT_EVENTS)
    told = match_beats(annotations.sample, np.array(on_beat, np.int64), tolerance)
    has_event = told.partners(len(annotations.sample)) >= 0
    by_events = has_event | _inside_runs(annotations.sample, events, tolerance)
    groups = np.array([AAMI.get(symbol, "Q") for symbol in annotations.symbol])
    counts = {}
    for group in "NSVFQ":
        of = groups == group
        parts = (of, of & (partner >= 0), of & by_beats, of & by_events, of & (by_beats | by_events))
        counts[group] = ClassCount(*(int(part.sum()) for part in parts))
    right = int((has_event & (groups != "N")).sum())
    extra = len(samples) - int((partner >= 0).sum())
    return Comparison(counts, by_beats | by_events, extra, len(on_beat) - right)


def _inside_runs(samples: NDArray[np.int64], events: Sequence[Event], tolerance: int) -> NDArray[np.bool_]:
    inside = np.zeros(len(samples), np.bool_)
    for event in events:
        if event.kind is Kind.RUN:
            inside |= (samples >= event.r_peak_sample - tolerance) & (samples <= event.last_sample)
    return inside


def comparison_figures(
    comparison: Comparison, duration_s: float, targets: Mapping[tuple[str, str], float] | None = None
) -> list[Figure]:
    """Part of each class's beats that were flagged, and the false ones; targets by name and group."""
    counts, wanted = comparison.counts, targets or {}
    found = [
        figure(
            "sensitivity", count.flagged / count.annotated, group, target=wanted.get(("sensitivity", group))
        )
        for group, count in counts.items()
        if group != "N" and count.annotated
    ]
    normal = counts["N"]
    if normal.annotated:
        target = wanted.get(("false_beats", "N"))
        found.append(figure("false_beats", float(normal.flagged), "N", target=target, better="lower"))
        found.append(figure("specificity", 1 - normal.flagged / normal.annotated, "N"))
    annotated = sum(count.annotated for count in counts.values())
    detected = sum(count.detected for count in counts.values())
    if annotated:
        found.append(figure("beats_detected", detected / annotated))
        rate = comparison.false_events * 3600 / duration_s
        found.append(figure("false_events_per_hour", rate, better="lower"))
    return found
