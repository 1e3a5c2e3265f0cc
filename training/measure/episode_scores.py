"""Ventricular runs and flutter against the monitor's episodes, as WFDB's `rxr` and `epicmp` score them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.formats.events import Kind, Phase
from monitor.scan.matching import TOLERANCE_S, tolerance_samples
from training.data.records import AnnotatedRecord, Interval, label_beats
from training.measure.annotations import episodes
from training.measure.evaluation import DetectedRecord

RUN_BEATS = 4  # ventricular beats in a row that must be told as one
RUN, FLUTTER = "run", "VF"
LATEST_S = 10.0  # what monitors have to alarm (IEC 60601-2-27)
TELLING = (Kind.RUN, Kind.RHYTHM_CHAOTIC)  # either tells a run and either tells flutter


@dataclass(frozen=True, slots=True)
class Reference:
    """One annotated episode and what became of it; samples are the record's."""

    record: str
    what: str  # RUN, or FLUTTER
    first: int
    last: int
    rate_hz: float
    beats: int  # annotated in it
    detected: int  # of these
    flagged: int  # of these
    longest: int  # flagged ones in a row
    overlap: int  # samples that the monitor's episodes cover
    alarming: bool  # an episode was open already when it began
    told_after_s: float  # from its first sample to when an episode that touches it was told; NaN = never
    chaotic: bool  # a chaotic rhythm touches it

    @property
    def found(self) -> bool:
        """Told while it lasted, or within the time that monitors have.

        If an alarm was on already, it is enough that it goes on for half of the episode.
        """
        in_time = self.told_after_s <= max(LATEST_S, self.samples / self.rate_hz)
        return in_time or (self.alarming and 2 * self.overlap >= self.samples)

    @property
    def samples(self) -> int:
        """Length."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Told:
    """One of the monitor's episodes."""

    record: str
    what: Kind
    first: int
    last: int
    ventricular: bool  # touches an annotated run or flutter
    abnormal: bool  # touches that, another abnormal beat or rhythm, or a pause


def annotated_episodes(record: AnnotatedRecord) -> list[Interval]:
    """Runs of RUN_BEATS ventricular beats or more, and flutter or fibrillation, in time order."""
    runs: list[Interval] = []
    begin: int | None = None
    borders = np.searchsorted(record.beats, record.flutter_bounds[:, 0])  # flutter ends a run, too
    for i in range(len(record.beats) + 1):
        ventricular = i < len(record.beats) and record.labels[i] == "V"
        if begin is not None and (not ventricular or i in borders):
            if i - begin >= RUN_BEATS:
                runs.append(Interval(int(record.beats[begin]), int(record.beats[i - 1]), RUN))
            begin = None
        if ventricular and begin is None:
            begin = i
    flutter = [Interval(each.first, each.last, FLUTTER) for each in record.flutter]
    return sorted([*runs, *flutter], key=lambda each: each.first)


def score_references(found: DetectedRecord) -> list[Reference]:
    """Every annotated episode of a record, told or not."""
    detected, flagged = _beats(found)
    return [
        _reference(found, each, detected, flagged, _touching(found, each))
        for each in annotated_episodes(found.record)
    ]


def _beats(found: DetectedRecord) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which annotated beats were detected, and which flagged, (n,) each."""
    record, windows = found.record, found.windows
    rows = np.flatnonzero(np.array(windows.kind) != "fixed")
    reference = label_beats(record, windows.sample[rows]).reference
    detected, flagged = np.zeros(len(record.beats), np.bool_), np.zeros(len(record.beats), np.bool_)
    detected[reference[reference >= 0]] = True
    flagged[reference[reference >= 0]] = windows.anomalous[rows][reference >= 0]
    return detected, flagged


def _touching(found: DetectedRecord, each: Interval) -> list[tuple[Interval, float, Kind]]:
    """The monitor's episodes that touch an interval, with the sample at which each was told there."""
    tolerance = tolerance_samples(found.record.recording.rate_hz, TOLERANCE_S)
    out = []
    for kind in TELLING:
        for own in episodes(found.events, kind):
            if _near(own, each, tolerance):
                out.append((own, _told_at(found, own, kind), kind))
    return out


def _told_at(found: DetectedRecord, own: Interval, kind: Kind) -> float:
    """Samples that had been read when the episode was told first; it lasts from then to its end."""
    times = [
        int(at)
        for event, at in zip(found.events, found.told_by, strict=True)
        if event.kind is kind and event.first_sample == own.first and event.phase is not Phase.END
    ]
    return min(times, default=float("nan"))


def _reference(
    found: DetectedRecord,
    each: Interval,
    detected: NDArray[np.bool_],
    flagged: NDArray[np.bool_],
    touching: Sequence[tuple[Interval, float, Kind]],
) -> Reference:
    record = found.record
    rate = record.recording.rate_hz
    inside = (record.beats >= each.first) & (record.beats <= each.last)
    told = [at for _, at, _ in touching]
    after = min(((at - each.first) / rate for at in told if at >= each.first), default=float("nan"))
    covered = np.zeros(each.last - each.first + 1, np.bool_)
    for own, _, _ in touching:
        covered[max(0, own.first - each.first) : max(0, own.last - each.first + 1)] = True
    return Reference(
        record=record.name,
        what=each.what,
        first=each.first,
        last=each.last,
        rate_hz=rate,
        beats=int(inside.sum()),
        detected=int(detected[inside].sum()),
        flagged=int(flagged[inside].sum()),
        longest=longest(flagged[inside]),
        overlap=int(covered.sum()),
        alarming=any(at < each.first for at in told),
        told_after_s=after,
        chaotic=any(kind is Kind.RHYTHM_CHAOTIC for _, _, kind in touching),
    )


def longest(flags: NDArray[np.bool_]) -> int:
    """Length of the longest stretch of True."""
    best = current = 0
    for flag in flags:
        current = current + 1 if flag else 0
        best = max(best, current)
    return best


def score_told(found: DetectedRecord, false: Sequence[Interval]) -> list[Told]:
    """Every episode of the monitor, right or not; false: its false alarms, of whatever kind."""
    record, annotated = found.record, annotated_episodes(found.record)
    tolerance = tolerance_samples(record.recording.rate_hz, TOLERANCE_S)
    wrong = {(alarm.what, alarm.first) for alarm in false}
    out = []
    for kind in TELLING:
        for own in episodes(found.events, kind):
            near = any(_near(own, each, tolerance) for each in annotated)
            out.append(Told(record.name, kind, own.first, own.last, near, (own.what, own.first) not in wrong))
    return out


def normal_beats_in_alarm(found: DetectedRecord) -> tuple[float, float]:
    """How many of a record's normal beats lie in a run or chaotic rhythm as told, and how many there are."""
    normal = found.record.normal_r
    inside = np.zeros(len(normal), np.bool_)
    for own in episodes(found.events, *TELLING):
        inside |= (normal >= own.first) & (normal <= own.last)
    return float(inside.sum()), float(len(normal))


def _near(one: Interval, other: Interval, tolerance: int) -> bool:
    """Whether two intervals overlap, give or take the tolerance."""
    return one.first <= other.last + tolerance and other.first - tolerance <= one.last
