"""Measures, card and report in a model's folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from monitor.formats.figures import Figure
from monitor.model.artifact import read_manifest
from tests.support.models import small_model
from tests.support.normals import made_up, normal_record
from training.measure.measures import PatientScores
from training.measure.protocol import Result
from training.report.publish import publish

PNG = b"\x89PNG\r\n\x1a\n"
RECORDS = [normal_record(made_up(60.0, seed=5))]


def test_without_a_result_there_is_a_report_and_a_card(tmp_path: Path) -> None:
    """Right after calibration the folder says what is known: reconstructions, and no measures."""
    version = small_model(tmp_path).version
    assert publish(tmp_path, None, RECORDS).version == version
    assert (tmp_path / "report.png").read_bytes().startswith(PNG)
    assert "Not measured yet" in (tmp_path / "CARD.md").read_text(encoding="utf-8")


def test_a_result_enters_manifest_and_card(tmp_path: Path) -> None:
    """Measures are kept with the model and change neither its weights nor its version."""
    version = small_model(tmp_path).version
    figure = Figure(name="auroc", group="V", value=0.875)
    result = Result(figures=[figure], tables=[])
    publish(tmp_path, result, RECORDS)
    manifest = read_manifest(tmp_path)
    assert manifest.measures == {"auroc V": 0.875}
    assert manifest.version == version
    assert "0.875" in (tmp_path / "CARD.md").read_text(encoding="utf-8")


def test_curves_are_drawn_from_a_result(tmp_path: Path) -> None:
    """With scored patients the report is larger by its histogram and curves."""
    small_model(tmp_path)
    publish(tmp_path, None, RECORDS)
    bare = len((tmp_path / "report.png").read_bytes())
    score = np.array([0.1, 0.4, 3.0, 1.5])
    patient = PatientScores("100", 0.5, np.array(["N", "N", "V", "S"]), score, score > 2)
    publish(tmp_path, Result(figures=[], tables=[], patients=[patient]), RECORDS)
    assert len((tmp_path / "report.png").read_bytes()) > bare
