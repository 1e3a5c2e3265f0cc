"""Our model beside the baselines: gains patient by patient, rows, and the records that it needs."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec
import numpy as np
import pytest

from monitor.model.model import Model
from tests.support.databases import write_record
from tests.support.models import small_model
from training.compare.baselines import STRONGEST
from training.compare.beside import OURS, gain_figures, rows_of, score_baselines, table
from training.data.records import read_record
from training.measure.measures import PatientScores
from training.measure.protocol import Request


def _patients(separation: float) -> list[PatientScores]:
    """Six patients whose V beats lie so much higher than their normal ones."""
    out = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        label = np.repeat(["N", "V"], [80, 20])
        score = np.abs(rng.normal(0, 1, 100)) + np.where(label == "V", separation, 0)
        out.append(PatientScores(f"p{seed}", 0.5, label, score, np.zeros(100, np.bool_)))
    return out


def test_no_gain_over_itself() -> None:
    """The same scores give exactly 0 in every draw, and that meets nothing."""
    (figure,) = gain_figures(_patients(1), _patients(1), "/detected")
    assert (figure.value, figure.low, figure.high, figure.met) == (0, 0, 0, False)
    assert (figure.name, figure.group) == ("average_precision_gain", "all/detected")


def test_a_gain_is_met_when_its_interval_is_above_nothing() -> None:
    """Better in every draw of patients."""
    (figure,) = gain_figures(_patients(4), _patients(1), "")
    assert figure.low is not None
    assert figure.low > 0
    assert figure.met


def test_no_gain_without_abnormal_beats() -> None:
    """There is nothing to rank."""
    quiet = [PatientScores("a", 0.5, np.array(["N"]), np.array([1.0]), np.array([False]))]
    assert gain_figures(quiet, quiet, "") == []


def test_our_row_comes_last_and_232_is_left_out() -> None:
    """Only one column counts the record in which the abnormal beats are the regular rhythm."""
    odd = PatientScores("232", 0.5, np.array(["N", "S"]), np.array([9.0, 0.0]), np.zeros(2, np.bool_))
    rows = rows_of([*_patients(9), odd], {"other": [*_patients(1), odd]})
    assert [row["score"] for row in rows] == ["other", OURS]
    assert rows[-1]["auroc_all"] == 1.0
    assert rows[-1]["auroc_all_with_232"] < 1.0
    assert rows[-1]["auroc_s"] is None
    assert rows[-1]["false_beats_per_hour"] == 0
    assert table("t", _patients(9), {}).rows == [(OURS, "1.000", "–", "1.000", "1.000", "1.000", "0")]


def _model(trained_on: list[str]) -> Model:
    model = small_model()
    return Model(msgspec.structs.replace(model.manifest, data={"records": trained_on}), model.networks)


def test_baselines_learn_from_the_models_own_patients(tmp_path: Path) -> None:
    """Both forms of the test record get every score; its V beats are the strangest."""
    folder = tmp_path / "mitdb"
    write_record(folder, "101", 600, ventricular=range(50, 500, 50))
    record = read_record(write_record(folder, "100", 60, ventricular=(30, 45), seed=1))
    found = score_baselines(Request(data=tmp_path), [record], _model(["101"]))
    assert found is not None
    (annotated,), (detected,) = found.annotated[STRONGEST], found.detected[STRONGEST]
    assert annotated.name == detected.name == "100"
    strange = annotated.label == "V"
    assert annotated.score[strange].min() > np.median(annotated.score[~strange])


def test_without_the_training_records_there_are_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A data folder may hold the test records alone: a warning says what it costs."""
    record = read_record(write_record(tmp_path / "mitdb", "100"))
    with caplog.at_level(logging.WARNING):
        assert score_baselines(Request(data=tmp_path), [record], _model(["101"])) is None
    assert "no baselines" in caplog.text
