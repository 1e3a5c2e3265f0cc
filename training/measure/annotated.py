"""Annotated records through the worker's own path, with the annotated R peaks in the QRS detector's place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.adapt.beats import BeatBatch, Lesson
from monitor.adapt.path import Judge, SignalPath, Windows
from monitor.ecg.filters import INTERNAL_RATE_HZ
from monitor.ecg.qrs import Detections
from monitor.ecg.samples import Samples
from monitor.model.model import Model
from training.data.records import AnnotatedRecord
from training.data.side_by_side import sample_batches
from training.measure.measures import MISSED, PatientScores
from training.progress import Advance, no_advance


def score_annotated(
    records: Sequence[AnnotatedRecord],
    model: Model,
    advance: Advance = no_advance,
    *,
    second_usual: bool = True,
) -> list[PatientScores]:
    """Score and verdict of every annotated beat; MISSED where the signal was gated.

    second_usual: whether a stream may have a second usual beat (monitor.adapt.conduction).
    """
    scores = {}
    for leads in sorted({len(record.recording.leads) for record in records}):
        group = [record for record in records if len(record.recording.leads) == leads]
        for record, judged in zip(group, _judge_all(group, leads, model, advance, second_usual), strict=True):
            scores[record.name] = judged.as_patient(record)
    return [scores[record.name] for record in records]


class _Judged:
    """Verdicts of one record's annotated beats, filled in as their windows become complete."""

    def __init__(self, beats: int) -> None:
        self.score = np.full(beats, MISSED)
        self.flagged = np.zeros(beats, np.bool_)
        self.next = 0  # the beat whose window comes next: windows come in the beats' order

    def as_patient(self, record: AnnotatedRecord) -> PatientScores:
        """The record's scores, ready to be measured."""
        hours = record.recording.duration_s / 3600
        return PatientScores(record.name, hours, record.labels, self.score, self.flagged)


def _judge_all(
    records: Sequence[AnnotatedRecord],
    leads: int,
    model: Model,
    advance: Advance,
    second_usual: bool,
) -> list[_Judged]:
    spec = model.manifest.windows
    judged = [_Judged(len(record.beats)) for record in records]
    path = SignalPath(spec, len(records), leads, second_usual=second_usual)
    tail_s = 2 * spec.span / INTERNAL_RATE_HZ
    for new, first in sample_batches([record.recording for record in records], tail_s):
        windows = path.advance(new, known_peaks(records, first, new))
        path.judge_beats(windows, new.slots, _judge(model, windows, judged))
        advance(new.seconds)
    return judged


def _judge(model: Model, windows: Windows, judged: list[_Judged]) -> Judge:
    """What shows beats to the model and files its verdicts."""
    beat = np.empty(len(windows.beats), np.int64)
    for row, stream in enumerate(windows.beats.stream):
        beat[row] = judged[stream].next
        judged[stream].next += 1

    def judge(rows: NDArray[np.int64], batch: BeatBatch) -> Lesson:
        verdicts = model.judge_beats(batch)
        scores = np.nan_to_num(verdicts.surprise, nan=MISSED)
        for row, score, flagged in zip(rows, scores, verdicts.anomalous, strict=True):
            owner = judged[windows.beats.stream[row]]
            owner.score[beat[row]], owner.flagged[beat[row]] = score, flagged
        return verdicts.lesson

    return judge


def known_peaks(records: Sequence[AnnotatedRecord], first: Sequence[int], new: Samples) -> Detections:
    """The annotated R peaks among the new samples, as if they had been detected."""
    streams, r_samples = [], []
    for stream, record in enumerate(records):
        begin, count = first[stream], new.offsets[stream + 1] - new.offsets[stream]
        low, high = np.searchsorted(record.beats, [begin, begin + count])
        beats = record.beats[low:high]
        r_samples.append(np.rint(beats * INTERNAL_RATE_HZ / record.recording.rate_hz).astype(np.int64))
        streams.append(np.full(len(beats), stream, np.int64))
    r_sample = np.concatenate(r_samples)
    return Detections(np.concatenate(streams), r_sample, r_sample, np.zeros(len(r_sample), np.bool_))
