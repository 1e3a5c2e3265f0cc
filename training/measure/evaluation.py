"""Annotated records through the worker's own detector: every beat's score, and the alarms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from monitor.detect.detector import Detector
from monitor.detect.findings import Row, Watch
from monitor.formats.beats import ScoredWindows
from monitor.formats.chunks import Chunk
from monitor.formats.events import Event, Kind
from monitor.model.model import Model
from monitor.recordings.recording import chunks
from monitor.scan.matching import TOLERANCE_S, tolerance_samples
from training.data.records import IN_FLUTTER, AnnotatedRecord, Interval, label_beats
from training.data.side_by_side import CHUNK_S
from training.measure.measures import MISSED, PatientScores
from training.progress import Advance, no_advance


@dataclass(frozen=True, slots=True, eq=False)
class DetectedRecord:
    """What the detector said of a record."""

    record: AnnotatedRecord
    scores: PatientScores
    windows: ScoredWindows  # in time order
    events: list[Event]
    told_by: NDArray[np.int64]  # (n_events,) samples that had been read when each event was out
    missed: NDArray[np.int64]  # reference beats that were not detected
    gated: int  # reference beats that were detected but not judged
    extra: int  # detections that are no beat

    @property
    def name(self) -> str:
        """The record's."""
        return self.record.name


def score_detected(
    records: Sequence[AnnotatedRecord],
    model: Model,
    advance: Advance = no_advance,
    chunk_s: float = CHUNK_S,
    *,
    gate_noise: bool = True,
    watch: Watch | None = None,
) -> list[DetectedRecord]:
    """Records as concurrent streams through the detector, with the beats that it finds itself.

    The length of the chunks decides how finely it is known when an event was told, and nothing else.
    gate_noise: False judges noise, too. watch: is shown every window.
    """
    detector = Detector(model, gate_noise=gate_noise, watch=watch)
    parts: dict[str, list[ScoredWindows]] = {record.name: [] for record in records}
    events: dict[str, list[Event]] = {record.name: [] for record in records}
    told_by: dict[str, list[int]] = {record.name: [] for record in records}
    for batch in _batches(records, chunk_s):
        found = detector.process(batch)
        for name, windows in _by_stream(found.windows).items():
            parts[name].append(windows)
        read = {chunk.stream: chunk.first_sample + len(chunk) for chunk in batch}
        for event in found.events:
            events[event.stream].append(event)
            told_by[event.stream].append(read[event.stream])
        advance(sum(len(chunk) / chunk.rate_hz for chunk in batch))
    for record in records:
        found = detector.finish(record.name)
        parts[record.name].append(found.windows)
        events[record.name] += found.events
        told_by[record.name] += [len(record.recording)] * len(found.events)
    return [
        _detected(record, ScoredWindows.joined(parts[name]).in_time_order(), events[name], told_by[name])
        for name, record in ((record.name, record) for record in records)
    ]


def watch_each(watches: Mapping[str, Watch]) -> Watch:
    """Shows every record's windows to the one that watches it."""

    def watch(stream: str, sample: int, row: Row) -> None:
        watches[stream](stream, sample, row)

    return watch


def _batches(records: Sequence[AnnotatedRecord], chunk_s: float) -> Iterator[list[Chunk]]:
    """One chunk of every record that has one left."""
    streams = [chunks(record.recording, chunk_s, stream=record.name) for record in records]
    for batch in zip_longest(*streams):
        yield [chunk for chunk in batch if chunk is not None]


def _by_stream(windows: ScoredWindows) -> dict[str, ScoredWindows]:
    """Each stream's own windows; they lie in one piece."""
    names = np.array(windows.stream)
    return {name: windows.rows(np.flatnonzero(names == name)) for name in dict.fromkeys(windows.stream)}


def _detected(
    record: AnnotatedRecord, windows: ScoredWindows, events: list[Event], told_by: list[int]
) -> DetectedRecord:
    """Detections with the labels of the beats that they are, and the missed beats."""
    beats = np.flatnonzero(np.array(windows.kind) != "fixed")
    found = label_beats(record, windows.sample[beats])
    counted = found.labels != IN_FLUTTER
    # Beats in gated signal count as missed: they have no score.
    score = np.nan_to_num(windows.score[beats].astype(np.float64), nan=MISSED)
    gated = int(((score == MISSED) & (found.reference >= 0)).sum())
    lost = len(found.missed)
    kind = np.where(score == MISSED, "gated", np.array(windows.kind)[beats])
    sample = np.concatenate([windows.sample[beats][counted], record.beats[found.missed]])
    return DetectedRecord(
        record=record,
        scores=PatientScores(
            name=record.name,
            hours=record.recording.duration_s / 3600,
            label=np.concatenate([found.labels[counted], record.labels[found.missed]]),
            score=np.concatenate([score[counted], np.full(lost, MISSED)]),
            flagged=np.concatenate([windows.anomalous[beats][counted], np.zeros(lost, np.bool_)]),
            time_s=sample / record.recording.rate_hz,
            kind=np.concatenate([kind[counted], np.full(lost, "missed")]),
        ),
        windows=windows,
        events=events,
        told_by=np.array(told_by, np.int64),
        missed=found.missed,
        gated=gated,
        extra=int((found.labels == "extra").sum()),
    )


def alarms(events: Sequence[Event]) -> list[Interval]:
    """What a person is alarmed by, once each: beat events, and episodes from onset to end."""
    beats: list[Interval] = []
    episodes: dict[tuple[Kind, int], int] = {}
    for event in events:
        if event.technical:
            continue
        if event.phase is None and event.kind is not Kind.RHYTHM_PAUSE:
            beats.append(Interval(event.r_peak_sample, event.r_peak_sample, event.kind))
            continue
        key = (event.kind, event.first_sample)
        episodes[key] = max(event.last_sample, episodes.get(key, 0))
    return beats + [Interval(first, last, kind) for (kind, first), last in episodes.items()]


def false_alarms(record: AnnotatedRecord, events: Sequence[Event], *, rhythms: bool = True) -> list[Interval]:
    """Alarms that overlap no abnormal beat, flutter, pause, or (if asked for) abnormal rhythm."""
    tolerance = tolerance_samples(record.recording.rate_hz, TOLERANCE_S)
    abnormal = record.beats[record.labels != "N"]
    episodes = [*record.flutter, *record.pauses]
    if rhythms:
        episodes += [each for each in record.rhythms if each.what != "N"]

    def true(alarm: Interval) -> bool:
        first, last = alarm.first - tolerance, alarm.last + tolerance
        near = np.searchsorted(abnormal, first, "left") < np.searchsorted(abnormal, last, "right")
        return bool(near) or any(each.first <= last and first <= each.last for each in episodes)

    return [alarm for alarm in alarms(events) if not true(alarm)]


def false_seconds(false: Sequence[Interval], events: Sequence[Event], rate_hz: float) -> float:
    """Seconds that false alarms cover together: a beat's whole window, an episode from onset to end.

    false: as `training.measure.evaluation.false_alarms` gives them, of these events.
    """
    windows = {
        (event.kind.value, event.r_peak_sample): (event.first_sample, event.last_sample)
        for event in events
        if event.phase is None
    }
    spans = sorted(windows.get((alarm.what, alarm.first), (alarm.first, alarm.last)) for alarm in false)
    return sum(last - first + 1 for first, last in union(spans)) / rate_hz


def union(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans joined where they overlap or touch; spans: first and last sample, sorted."""
    joined: list[tuple[int, int]] = []
    for first, last in spans:
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(last, joined[-1][1])
        else:
            joined.append((first, last))
    return joined
