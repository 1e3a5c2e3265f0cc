"""Protocol `episodes`: runs and flutter as the worker tells them, in time; V beats never become usual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from monitor.formats.events import Kind
from monitor.formats.figures import Figure
from monitor.model.model import Model
from training.data.records import PACED, AnnotatedRecord
from training.data.side_by_side import CHUNK_S
from training.data.splice import spliced
from training.fit.crossfit import FIRST_RUN, CrossFit
from training.measure.episode_scores import (
    FLUTTER,
    RUN,
    Reference,
    Told,
    annotated_episodes,
    normal_beats_in_alarm,
    score_references,
    score_told,
)
from training.measure.evaluation import DetectedRecord, false_alarms, score_detected
from training.measure.measures import measured, ratio_figure
from training.measure.protocol import Protocol, Request, Result
from training.measure.tables import Table, figure_table
from training.progress import Advance

FINE_S = 0.25  # chunks by which the time of an alarm is known
SLOW_S = 6.0  # well before monitors must alarm
NORMAL_S, ABNORMAL = 600.0, 300  # what a spliced stream is made of (the design's invariant 8)
SPLICED = ("106", "119", "200", "203", "208", "221", "223", "233")  # both many N and many V beats
STAY_FLAGGED = 0.85
LEADS = {"one-lead": 1, "two-leads": 2}


@dataclass(frozen=True, slots=True)
class Share:
    """Of the ventricular beats on end of one spliced stream, the flagged ones."""

    record: str
    leads: str
    flagged: float
    normal_flagged: float  # the same of its normal beats


@dataclass(slots=True)
class _Findings:
    """What was found in all records."""

    references: list[Reference] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    hours: dict[str, float] = field(default_factory=dict)
    alarmed: list[tuple[float, float]] = field(default_factory=list)  # normal beats in alarm, and all

    def take(self, found: DetectedRecord) -> None:
        """Take a record in."""
        self.references += score_references(found)
        self.told += score_told(found, false_alarms(found.record, found.events))
        self.hours[found.name] = found.scores.hours
        self.alarmed.append(normal_beats_in_alarm(found))


def run(request: Request) -> Result:
    """Episodes found, told right and told in time on all records; ventricular beats on end."""
    names = request.names([name for name in request.names() if name not in PACED])
    cross = request.cross_fitted(names)
    all_found = _Findings()
    for model, records, advance in request.by_model(cross, names, "episodes"):
        for found in _detect(records, model, advance):
            all_found.take(found)
    some = [name for name in SPLICED if name in names]
    spliced_of = request.each(some, what="ventricular beats on end")
    shares = [share for record in spliced_of for share in _shares(record, cross)]
    figures = [
        *_found_figures(all_found.references),
        *_told_figures(all_found.told, all_found.hours),
        # A run that never ends alarms for good, and is not false if one of its beats was abnormal.
        ratio_figure("normal_beats_in_alarm", "all", *zip(*all_found.alarmed, strict=True), better="lower"),
        *_time_figures(all_found.references),
        *_share_figures(shares),
    ]
    in_order = sorted(all_found.references, key=lambda each: (each.record, each.first))
    return Result(
        figures=figures,
        tables=[
            figure_table("Episodes, all records", figures),
            _reference_table(all_found.references),
            _share_table(shares),
        ],
        details={
            "episodes": [_row(each) for each in in_order],
            "shares": [asdict(share) for share in shares],
        },
    )


def _detect(records: Sequence[AnnotatedRecord], model: Model, advance: Advance) -> list[DetectedRecord]:
    """Records with annotated episodes in fine chunks, the others in long ones: the same findings, sooner."""
    fine = [record for record in records if annotated_episodes(record)]
    others = [record for record in records if not annotated_episodes(record)]
    found = score_detected(fine, model, advance, FINE_S) if fine else []
    return found + (score_detected(others, model, advance, CHUNK_S) if others else [])


def _shares(record: AnnotatedRecord, cross: CrossFit) -> list[Share]:
    """One stream with every lead, and one with the first alone."""
    out = []
    for name, leads in LEADS.items():
        stream = spliced(record, normal_s=NORMAL_S, abnormal=ABNORMAL, leads=leads)
        scores = score_detected([stream], cross.model_for(record.name))[0].scores
        shares = (float(scores.flagged[scores.label == label].mean()) for label in ("V", "N"))
        out.append(Share(record.name, name, *shares))
    return out


def _found_figures(references: Sequence[Reference]) -> list[Figure]:
    """Episode and duration sensitivity, by kind; of flutter also as a chaotic rhythm alone."""
    figures = []
    for what in (RUN, FLUTTER):
        some = [each for each in references if each.what == what]
        by_record = _by_record(some)
        found = [float(sum(each.found for each in part)) for part in by_record]
        sizes = [float(len(part)) for part in by_record]
        figures.append(ratio_figure("sensitivity", what, found, sizes, target=1.0))
        covered = [float(sum(each.overlap for each in part)) for part in by_record]
        lasted = [float(sum(each.samples for each in part)) for part in by_record]
        figures.append(ratio_figure("duration_sensitivity", what, covered, lasted))
        before = [float(sum(each.alarming for each in part)) for part in by_record]
        figures.append(ratio_figure("already_alarming", what, before, sizes, better="lower"))
        if what == FLUTTER:
            chaotic = [float(sum(each.chaotic for each in part)) for part in by_record]
            figures.append(ratio_figure("sensitivity", f"{what}/chaotic", chaotic, sizes))
    return figures


def _by_record(references: Sequence[Reference]) -> list[list[Reference]]:
    names = dict.fromkeys(each.record for each in references)
    return [[each for each in references if each.record == name] for name in names]


def _told_figures(told: Sequence[Told], hours: dict[str, float]) -> list[Figure]:
    """Positive predictivity by kind: against runs and flutter, and against anything abnormal."""
    figures = []
    for what, kind in ((RUN, Kind.RUN), (FLUTTER, Kind.RHYTHM_CHAOTIC)):
        by_record = [[each for each in told if each.record == name and each.what is kind] for name in hours]
        sizes = [float(len(part)) for part in by_record]
        right = [float(sum(each.ventricular for each in part)) for part in by_record]
        abnormal = [float(sum(each.abnormal for each in part)) for part in by_record]
        false = [size - part for size, part in zip(sizes, abnormal, strict=True)]
        figures.append(ratio_figure("positive_predictivity", what, right, sizes))
        figures.append(ratio_figure("positive_predictivity", f"{what}/any-abnormal", abnormal, sizes))
        every_hour = list(hours.values())
        figures.append(ratio_figure("false_events_per_hour", what, false, every_hour, better="lower"))
    return figures


def _time_figures(references: Sequence[Reference]) -> list[Figure]:
    """Seconds from first beat or wave to the alarm, of episodes that were told and began without one."""
    figures = []
    for group in (RUN, FLUTTER, "all"):
        fresh = [each for each in references if group in (each.what, "all") and not each.alarming]
        times = np.array([each.told_after_s for each in fresh if each.found])
        for name, share in (("time_to_alarm_median_s", 0.5), ("time_to_alarm_p95_s", 0.95)):
            value = float(np.quantile(times, share)) if len(times) else float("nan")
            target = SLOW_S if share > 0.9 else None
            figures.append(measured(name, group, value, target=target, better="lower"))
    return figures


def _share_figures(shares: Sequence[Share]) -> list[Figure]:
    figures = []
    for leads in LEADS:
        some = [share for share in shares if share.leads == leads]
        group = f"{ABNORMAL}-V/{leads}"
        middle = float(np.median([share.flagged for share in some])) if some else float("nan")
        figures.append(measured("flagged_share", group, middle, target=STAY_FLAGGED))
        figures += [
            measured("flagged_share", f"{group}/{share.record}", share.flagged, target=STAY_FLAGGED)
            for share in some
        ]
    return figures


def _row(each: Reference) -> dict[str, Any]:
    return {
        "record": each.record,
        "what": each.what,
        "from_s": round(each.first / each.rate_hz, 2),
        "length_s": round(each.samples / each.rate_hz, 2),
        "beats": each.beats,
        "detected": each.detected,
        "flagged": each.flagged,
        "longest_flagged": each.longest,
        "covered": round(each.overlap / each.samples, 3),
        "alarming": each.alarming,
        "told_after_s": None if np.isnan(each.told_after_s) else round(each.told_after_s, 2),
        "found": each.found,
        "chaotic": each.chaotic,
    }


def _reference_table(references: Sequence[Reference]) -> Table:
    rows = [tuple("–" if cell is None else str(cell) for cell in _row(each).values()) for each in references]
    columns = (
        "record", "what", "from s", "length s", "beats", "detected", "flagged",
        "longest", "covered", "alarming", "told after s", "found", "chaotic",
    )  # fmt: skip
    return Table("Every annotated run and flutter", columns, rows)


def _share_table(shares: Sequence[Share]) -> Table:
    rows = [(s.record, s.leads, f"{s.flagged:.3f}", f"{s.normal_flagged:.4f}") for s in shares]
    title = f"{ABNORMAL} ventricular beats on end after {NORMAL_S / 60:g} minutes of normal ones"
    return Table(title, ("record", "leads", "V flagged", "N flagged"), rows)


PROTOCOL = Protocol(
    name="episodes",
    summary=f"44 records cross-fitted: runs, flutter, time to alarm, V beats on end; 4 minutes, {FIRST_RUN}",
    run=run,
)
