"""What was found held against what people annotated, beat by beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.formats.events import Event, Kind, ScoredWindows
from monitor.formats.figures import Figure, figure
from monitor.recordings.wfdb_records import Annotations

TOLERANCE_S = 0.15  # ANSI/AAMI EC57 4.3: within 150 ms it is the same beat
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


def pair_nearest(reference: NDArray[np.int64], found: NDArray[np.int64], tolerance: int) -> NDArray[np.int64]:
    """For each reference sample the index of its one partner in `found`, or -1; nearest pairs first."""
    order = np.argsort(found, kind="stable")
    ordered = found[order]
    starts = np.searchsorted(ordered, reference - tolerance, "left")
    stops = np.searchsorted(ordered, reference + tolerance, "right")
    near = [(i, j) for i in range(len(reference)) for j in range(starts[i], stops[i])]
    near.sort(key=lambda pair: abs(int(reference[pair[0]]) - int(ordered[pair[1]])))
    partner = np.full(len(reference), -1, np.int64)
    taken: set[int] = set()
    for i, j in near:
        if partner[i] < 0 and j not in taken:
            partner[i] = order[j]
            taken.add(j)
    return partner


def compare(
    annotations: Annotations, windows: ScoredWindows, events: Sequence[Event], rate_hz: float
) -> Comparison:
    """Scored beats and events of one stream against its annotated beats."""
    tolerance = int(TOLERANCE_S * rate_hz)
    beats = np.array([kind == "run" or kind.startswith("beat") for kind in windows.kind], np.bool_)
    samples, anomalous = windows.sample[beats], windows.anomalous[beats]
    partner = pair_nearest(annotations.sample, samples, tolerance)
    by_beats = (partner >= 0) & np.append(anomalous, np.False_)[partner]
    on_beat = [event.r_peak_sample for event in events if event.kind in _BEAT_EVENTS]
    event_partner = pair_nearest(annotations.sample, np.array(on_beat, np.int64), tolerance)
    by_events = (event_partner >= 0) | _inside_runs(annotations.sample, events, tolerance)
    groups = np.array([AAMI.get(symbol, "Q") for symbol in annotations.symbol])
    counts = {}
    for group in "NSVFQ":
        of = groups == group
        parts = (of, of & (partner >= 0), of & by_beats, of & by_events, of & (by_beats | by_events))
        counts[group] = ClassCount(*(int(part.sum()) for part in parts))
    right = int(((event_partner >= 0) & (groups != "N")).sum())
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
