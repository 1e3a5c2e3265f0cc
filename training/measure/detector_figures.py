"""Figures of a detector on test patients: rankings by class, the operating point, events, pauses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from monitor.formats.events import Event, Kind
from monitor.formats.figures import Figure
from monitor.scan.matching import tolerance_samples
from training.data.records import AnnotatedRecord
from training.measure.evaluation import DetectedRecord, alarms, false_alarms
from training.measure.measures import (
    PatientScores,
    auroc,
    false_beats,
    measured,
    ranking,
    ranking_figures,
    ratio_figure,
    sensitivity_threshold,
)
from training.measure.tables import DETECTED, WITHOUT

GROUPS = ("V", "S", "F", "Q", "all")
V_SENSITIVITY = 0.95  # at which false beats are compared, whatever a model's threshold
TARGETS = {
    ("auroc", f"all{WITHOUT}"): 0.98,
    ("average_precision", f"all{WITHOUT}"): 0.91,
    ("auroc", f"V{WITHOUT}"): 0.998,
    ("auroc", f"S{WITHOUT}"): 0.96,
    ("auroc_mean_per_record", f"all{WITHOUT}"): 0.95,
    ("auroc", f"all{DETECTED}{WITHOUT}"): 0.97,
    ("average_precision", f"all{DETECTED}{WITHOUT}"): 0.88,
    ("qrs_sensitivity", f"V{DETECTED}{WITHOUT}"): 0.995,
}


def target_of(name: str, group: str) -> float | None:
    """What a figure should reach; None = it is only reported."""
    return TARGETS.get((name, group))


def form_figures(patients: Sequence[PatientScores], suffix: str) -> list[Figure]:
    """Rankings by class, and measures at the operating point."""
    figures: list[Figure] = []
    for group in GROUPS:
        figures += ranking_figures(patients, group, suffix, target_of)
    by_patient = [auroc(ranking([each], "all")) for each in patients]
    decided = [value for value in by_patient if np.isfinite(value)]
    mean, name, full = float(np.mean(decided or [np.nan])), "auroc_mean_per_record", f"all{suffix}"
    figures.append(measured(name, full, mean, target=target_of(name, full)))
    return figures + operating_figures(patients, suffix)


def operating_figures(patients: Sequence[PatientScores], suffix: str) -> list[Figure]:
    """Sensitivity by class, positive predictivity, F1 and false beats an hour."""
    figures = []
    for group in GROUPS:
        wanted = [~each.negative if group == "all" else each.label == group for each in patients]
        hits = [float((each.flagged & mask).sum()) for each, mask in zip(patients, wanted, strict=True)]
        sizes = [float(mask.sum()) for mask in wanted]
        figures.append(ratio_figure("sensitivity", group + suffix, hits, sizes))
    # `hits` and `sizes` are now those of all classes.
    flagged = [float(each.flagged.sum()) for each in patients]
    hours = [each.hours for each in patients]
    doubled = [2 * hit for hit in hits]
    both = [size + flag for size, flag in zip(sizes, flagged, strict=True)]
    figures.append(ratio_figure("positive_predictivity", f"all{suffix}", hits, flagged))
    figures.append(ratio_figure("f1", f"all{suffix}", doubled, both))
    name = "false_beats_per_hour"
    figures.append(ratio_figure(name, f"all{suffix}", false_beats(patients), hours, better="lower"))
    threshold = sensitivity_threshold(patients, "V", V_SENSITIVITY)
    if np.isfinite(threshold):
        at = f"V-sensitivity-{V_SENSITIVITY:g}{suffix}"
        figures.append(ratio_figure(name, at, false_beats(patients, threshold), hours, better="lower"))
    return figures


def event_figures(detected: Sequence[DetectedRecord], suffix: str) -> list[Figure]:
    """Events and false events an hour, and how many beats were detected at all."""
    hours = [found.scores.hours for found in detected]
    every = [float(len(alarms(found.events))) for found in detected]
    false = [float(len(false_alarms(found.record, found.events))) for found in detected]
    strict = [float(len(false_alarms(found.record, found.events, rhythms=False))) for found in detected]
    figures = [
        ratio_figure("events_per_hour", f"all{suffix}", every, hours, better="lower"),
        ratio_figure("false_events_per_hour", f"all{suffix}", false, hours, better="lower"),
        # Also those inside an annotated rhythm that is not sinus, if no beat of theirs is abnormal.
        ratio_figure("false_events_per_hour", f"beats-only{suffix}", strict, hours, better="lower"),
    ]
    for group in ("V", "all"):
        sizes = [float(_of(found.record, group).sum()) for found in detected]
        seen = [
            size - float(_of(found.record, group)[found.missed].sum())
            for size, found in zip(sizes, detected, strict=True)
        ]
        name, full = "qrs_sensitivity", group + suffix
        figures.append(ratio_figure(name, full, seen, sizes, target=target_of(name, full)))
    return figures


def _of(record: AnnotatedRecord, group: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.ones(len(record.labels), np.bool_) if group == "all" else record.labels == group


def pause_sensitivity(record: AnnotatedRecord, events: Sequence[Event]) -> Figure:
    """Share of a record's pauses that a late beat ends, or that an event of their own covers."""
    near = tolerance_samples(record.recording.rate_hz)
    late = np.array([each.r_peak_sample for each in events if each.kind is Kind.BEAT_LATE], np.int64)
    own = [each for each in events if each.kind is Kind.RHYTHM_PAUSE]
    found = sum(
        bool((np.abs(late - pause.last) <= near).any())
        or any(each.first_sample <= pause.last and pause.first <= each.last_sample for each in own)
        for pause in record.pauses
    )
    share = found / len(record.pauses) if record.pauses else float("nan")
    return measured("pause_sensitivity", record.name, share)
