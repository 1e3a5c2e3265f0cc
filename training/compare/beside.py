"""Our model beside the baselines: the same beats, the same measures, and the gain patient by patient."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from monitor.ecg.windows import WindowSpec
from monitor.formats.figures import Figure
from monitor.model.autoencoders.lstm import LstmEncoderDecoder
from monitor.model.model import Model
from training.compare.baselines import Baselines, fit_baselines
from training.compare.beat_windows import beat_windows
from training.data.records import AnnotatedRecord, database, record_names
from training.measure.detector_figures import V_SENSITIVITY
from training.measure.measures import (
    PatientScores,
    auroc,
    average_precision,
    bootstrap_areas,
    false_beats,
    finite_or_none,
    interval,
    measured,
    ranking,
    sensitivity_threshold,
)
from training.measure.protocol import Request
from training.measure.tables import Table, without_odd_one

logger = logging.getLogger(__name__)

OURS = "this model"
_BASELINES = 7  # steps of fitting, for the progress bar

ByName = Mapping[str, list[PatientScores]]  # a score's name → every patient's beats


@dataclass(frozen=True, slots=True)
class Beside:
    """What each baseline says of the test patients' beats."""

    annotated: dict[str, list[PatientScores]]
    detected: dict[str, list[PatientScores]]


def score_baselines(request: Request, records: Sequence[AnnotatedRecord], model: Model) -> Beside | None:
    """Baselines of the model's own training patients, on annotated R peaks and on our detections.

    None, with a warning, where those patients' records are not in the data folder.
    """
    spec, folder = model.manifest.windows, database(request.data, "mitdb")
    trained_on, there = model.manifest.data.get("records"), record_names(folder)
    if not isinstance(trained_on, list) or not set(trained_on) <= set(there):
        logger.warning("no baselines: %s lacks the records that %s was trained on", folder, model.name)
        return None
    known = request.each(trained_on, what="baselines: normal beats")
    patients = [beat_windows(record, spec) for record in known]
    plain = model.networks.get("population")
    with request.bar("baselines: fitting", _BASELINES) as advance:
        network = plain if isinstance(plain, LstmEncoderDecoder) else None
        baselines = fit_baselines(patients, spec, network, advance)
    annotated: dict[str, list[PatientScores]] = {}
    detected: dict[str, list[PatientScores]] = {}
    with request.bar("baselines: scoring", len(records)) as advance:
        for record in records:
            _score(record, spec, baselines, annotated, detected=False)
            _score(record, spec, baselines, detected, detected=True)
            advance(1)
    return Beside(annotated, detected)


def _score(
    record: AnnotatedRecord,
    spec: WindowSpec,
    baselines: Baselines,
    into: dict[str, list[PatientScores]],
    *,
    detected: bool,
) -> None:
    beats = beat_windows(record, spec, detected=detected)
    for name, score in baselines.scores(beats).items():
        into.setdefault(name, []).append(beats.as_patient(score))


def gain_figures(ours: Sequence[PatientScores], theirs: Sequence[PatientScores], suffix: str) -> list[Figure]:
    """Our average precision less a baseline's, the same patients drawn for both.

    Met only if the whole interval is above 0.
    """
    mine, other = ranking(ours, "all"), ranking(theirs, "all")
    gain = average_precision(mine) - average_precision(other)
    if not np.isfinite(gain):
        return []
    drawn = bootstrap_areas(mine)[:, 1] - bootstrap_areas(other)[:, 1]
    low, high = interval(drawn)
    figure = measured("average_precision_gain", f"all{suffix}", gain, low, high, target=0.0)
    return [msgspec.structs.replace(figure, met=low is not None and low > 0)]


def table(title: str, ours: Sequence[PatientScores], theirs: ByName) -> Table:
    """A row a score, ours last; without 232 unless a column says otherwise."""
    columns = ("score", "V", "S", "all AUROC", "all AP", "all AUROC with 232", "false beats/h")
    return Table(title, columns, [_texts(row) for row in rows_of(ours, theirs)])


def rows_of(ours: Sequence[PatientScores], theirs: ByName) -> list[dict[str, Any]]:
    """The same for programs; None where there is nothing to measure."""
    return [_row(name, patients) for name, patients in {**theirs, OURS: list(ours)}.items()]


def _row(name: str, patients: Sequence[PatientScores]) -> dict[str, Any]:
    kept = without_odd_one(patients) or list(patients)
    every = ranking(kept, "all")
    threshold = sensitivity_threshold(kept, "V", V_SENSITIVITY)
    hours = sum(each.hours for each in kept)
    values = {
        "auroc_v": auroc(ranking(kept, "V")),
        "auroc_s": auroc(ranking(kept, "S")),
        "auroc_all": auroc(every),
        "average_precision_all": average_precision(every),
        "auroc_all_with_232": auroc(ranking(patients, "all")),
        "false_beats_per_hour": sum(false_beats(kept, threshold)) / hours,
    }
    return {"score": name, **{key: finite_or_none(value) for key, value in values.items()}}


def _texts(row: dict[str, Any]) -> tuple[str, ...]:
    *areas, rate = list(row.values())[1:]
    shown = ["–" if value is None else f"{value:.3f}" for value in areas]
    return (row["score"], *shown, "–" if rate is None else f"{rate:.0f}")
