"""Beats of annotated records as the signal path cuts them, for scores that need no model of ours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.adapt.path import SignalPath
from monitor.ecg.filters import INTERNAL_RATE_HZ
from monitor.ecg.quality import Quality
from monitor.ecg.windows import WindowSpec
from training.data.records import IN_FLUTTER, AnnotatedRecord, label_beats
from training.data.side_by_side import sample_batches
from training.measure.annotated import known_peaks
from training.measure.measures import MISSED, PatientScores


@dataclass(frozen=True, slots=True, eq=False)
class BeatWindows:
    """One record's n beats, in time order.

    r_peak: (n,) internal samples; wide_mv: (n, spec.span, leads) around it; good: (n, leads) usable;
    label: (n,) an AAMI class, or "extra"; missed: (m,) classes of the beats that were not detected.
    """

    name: str
    hours: float
    r_peak: NDArray[np.int64]
    wide_mv: NDArray[np.float32]
    good: NDArray[np.bool_]
    label: NDArray[np.str_]
    missed: NDArray[np.str_]

    def centred_mv(self, spec: WindowSpec) -> NDArray[np.float32]:
        """(n, leads, samples): each window as the networks see one, but not shifted."""
        last = spec.margin + spec.step * spec.samples
        return self.wide_mv[:, spec.margin : last : spec.step].transpose(0, 2, 1)

    def as_patient(self, score: NDArray[np.float64]) -> PatientScores:
        """The beats with their scores, (n,), NaN = not judged, ready to be measured."""
        missed = len(self.missed)
        return PatientScores(
            name=self.name,
            hours=self.hours,
            label=np.concatenate([self.label, self.missed]),
            score=np.concatenate([np.nan_to_num(score, nan=MISSED), np.full(missed, MISSED)]),
            flagged=np.zeros(len(score) + missed, np.bool_),
        )


def beat_windows(record: AnnotatedRecord, spec: WindowSpec, *, detected: bool = False) -> BeatWindows:
    """A record's beats at their annotated R peaks, or as our own detector finds them."""
    path = SignalPath(spec, 1, len(record.recording.leads))
    r_peak, wide_mv, good = [], [], []
    for new, first in sample_batches([record.recording], 2 * spec.span / INTERNAL_RATE_HZ):
        windows = path.advance(new, None if detected else known_peaks([record], first, new))
        r_peak.append(windows.beats.sample)
        wide_mv.append(windows.beat_mv)
        good.append(windows.beat_quality == Quality.GOOD)
    peaks = np.concatenate(r_peak)
    # A beat found by search-back comes late; stable, since annotated beats may share a sample.
    order = np.argsort(peaks, kind="stable")
    label, missed = record.labels, np.zeros(0, record.labels.dtype)
    if detected:
        found = label_beats(
            record, np.rint(peaks * record.recording.rate_hz / INTERNAL_RATE_HZ).astype(np.int64)
        )
        label, missed = found.labels, record.labels[found.missed]
        order = order[label[order] != IN_FLUTTER]
        label = label[order]
    return BeatWindows(
        name=record.name,
        hours=record.recording.duration_s / 3600,
        r_peak=peaks[order],
        wide_mv=np.concatenate(wide_mv)[order],
        good=np.concatenate(good)[order],
        label=label,
        missed=missed,
    )
