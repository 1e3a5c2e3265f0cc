"""The report's picture, and the samples in it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from monitor.ecg.windows import WindowSpec
from monitor.recordings.synthetic import synthetic_ecg
from tests.support.models import small_model
from training.data.normals import NormalRecord, PatientNormals, normals_of
from training.fit.loop import EpochRecord
from training.measure.measures import PatientScores
from training.report.picture import (
    ReconstructionSample,
    ReportScores,
    draw_report,
    read_history,
    reconstruction_samples,
    report_scores,
)

_HISTORY = {
    "usual, fold 0": [EpochRecord(1, 2.0, 2.1), EpochRecord(2, 1.0, 1.2)],
    "usual, all": [EpochRecord(1, 2.0, math.nan)],
    "population, fold 0": [EpochRecord(1, 2.0, 2.1)],
    "fixed, fold 0": [],
}


@pytest.fixture(scope="module")
def normals() -> PatientNormals:
    """A minute of made-up normal beats."""
    ecg = synthetic_ecg(60)
    return normals_of(NormalRecord("made-up", ecg.rate_hz, ecg.ecg_mv, ecg.r_peak), WindowSpec())


def _scores() -> ReportScores:
    label = np.array(["N"] * 50 + ["V"] * 5 + ["extra"])
    return ReportScores(label, np.concatenate([np.linspace(0, 2, 50), [-1.0, 3, 4, 5, 20], [0.5]]), 2.5)


def _sample(error: float, spread: float | None = 0.1) -> ReconstructionSample:
    line = np.zeros(104, np.float32)
    band = None if spread is None else np.full(104, spread, np.float32)
    return ReconstructionSample("100, lead 1", np.linspace(-0.4, 0.4, 104), line, line, band, error)


def test_report_has_everything(tmp_path: Path) -> None:
    """Losses, scores, best and worst reconstructions make four rows of one picture."""
    path = tmp_path / "model" / "report.png"
    draw_report(path, _HISTORY, _scores(), [_sample(error, None if error else 0.1) for error in range(9)])
    assert imread(path).shape[:2] == (4 * 360, 1500)


@pytest.mark.parametrize(
    ("history", "scores", "samples"),
    [
        ({}, None, 0),
        (_HISTORY, None, 0),
        ({}, _scores(), 1),
        ({}, replace(_scores(), label=np.full(56, "N")), 0),
    ],
)
def test_report_leaves_out_what_is_not_there(
    tmp_path: Path, history: dict[str, list[EpochRecord]], scores: ReportScores | None, samples: int
) -> None:
    """After training there are no scores yet; the picture shows what there is."""
    draw_report(tmp_path / "report.png", history, scores, [_sample(1.0)] * samples)
    assert (tmp_path / "report.png").stat().st_size > 0


def test_history_is_read_as_fit_writes_it(tmp_path: Path) -> None:
    """Networks and folds become one name; a model without a history has none."""
    path = tmp_path / "history.json"
    assert read_history(path) == {}
    path.write_text('{"usual": {"fold 0": [{"epoch": 1, "train": 2.0, "held_out": 2.1}]}}', encoding="utf-8")
    assert read_history(path) == {"usual, fold 0": [EpochRecord(1, 2.0, 2.1)]}


def test_scores_of_all_patients_together() -> None:
    """Patients' beats are pooled, at the threshold in force."""
    one = PatientScores("a", 0.5, np.array(["N", "V"]), np.array([1.0, 2.0]), np.array([False, True]))
    pooled = report_scores([one, one], 2.5)
    assert (pooled.label.tolist(), pooled.threshold) == (["N", "V", "N", "V"], 2.5)


@pytest.mark.parametrize("contextual", [True, False])
def test_samples_are_the_extremes(normals: PatientNormals, contextual: bool) -> None:
    """The beats that fit best come before those that fit worst, with what was expected of them in mV."""
    samples = reconstruction_samples(small_model(contextual=contextual), "made-up", normals.beats, count=3)
    errors = [sample.error for sample in samples]
    assert len(samples) == 6
    assert errors == sorted(errors)
    assert all(sample.expected_mv.shape == sample.ecg_mv.shape == sample.time_s.shape for sample in samples)
    assert all((sample.spread_mv is not None) is contextual for sample in samples)


def test_no_judged_beat_no_sample(normals: PatientNormals) -> None:
    """Beats in bad signal have no reconstruction."""
    bad = replace(normals.beats, good=np.zeros_like(normals.beats.good))
    assert reconstruction_samples(small_model(), "made-up", bad) == []
