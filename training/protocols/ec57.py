"""Protocol `ec57`: beat by beat as in ANSI/AAMI EC57, by class, and the operating point that ships."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from monitor.formats.figures import Figure
from monitor.scan.matching import LEARNING_S
from training.data.records import DS2
from training.fit.crossfit import FIRST_RUN
from training.measure.annotations import beat_labels, write_annotations
from training.measure.confusion import LABELS, BeatTable, LabelledBeats, compare_beats
from training.measure.evaluation import DetectedRecord, false_alarms, false_seconds, score_detected
from training.measure.measures import BOOTSTRAPS, draws, interval, measured, ratio_figure
from training.measure.protocol import Protocol, Request, Result
from training.measure.tables import Table, figure_table, with_and_without

Better = Literal["higher", "lower"]
V_SENSITIVITY, FALSE_BEATS, FALSE_EVENTS, FALSE_TIME = 0.95, 15.0, 3.0, 0.005
BETTER: dict[str, Better] = {"false_positive_rate": "lower"}


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """One record after the learning period."""

    found: DetectedRecord
    table: BeatTable
    flagged_v: int  # V beats that were flagged, as whatever kind
    false_beats: int  # flagged, of class N or no beat at all
    false_events: int
    false_s: float  # seconds in false alarm
    hours: float

    @property
    def name(self) -> str:
        """The record's."""
        return self.found.name


def run(request: Request) -> Result:
    """Gross and average statistics by class, the table of pairs, and the operating point."""
    names = request.names(DS2)
    compared: dict[str, Compared] = {}
    for model, records, advance in request.by_model(request.cross_fitted(names), names, "own detections"):
        compared |= {found.name: compare(found) for found in score_detected(records, model, advance)}
    rows = [compared[name] for name in names]
    if request.annotations is not None:
        for row in rows:
            write_annotations(request.annotations, row.name, row.found.windows, row.found.events)
    figures = _figures(rows)
    return Result(
        figures=figures,
        tables=[
            _confusion_table(rows),
            figure_table("EC57 statistics, after 5 minutes", figures),
            _record_table(rows),
        ],
        details={"records": [_row(row) for row in rows], "labels": LABELS},
        patients=[row.found.scores for row in rows],
    )


def compare(found: DetectedRecord) -> Compared:
    """What the monitor said of a record, against its reference annotations."""
    record = found.record
    rate, bounds = record.recording.rate_hz, record.flutter_bounds
    reference = LabelledBeats(record.beats, record.labels)
    table = compare_beats(reference, beat_labels(found.windows), rate, bounds)
    # The same pairs, by whether a beat was flagged at all: "V" stands for it.
    flags = compare_beats(reference, flag_labels(found), rate, bounds)
    begin = round(LEARNING_S * rate)
    false = [alarm for alarm in false_alarms(record, found.events) if alarm.first >= begin]
    return Compared(
        found=found,
        table=table,
        flagged_v=flags.pairs("V", "V"),
        false_beats=flags.pairs("NO", "V"),
        false_events=len(false),
        false_s=false_seconds(false, found.events, rate),
        hours=max(0.0, record.recording.duration_s - LEARNING_S) / 3600,
    )


def flag_labels(found: DetectedRecord) -> LabelledBeats:
    """Detected beats, V if flagged as whatever kind, else N."""
    beats = np.flatnonzero(np.array(found.windows.kind) != "fixed")
    flagged = found.windows.anomalous[beats]
    return LabelledBeats(found.windows.sample[beats], np.where(flagged, "V", "N"))


def _figures(rows: Sequence[Compared]) -> list[Figure]:
    figures: list[Figure] = []
    for suffix, kept in with_and_without(rows).items():
        figures += _class_figures(kept, suffix) + _operating_figures(kept, suffix)
    return figures


def _class_figures(rows: Sequence[Compared], suffix: str) -> list[Figure]:
    """Gross: every beat counts alike; average: every record does that has such beats."""
    figures = []
    ratios = [row.table.ratios() for row in rows]
    for name, group in ratios[0]:
        parts, wholes = zip(*(each[name, group] for each in ratios), strict=True)
        target = V_SENSITIVITY if (name, group) == ("sensitivity", "V") and not suffix else None
        better = BETTER.get(name, "higher")
        figures.append(ratio_figure(name, group + suffix, parts, wholes, target=target, better=better))
        figures.append(_average(name, f"{group}/average{suffix}", parts, wholes, better))
    return figures


def _average(
    name: str, group: str, parts: Sequence[float], wholes: Sequence[float], better: Better
) -> Figure:
    values = np.array([part / whole for part, whole in zip(parts, wholes, strict=True) if whole])
    if not len(values):
        return measured(name, group, float("nan"), better=better)
    drawn = draws(len(values), BOOTSTRAPS) @ values / len(values)
    return measured(name, group, float(values.mean()), *interval(drawn), better=better)


def _operating_figures(rows: Sequence[Compared], suffix: str) -> list[Figure]:
    """The default operating point: what is found, and what it costs."""
    hours = [row.hours for row in rows]
    v_beats = [row.table.pairs("V", LABELS) for row in rows]
    flagged = [row.flagged_v for row in rows]

    def rate(name: str, of: Callable[[Compared], float], target: float) -> Figure:
        above = [of(row) for row in rows]
        wanted = None if suffix else target
        return ratio_figure(name, f"all{suffix}", above, hours, target=wanted, better="lower")

    return [
        ratio_figure(
            "sensitivity", f"V/flagged{suffix}", flagged, v_beats, target=None if suffix else V_SENSITIVITY
        ),
        rate("false_beats_per_hour", lambda row: row.false_beats, FALSE_BEATS),
        rate("false_events_per_hour", lambda row: row.false_events, FALSE_EVENTS),
        rate("false_alarm_time", lambda row: row.false_s / 3600, FALSE_TIME),
    ]


def _confusion_table(rows: Sequence[Compared]) -> Table:
    total = BeatTable(np.sum([row.table.counts for row in rows], axis=0))
    lines = [(reference, *(str(total.pairs(reference, test)) for test in LABELS)) for reference in LABELS]
    columns = ("annotated", *LABELS.lower())
    return Table("Pairs of beats, annotated and found; o: none", columns, lines)


def _row(row: Compared) -> dict[str, Any]:
    return {
        "record": row.name,
        "pairs": row.table.counts.tolist(),
        "v_flagged": row.flagged_v,
        "false_beats": row.false_beats,
        "false_events": row.false_events,
        "false_alarm_s": round(row.false_s, 3),
        "hours": round(row.hours, 4),
    }


def _record_table(rows: Sequence[Compared]) -> Table:
    lines = []
    for row in rows:
        ratios = row.table.ratios()
        cells = (
            _percent(*ratios[name, group])
            for group in ("QRS", "V", "S")
            for name in ("sensitivity", "positive_predictivity")
        )
        counts = (str(row.false_beats), str(row.false_events), f"{row.false_s:.0f}")
        lines.append((row.name, *cells, *counts))
    heads = ("record", "Q Se", "Q +P", "V Se", "V +P", "S Se", "S +P", "false beats", "events", "seconds")
    return Table("By record, %", heads, lines)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}" if whole else "–"


PROTOCOL = Protocol(
    name="ec57",
    summary=f"DS2 beat by beat as EC57, gross and average, after 5 minutes; 2 minutes, {FIRST_RUN} "
    "if records of training patients are asked for",
    run=run,
)
