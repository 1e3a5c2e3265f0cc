"""The worst misses and the worst false alarms of an evaluation, as strips of ECG."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitor.model.model import Model
from monitor.recordings.recording import Recording
from monitor.recordings.wfdb_records import read_wfdb
from monitor.scan.explain import Explanation, Wanted, explain
from monitor.scan.finding_strips import AFTER_S, BEFORE_S, signal_of
from monitor.scan.strip import Mark, Strip
from monitor.scan.terminal import clock
from training.measure.measures import MISSED, PatientScores

COUNT = 12
PER_RECORD = 2  # one odd record would fill the page
_OFF_S = 0.1  # so far from when it was due a beat came at another time
_MARKED = {"beat": "", "gated": "?", "missed": "missed"}  # other kinds have their own word


@dataclass(frozen=True, slots=True, eq=False)
class WorstBeat:
    """A beat to show: row `row` of a patient's scores."""

    patient: PatientScores
    row: int

    @property
    def time_s(self) -> float:
        """Of its R peak, from the recording's beginning."""
        return float(_known(self.patient)[0][self.row])


def worst_misses(patients: Sequence[PatientScores], count: int = COUNT) -> list[WorstBeat]:
    """Abnormal beats that were not flagged, those with the lowest score first; few of each record."""
    return _worst(patients, [~each.negative & ~each.flagged for each in patients], count, 1.0)


def worst_false_alarms(patients: Sequence[PatientScores], count: int = COUNT) -> list[WorstBeat]:
    """Normal beats, or none, that were flagged, those with the highest score first; few of each record."""
    return _worst(patients, [each.negative & each.flagged for each in patients], count, -1.0)


def _worst(
    patients: Sequence[PatientScores], rows: Sequence[NDArray[np.bool_]], count: int, sign: float
) -> list[WorstBeat]:
    timed = [(each, chosen) for each, chosen in zip(patients, rows, strict=True) if each.time_s is not None]
    beats = [
        (sign * float(each.score[row]), each.name, int(row))
        for each, chosen in timed
        for row in np.flatnonzero(chosen)
    ]
    by_name = {each.name: each for each, _ in timed}
    taken: Counter[str] = Counter()
    out: list[WorstBeat] = []
    for _, name, row in sorted(beats):
        if taken[name] < PER_RECORD and len(out) < count:
            taken[name] += 1
            out.append(WorstBeat(by_name[name], row))
    return out


def strips_of(beats: Sequence[WorstBeat], folder: Path, model: Model | None) -> list[Strip]:
    """Each beat on paper with its neighbours, the reference's labels, and what the model expected.

    folder: the database that holds the patients' records; model: None leaves out the expectation.
    """
    strips: dict[WorstBeat, Strip] = {}
    by_name: dict[str, list[WorstBeat]] = defaultdict(list)
    for beat in beats:
        by_name[beat.patient.name].append(beat)
    for name, own in by_name.items():
        recording = read_wfdb(folder / name)
        wanted = [Wanted(round(beat.time_s * recording.rate_hz)) for beat in own]
        found = [None] * len(own) if model is None else explain(model, recording, wanted)
        for beat, expected in zip(own, found, strict=True):
            strips[beat] = _strip(beat, recording, expected)
    return [strips[beat] for beat in beats]


def _strip(beat: WorstBeat, recording: Recording, expected: Explanation | None) -> Strip:
    rate_hz, at = recording.rate_hz, round(beat.time_s * recording.rate_hz)
    shown = max(0, at - round(BEFORE_S * rate_hz)), min(len(recording), at + round(AFTER_S * rate_hz))
    lead = recording.leads[0].name if expected is None else expected.lead
    time_s, ecg_mv = signal_of(recording, *shown, lead, as_judged=expected is not None)
    due_s = None if expected is None else expected.due_s
    label, score = beat.patient.label[beat.row], float(beat.patient.score[beat.row])
    said = "" if score == MISSED else f"   score {score:.2f}"
    return Strip(
        time_s=time_s,
        ecg_mv=ecg_mv,
        expected=expected,
        marks=_marks(beat, shown[0] / rate_hz, shown[1] / rate_hz),
        due_s=due_s if due_s is not None and abs(due_s - beat.time_s) > _OFF_S else None,
        title=f"{beat.patient.name}   {clock(beat.time_s)}   {label}{said}",
        why=_said(beat),
        lead=lead,
    )


def _marks(beat: WorstBeat, first_s: float, last_s: float) -> list[Mark]:
    time_s, kind = _known(beat.patient)
    rows = np.flatnonzero((time_s >= first_s) & (time_s < last_s))
    return [
        Mark(
            float(time_s[row]),
            _MARKED.get(kind[row], kind[row].partition(".")[2]),
            shown=bool(row == beat.row),
            label="" if beat.patient.label[row] == "extra" else str(beat.patient.label[row]),
        )
        for row in rows[np.argsort(time_s[rows], kind="stable")]
    ]


def _said(beat: WorstBeat) -> str:
    """What we said of the beat, and what the reference says."""
    label, kind = beat.patient.label[beat.row], str(_known(beat.patient)[1][beat.row])
    ours = {"missed": "not detected", "gated": "in signal too poor to judge", "beat": "found usual"}
    reference = "no beat" if label == "extra" else f"a beat of class {label}"
    return f"{ours.get(kind, kind.partition('.')[2])}; the reference has {reference}"


def _known(patient: PatientScores) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    if patient.time_s is None or patient.kind is None:
        raise ValueError(f"{patient.name}: the beats' times and kinds are not known")
    return patient.time_s, patient.kind
