"""Protocol `inter-patient`: trained on DS1's normals, judged on DS2, all classes at natural prevalence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monitor.formats.figures import Figure
from training.compare import beside
from training.compare.baselines import STRONGEST
from training.compare.beside import Beside, gain_figures, score_baselines
from training.data.records import DS2, total_s
from training.measure.annotated import score_annotated
from training.measure.detector_figures import GROUPS, event_figures, form_figures, pause_sensitivity
from training.measure.evaluation import DetectedRecord, false_alarms, score_detected
from training.measure.measures import PatientScores, auroc, false_beats, finite_or_none, ranking
from training.measure.protocol import Protocol, Request, Result
from training.measure.tables import DETECTED, ODD_ONE, Table, by_form, pivot, with_and_without


def run(request: Request) -> Result:
    """Both forms, with annotated R peaks and with our own detections, with and without record 232."""
    names = request.names(DS2)
    model, records = request.unseen(names), request.read(names)
    with request.bar("annotated R peaks", total_s(records)) as advance:
        annotated = score_annotated(records, model, advance)
    with request.bar("own detections", total_s(records)) as advance:
        detected = score_detected(records, model, advance)
    baselines = score_baselines(request, records, model)
    with request.bar("confidence intervals", 1) as advance:
        figures = _all_figures(annotated, detected, baselines)
        advance(1)
    measured_figures = [each for each in figures if each.name not in ("auroc", "average_precision")]
    return Result(
        figures=figures,
        tables=[
            _ranking_table(figures),
            *_baseline_tables(annotated, detected, baselines),
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
            "baselines": _baseline_rows(annotated, detected, baselines),
        },
        patients=[found.scores for found in detected],
    )


def _all_figures(
    annotated: list[PatientScores], detected: list[DetectedRecord], baselines: Beside | None
) -> list[Figure]:
    figures: list[Figure] = []
    forms = with_and_without(detected)
    for suffix, known in with_and_without(annotated).items():
        found = forms[suffix]
        own = [each.scores for each in found]
        figures += form_figures(known, suffix)
        figures += form_figures(own, DETECTED + suffix)
        figures += event_figures(found, DETECTED + suffix)
        if baselines is not None:
            for ours, theirs, form in (
                (known, baselines.annotated, suffix),
                (own, baselines.detected, DETECTED + suffix),
            ):
                figures += gain_figures(ours, with_and_without(theirs[STRONGEST])[suffix], form)
    # The beats of the odd one can't be ranked, but its pauses can be found.
    odd = [found for found in detected if found.name == ODD_ONE]
    return figures + [pause_sensitivity(found.record, found.events) for found in odd]


def _baseline_tables(
    annotated: list[PatientScores], detected: list[DetectedRecord], baselines: Beside | None
) -> list[Table]:
    if baselines is None:
        return []
    own = [found.scores for found in detected]
    return [
        beside.table("Beside the baselines, annotated R peaks, without 232", annotated, baselines.annotated),
        beside.table("Beside the baselines, own detections, without 232", own, baselines.detected),
    ]


def _baseline_rows(
    annotated: list[PatientScores], detected: list[DetectedRecord], baselines: Beside | None
) -> dict[str, Any]:
    if baselines is None:
        return {}
    return {
        "annotated": beside.rows_of(annotated, baselines.annotated),
        "detected": beside.rows_of([found.scores for found in detected], baselines.detected),
    }


def _ranking_table(figures: Sequence[Figure]) -> Table:
    of_v = [each.group.removeprefix("V") for each in figures if each.name == "auroc" and each.group[0] == "V"]
    rows = {group + form: group + form for form in of_v for group in GROUPS}
    columns = {"auroc": "AUROC", "average_precision": "average precision"}
    return pivot("Ranking, by class against N", figures, rows, columns, target=("auroc", "target"))


def _record_row(annotated: PatientScores, found: DetectedRecord) -> dict[str, Any]:
    scores = found.scores
    ventricular = scores.label == "V"
    return {
        "record": annotated.name,
        "auroc_all": finite_or_none(auroc(ranking([annotated], "all"))),
        "auroc_all_detected": finite_or_none(auroc(ranking([scores], "all"))),
        "v_beats": int(ventricular.sum()),
        "v_flagged": int((scores.flagged & ventricular).sum()),
        "beats_missed": len(found.missed),
        "beats_gated": found.gated,
        "detections_extra": found.extra,
        "false_beats_per_hour": false_beats([scores])[0] / scores.hours,
        "false_events_per_hour": len(false_alarms(found.record, found.events)) / scores.hours,
    }


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
    summary="DS2 (22 records), annotated R peaks and own detections, by class, beside baselines; 3 minutes",
    run=run,
)
