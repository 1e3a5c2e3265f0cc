"""Protocol `latents`: a logistic regression on latent vectors, beside the score that no label has trained.

Trained on DS1's beats with their labels, judged on DS2: what labels add to a latent vector, and no
part of any model that ships.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from monitor.formats.figures import Figure
from monitor.model.model import Model
from monitor.scan.latents import BeatLatents, LatentCollector
from training.data.records import (
    CLASSES,
    DS1,
    DS2,
    IN_FLUTTER,
    SAME_MAN,
    AnnotatedRecord,
    label_beats,
    total_s,
)
from training.errors import DataError
from training.measure.evaluation import score_detected, watch_each
from training.measure.measures import MISSED, PatientScores, ranking_figures
from training.measure.protocol import Protocol, Request, Result
from training.measure.tables import ODD_ONE, WITHOUT, Table, shown, with_and_without

GROUPS = ("V", "S", "F", "all")
UNSUPERVISED = "score"


@dataclass(frozen=True, slots=True, eq=False)
class Beats:
    """n beats. latent: (n, width); score: (n,); label: (n,); owner: (n,) names of recording and lead."""

    latent: NDArray[np.float32]
    score: NDArray[np.float32]
    label: NDArray[np.str_]
    owner: NDArray[np.str_]


Features = Callable[[Beats], NDArray[np.float64]]  # (n, width)


def latent(beats: Beats) -> NDArray[np.float64]:
    """The latent vectors as they are."""
    return beats.latent.astype(np.float64)


def latent_of_patient(beats: Beats) -> NDArray[np.float64]:
    """Beside each vector how far it is from the median one of its recording and lead: patients differ."""
    vectors = latent(beats)
    away = np.empty_like(vectors)
    for each in np.unique(beats.owner):
        rows = beats.owner == each
        away[rows] = vectors[rows] - np.median(vectors[rows], axis=0)
    return np.concatenate([vectors, away], axis=1)


def latent_and_score(beats: Beats) -> NDArray[np.float64]:
    """All of that and the unsupervised score."""
    return np.concatenate([latent_of_patient(beats), beats.score.astype(np.float64)[:, None]], axis=1)


FEATURES: dict[str, Features] = {
    "latent": latent,
    "latent-of-patient": latent_of_patient,
    "latent-and-score": latent_and_score,
}


def fit_regression(beats: Beats, features: Features) -> Pipeline:
    """Logistic regression of "not normal" on labelled beats; raises DataError unless there are both kinds."""
    known = np.isin(beats.label, CLASSES)
    target = beats.label[known] != "N"
    if not target.any() or target.all():
        raise DataError(f"of {known.sum()} labelled beats {target.sum()} are not normal: nothing to learn")
    regression = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
    return regression.fit(features(beats)[known], target)


@dataclass(frozen=True, slots=True, eq=False)
class _Patient:
    """One record's beats, and the classes of the annotated ones that were not judged."""

    name: str
    hours: float
    beats: Beats
    missed: NDArray[np.str_]

    def scored(self, score: NDArray[np.float64]) -> PatientScores:
        counted = self.beats.label != IN_FLUTTER
        label = np.concatenate([self.beats.label[counted], self.missed])
        lost = np.full(len(self.missed), MISSED)
        flagged = np.zeros(len(label), np.bool_)
        return PatientScores(self.name, self.hours, label, np.concatenate([score[counted], lost]), flagged)


def run(request: Request) -> Result:
    """AUROC and average precision of the score and of regressions on growing sets of features."""
    names = request.names([*DS1, *DS2])
    train = [name for name in names if name in DS1 and name != SAME_MAN]
    test = [name for name in names if name in DS2]
    model = request.unseen(test)
    if not train or not test:
        raise DataError(f"need records of DS1 and of DS2; got {', '.join(names)}")
    known = _joined([each.beats for each in _patients(model, train, request)])
    patients = _patients(model, test, request)
    methods = {UNSUPERVISED: [each.scored(each.beats.score.astype(np.float64)) for each in patients]}
    for name, features in FEATURES.items():
        regression = fit_regression(known, features)
        methods[name] = [
            each.scored(regression.predict_proba(features(each.beats))[:, 1]) for each in patients
        ]
    return _result(methods, request)


def _patients(model: Model, names: Sequence[str], request: Request) -> list[_Patient]:
    """Records side by side, as concurrent streams: a fraction of the time of one after the other."""
    records = request.read(names)
    collectors = {record.name: LatentCollector(model) for record in records}
    with request.bar("embedding", total_s(records)) as advance:
        score_detected(records, model, advance, watch=watch_each(collectors))
    return [_patient(record, collectors[record.name].latents()) for record in records]


def _patient(record: AnnotatedRecord, beats: BeatLatents) -> _Patient:
    if not len(beats):
        raise DataError(f"{record.name}: no beat that could be judged")
    found = label_beats(record, beats.sample)
    owner = np.array([f"{record.name} {lead}" for lead in beats.first_lead])
    own = Beats(beats.of_first_lead, beats.score, found.labels, owner)
    return _Patient(record.name, record.recording.duration_s / 3600, own, record.labels[found.missed])


def _joined(parts: Sequence[Beats]) -> Beats:
    return Beats(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Beats)))


def _result(methods: dict[str, list[PatientScores]], request: Request) -> Result:
    figures: list[Figure] = []
    tables = []
    columns = ("judged by", *(f"AUROC {group}" for group in GROUPS), "average precision all")
    titles = {"": "DS2, own detections", WITHOUT: f"DS2 without {ODD_ONE}, own detections"}
    forms = {name: with_and_without(patients) for name, patients in methods.items()}
    with request.bar("confidence intervals", len(methods) * len(forms[UNSUPERVISED])) as advance:
        for suffix in forms[UNSUPERVISED]:
            rows = []
            for name, patients in forms.items():
                own = _figures(patients[suffix], suffix, name)
                figures += own
                rows.append((name, *(shown(each) for each in own if each.name == "auroc"), shown(own[-1])))
                advance(1)
            tables.append(Table(titles[suffix], columns, rows))
    return Result(figures=figures, tables=tables)


def _figures(patients: Sequence[PatientScores], suffix: str, method: str) -> list[Figure]:
    """AUROC and average precision of every group: V/score, V/without-232/score, ..."""
    return [
        each
        for group in GROUPS
        for each in ranking_figures(patients, group, f"{suffix}/{method}", lambda *_: None)
    ]


PROTOCOL = Protocol(
    name="latents",
    summary="Logistic regression on DS1's latent vectors, judged on DS2, beside the score; 2 minutes",
    run=run,
)
