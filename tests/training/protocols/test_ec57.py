"""The protocol `ec57` on made-up records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from monitor.recordings.wfdb_records import wfdb_library
from tests.support.databases import write_record
from tests.support.models import small_model
from training.commands.evaluate import evaluate as command
from training.measure.protocol import Request
from training.protocols.ec57 import run

WIDE = tuple(range(40, 380, 9))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two records that go on after the first five minutes, and one that doesn't."""
    folder = tmp_path_factory.mktemp("data")
    for seed, (name, seconds) in enumerate((("100", 330), ("232", 330), ("103", 60))):
        write_record(folder / "mitdb", name, seconds, ventricular=WIDE, seed=seed)
    return folder


@pytest.fixture(scope="module")
def written(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command wrote of two records: report.json, and annotation files."""
    folder = tmp_path_factory.mktemp("written")
    small_model(folder / "model")
    command(
        data=data,
        protocol="ec57",
        model=folder / "model",
        json_path=folder / "report.json",
        records=["100,232"],
        annotations=folder / "annotations",
    )
    return folder


def _figures(report: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["name"], each["group"]): each for each in report["figures"]}


def test_statistics_by_class(written: Path) -> None:
    """Gross and average, with and without record 232, and what the operating point costs."""
    found = _figures(json.loads((written / "report.json").read_text(encoding="utf-8")))
    assert found["sensitivity", "QRS"]["value"] == found["sensitivity", "QRS/average"]["value"] == 1.0
    assert found["sensitivity", "V"]["value"] > 0.5
    assert found["sensitivity", "V"]["target"] == 0.95
    assert found["sensitivity", "V/flagged"]["value"] >= found["sensitivity", "V"]["value"]
    assert found["sensitivity", "S"]["value"] is None
    assert found["false_positive_rate", "V/average/without-232"]["better"] == "lower"
    for name in ("false_beats_per_hour", "false_events_per_hour", "false_alarm_time"):
        assert found[name, "all"]["value"] is not None
        assert found[name, "all"]["target"] is not None
        assert found[name, "all/without-232"]["target"] is None


def test_rows_hold_the_pairs(written: Path) -> None:
    """A table a record, which add up to its beats after five minutes."""
    report = json.loads((written / "report.json").read_text(encoding="utf-8"))
    assert [row["record"] for row in report["records"]] == ["100", "232"]
    for row in report["records"]:
        assert np.sum(row["pairs"]) == pytest.approx(30 * 70 / 60, abs=5)
        assert row["hours"] == pytest.approx(30 / 3600, abs=1e-4)
        assert row["v_flagged"] >= row["pairs"][2][2]


def test_annotations_are_written_for_wfdb(written: Path) -> None:
    """Every detected beat is in the file, by AAMI class, at its sample."""
    with wfdb_library() as wfdb:
        notes = wfdb.rdann(str(written / "annotations" / "100"), "mon")
    assert set(notes.symbol) <= set("NSVQ")
    assert len(notes.sample) == pytest.approx(330 * 70 / 60, rel=0.05)
    assert np.all(np.diff(notes.sample) > 0)


def test_a_record_that_ends_too_soon_has_no_figures(data: Path) -> None:
    """Nothing is divided by nothing: the measures of a record of one minute are empty."""
    result = run(Request(data=data, model=small_model(), records=["103"]))
    assert {each.value for each in result.figures} == {None}


def test_training_patients_are_cross_fitted(data: Path) -> None:
    """A record that the model was trained on is not judged by the model."""
    model = small_model()
    model.manifest = msgspec.structs.replace(model.manifest, data={"records": ["100"]})
    with pytest.raises(ValueError, match="needs the model's folder"):
        run(Request(data=data, model=model, records=["100"]))
