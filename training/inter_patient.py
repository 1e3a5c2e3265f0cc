"""Protocol `inter-patient`: trained on DS1's normals, judged on DS2, all classes at natural prevalence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from monitor.figures import Figure
from training.annotated import score_annotated
from training.errors import DataError
from training.evaluation import DetectedRecord, alarms, false_alarms, score_detected
from training.measures import (
    PatientScores,
    auroc,
    false_beats,
    measured,
    ranking,
    ranking_figures,
    ratio_figure,
    sensitivity_threshold,
)
from training.protocol import Protocol, Request, Result
from training.records import DS2, AnnotatedRecord, database, read_record, record_names, seen_in_training
from training.tables import DETECTED, ODD_ONE, WITHOUT, Table, by_form, shown, target_shown

GROUPS = ("V", "S", "F", "Q", "all")
V_SENSITIVITY = 0.95  # at which false beats are compared, whatever a model's threshold
TARGETS = {
    ("auroc", "V"): 0.98,
    ("auroc", "V/detected"): 0.98,
}


def run(request: Request) -> Result:
    """Both forms, with annotated R peaks and with our own detections, with and without record 232."""
    model = request.required_model()
    folder = database(request.data, "mitdb")
    names = record_names(folder, request.records or DS2)
    seen = seen_in_training(names, model.manifest.data.get("records", ()))
    if seen:
        raise DataError(f"{model.name} was trained on the patients of {', '.join(seen)}: no test of it")
    records = []
    with request.bar("reading", len(names)) as advance:
        for name in names:
            records.append(read_record(folder / name))
            advance(1)
    total_s = sum(record.recording.duration_s for record in records)
    with request.bar("annotated R peaks", total_s) as advance:
        annotated = score_annotated(records, model, advance)
    with request.bar("own detections", total_s) as advance:
        detected = score_detected(records, model, advance)
    with request.bar("confidence intervals", 1) as advance:
        figures = _all_figures(annotated, detected)
        advance(1)
    measured_figures = [each for each in figures if each.name not in ("auroc", "average_precision")]
    return Result(
        figures=figures,
        tables=[
            _ranking_table(figures),
            by_form("Over records, and at the operating point", measured_figures),
            _record_table(annotated, detected),
        ],
        details={
            "operating_point": {
                "budget_per_hour": model.budget_per_hour,
                "surprise": {kind: dict(by_leads) for kind, by_leads in model.thresholds.items()},
            },
            "records": [
                _record_row(scores, found) for scores, found in zip(annotated, detected, strict=True)
            ],
        },
        patients=[found.scores for found in detected],
    )


def _all_figures(annotated: list[PatientScores], detected: list[DetectedRecord]) -> list[Figure]:
    figures: list[Figure] = []
    both = any(each.name == ODD_ONE for each in annotated) and len(annotated) > 1
    for without in (False, True) if both else (False,):
        kept = [not (without and each.name == ODD_ONE) for each in annotated]
        suffix = WITHOUT if without else ""
        known = [each for each, keep in zip(annotated, kept, strict=True) if keep]
        found = [each for each, keep in zip(detected, kept, strict=True) if keep]
        figures += form_figures(known, suffix)
        figures += form_figures([each.scores for each in found], DETECTED + suffix)
        figures += event_figures(found, DETECTED + suffix)
    return figures


def form_figures(patients: Sequence[PatientScores], suffix: str) -> list[Figure]:
    """Rankings by class, and measures at the operating point."""
    figures: list[Figure] = []
    for group in GROUPS:
        figures += ranking_figures(patients, group, suffix, lambda name, full: TARGETS.get((name, full)))
    by_patient = [auroc(ranking([each], "all")) for each in patients]
    decided = [value for value in by_patient if np.isfinite(value)]
    figures.append(
        measured(
            "auroc_mean_per_record", f"all{suffix}", float(np.mean(decided)) if decided else float("nan")
        )
    )
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
        figures.append(ratio_figure("qrs_sensitivity", group + suffix, seen, sizes))
    return figures


def _of(record: AnnotatedRecord, group: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.ones(len(record.labels), np.bool_) if group == "all" else record.labels == group


def _ranking_table(figures: Sequence[Figure]) -> Table:
    by_key = {(figure.name, figure.group): figure for figure in figures}
    rows = []
    for suffix in dict.fromkeys(
        figure.group.removeprefix("V") for figure in figures if _is_class(figure, "V")
    ):
        for group in GROUPS:
            area, precision = (by_key[name, group + suffix] for name in ("auroc", "average_precision"))
            rows.append((f"{group}{suffix}", shown(area), shown(precision), target_shown(area)))
    return Table("Ranking, by class against N", ("group", "AUROC", "average precision", "target"), rows)


def _is_class(figure: Figure, group: str) -> bool:
    return figure.name == "auroc" and figure.group.split("/")[0] == group


def _record_row(annotated: PatientScores, found: DetectedRecord) -> dict[str, Any]:
    scores = found.scores
    ventricular = scores.label == "V"
    return {
        "record": annotated.name,
        "auroc_all": _or_none(auroc(ranking([annotated], "all"))),
        "auroc_all_detected": _or_none(auroc(ranking([scores], "all"))),
        "v_beats": int(ventricular.sum()),
        "v_flagged": int((scores.flagged & ventricular).sum()),
        "beats_missed": len(found.missed),
        "beats_gated": found.gated,
        "detections_extra": found.extra,
        "false_beats_per_hour": false_beats([scores])[0] / scores.hours,
        "false_events_per_hour": len(false_alarms(found.record, found.events)) / scores.hours,
    }


def _or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _record_table(annotated: Sequence[PatientScores], detected: Sequence[DetectedRecord]) -> Table:
    rows = []
    for scores, found in zip(annotated, detected, strict=True):
        row = _record_row(scores, found)
        texts = (
            "–" if value is None else f"{value:.3f}"
            for value in (row["auroc_all"], row["auroc_all_detected"])
        )
        lost = f"{row['beats_missed']} + {row['beats_gated']}"
        rates = (f"{row[key]:.1f}" for key in ("false_beats_per_hour", "false_events_per_hour"))
        flagged = f"{row['v_flagged']} of {row['v_beats']}"
        rows.append((row["record"], *texts, flagged, lost, str(row["detections_extra"]), *rates))
    columns = (
        "record",
        "AUROC",
        "detected",
        "V flagged",
        "missed + gated",
        "extra",
        "false beats/h",
        "events/h",
    )
    return Table("By record, own detections", columns, rows)


PROTOCOL = Protocol(
    name="inter-patient",
    summary="DS2 (22 records), annotated R peaks and own detections, by class; about 2 minutes",
    run=run,
)
