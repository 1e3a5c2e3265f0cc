"""The evaluation protocols as a user runs them, on databases of made-up ECG and on MIT-BIH."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
import typer

from monitor.formats.figures import Figure
from monitor.model.artifact import Manifest
from monitor.recordings.synthetic import synthetic_ecg
from tests.support.databases import write_record
from tests.support.models import composed_model, recording_of, small_model
from training.commands.evaluate import evaluate as command
from training.data.records import annotated
from training.errors import DataError
from training.fit.architecture import Architecture
from training.measure.protocol import Request
from training.measure.qrs_counts import QrsCount
from training.measure.tables import by_form, shown, target_shown
from training.protocols.qrs import count
from training.protocols.registry import PROTOCOLS, evaluate, find


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mitdb with three short records, nstdb with two that go on after the first five minutes."""
    folder = tmp_path_factory.mktemp("data")
    for seed, name in enumerate(("100", "103", "232")):
        write_record(folder / "mitdb", name, 90, ventricular=range(40, 100, 9) if seed else (), seed=seed)
    for seed, name in enumerate(("118e24", "119e_6")):
        write_record(folder / "nstdb", name, 330, ventricular=(), seed=seed)
    with (folder / "nstdb" / "RECORDS").open("a", encoding="utf-8") as records:
        records.write("bw\n")
    return folder


@pytest.fixture(scope="module")
def real() -> Path:
    """The unpacked databases."""
    if "ECG_DATA" not in os.environ:
        pytest.skip("ECG_DATA is not set")
    return Path(os.environ["ECG_DATA"])


def _values(report: dict[str, Any], name: str) -> dict[str, float | None]:
    return {each["group"]: each["value"] for each in report["figures"] if each["name"] == name}


def test_a_composed_model_is_judged_as_any(data: Path, tmp_path: Path) -> None:
    """Its kind makes no difference to the inter-patient protocol: both forms have their figures."""
    torch.set_num_threads(1)
    sizes: dict[str, Any] = {
        "encoder_settings": {"channels": [4, 8]},
        "decoder_settings": {"hidden": [16]},
    }
    model = composed_model(tmp_path, Architecture(encoder="conv", decoder="dense", **sizes))
    request = Request(data=data, model=model, records=("103", "232"))
    _, report = evaluate(find("inter-patient"), request)
    areas = _values(report, "auroc")
    assert min(areas["V"] or 0, areas["V/detected"] or 0) > 0.95
    assert [row["record"] for row in report["records"]] == ["103", "232"]


def test_inter_patient_from_the_command_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both forms, with and without record 232, are printed and written with time and model."""
    small_model(tmp_path / "model")
    path = tmp_path / "build" / "report.json"
    page = tmp_path / "build" / "report.html"
    only = ["100,103", "232"]
    command(data=data, model=tmp_path / "model", json_path=path, records=only, report_path=page)
    report = json.loads(path.read_text(encoding="utf-8"))
    areas = _values(report, "auroc")
    assert {"V", "V/detected", "V/without-232", "V/detected/without-232", "all"} <= set(areas)
    assert areas["V"] is not None
    assert areas["V"] > 0.95
    assert areas["S"] is None
    assert {"all/detected", "beats-only/detected"} <= set(_values(report, "false_events_per_hour"))
    assert _values(report, "qrs_sensitivity")["V/detected"] == 1.0
    assert [row["record"] for row in report["records"]] == ["100", "103", "232"]
    assert report["model"]["name"] == "small"
    assert report["elapsed_s"] > 0
    assert report["operating_point"]["budget_per_hour"] == Manifest(name="any").default_budget_per_hour
    out = capsys.readouterr().out
    assert "Ranking, by class against N" in out
    assert "inter-patient: DS2" in out
    text = page.read_text(encoding="utf-8")
    assert "--records 100,103,232 --report" in text
    assert "Worst false alarms" in text


def test_one_record_has_no_form_without_it(data: Path) -> None:
    """Without 232, or with 232 alone, nothing is left out."""
    request = Request(data=data, model=small_model(), records=["103"])
    result, report = evaluate(find("inter-patient"), request)
    assert not any("without" in figure.group for figure in result.figures)
    assert report["records"][0]["v_beats"] > 0
    assert [each.name for each in result.patients] == ["103"]


def test_qrs_needs_no_model(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Averages, each record, and the noise stress test by its signal-to-noise ratio."""
    path = tmp_path / "qrs.json"
    command(data=data, protocol="qrs", json_path=path)
    report = json.loads(path.read_text(encoding="utf-8"))
    found = _values(report, "sensitivity")
    assert found["24dB"] == found["118e24"] == 1.0
    assert {"all", "gross", "-6dB", "100", "all/XQRS", "24dB/sleepecg"} <= set(found)
    # The made-up MIT-BIH ends before the first five minutes, which don't count, are over.
    assert found["100"] is None
    assert report["model"] is None
    assert "Noise stress test" in capsys.readouterr().out


def test_results_page_is_written_by_the_command(data: Path, tmp_path: Path) -> None:
    """The page holds the command that made it, and a second run leaves one section."""
    page = tmp_path / "docs" / "results.md"
    for _ in range(2):
        command(data=data, protocol="qrs", records=["100"], docs=page)
    text = page.read_text(encoding="utf-8")
    assert text.count("<!-- qrs: begin -->") == 1
    assert f"ecg-train evaluate --protocol qrs --data DATA --records 100 --docs {page}" in text
    assert "Model" not in text


def test_qrs_without_the_noise_database(data: Path, tmp_path: Path) -> None:
    """The noise stress test is a download of its own; without it the rest is measured."""
    write_record(tmp_path / "mitdb", "100", 310, ventricular=())
    result, _ = evaluate(find("qrs"), Request(data=tmp_path, records=["100"]))
    assert {figure.group for figure in result.figures} == {
        "all", "all/XQRS", "all/sleepecg", "gross", "100"
    }  # fmt: skip
    nothing, _ = evaluate(find("qrs"), Request(data=tmp_path, records=["999"]))
    assert nothing.figures == []


def test_flutter_does_not_count() -> None:
    """Detections inside flutter, and those of the first five minutes, are neither right nor wrong."""
    rate = 250
    notes = [(second * rate, "N", "") for second in (10, 301, 302, 310)]
    notes += [(303 * rate, "[", ""), (306 * rate, "]", "")]
    ecg = recording_of(synthetic_ecg(320, rate_hz=rate, leads=1), "207")
    found = np.array([20, 301, 304, 305, 308, 310]) * rate
    assert count(annotated(ecg, sorted(notes)), found) == QrsCount("207", found=2, missed=1, extra=1)


def test_record_without_ventricular_beats(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is no sensitivity to compare false beats at; the rest is measured, and nothing is written."""
    result, _ = evaluate(find("inter-patient"), Request(data=data, model=small_model(), records=["100"]))
    assert not any(figure.group.startswith("V-sensitivity") for figure in result.figures)
    command(data=data, protocol="qrs", records=["100"])
    assert "Noise stress test" not in capsys.readouterr().out


def test_training_patients_are_no_test(data: Path) -> None:
    """A model is not judged on a patient that it has learned from."""
    model = small_model()
    model.manifest = msgspec.structs.replace(model.manifest, data={"records": ["103"]})
    with pytest.raises(DataError, match="trained on the patients of 103"):
        evaluate(find("inter-patient"), Request(data=data, model=model, records=["103"]))


def test_unknown_protocols_are_named(data: Path) -> None:
    """The error lists the protocols that there are."""
    with pytest.raises(typer.BadParameter, match=r"wanted one of inter-patient, .*qrs"):
        command(data=data, protocol="guess")


def test_missing_data_says_how_to_get_it(tmp_path: Path) -> None:
    """The error is the command that fetches the database."""
    with pytest.raises(DataError, match="ecg-train data mitdb"):
        evaluate(find("qrs"), Request(data=tmp_path))


def test_model_is_required_where_it_is() -> None:
    """A protocol that judges a model does not run without one."""
    with pytest.raises(ValueError, match="needs a model"):
        evaluate(find("inter-patient"), Request(data=Path()))


def test_every_protocol_is_registered_by_its_name() -> None:
    """What `--protocol` takes is the protocol's own name."""
    assert all(name == protocol.name for name, protocol in PROTOCOLS.items())


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.12345, "0.123"), (12.34, "12.3"), (1234.5, "1,234")]
)
def test_figures_as_text(value: float | None, text: str) -> None:
    """As many digits as mean something."""
    assert shown(Figure(name="x", value=value)) == text


def test_figures_by_form() -> None:
    """One row for a measure and class, one column for each form that there is."""
    figures = [
        Figure(name="f1", group="V", value=0.5, low=0.4, high=0.6),
        Figure(name="f1", group="V/detected", value=0.25, target=0.5, met=False),
        Figure(name="rate", group="all/detected", value=3.0, target=5.0, better="lower", met=True),
    ]
    table = by_form("t", figures)
    assert table.columns == ("measure", "group", "annotated", "detected")
    assert list(table.rows) == [
        ("f1", "V", "0.500 (0.400–0.600)", "0.250 ≥ 0.5 ✗"),
        ("rate", "all", "", "3.000 ≤ 5 ✓"),
    ]
    assert target_shown(figures[0]) == ""
    assert target_shown(Figure(name="f1", value=None, target=0.5)) == "≥ 0.5"


@pytest.mark.mitdb
def test_qrs_on_difficult_records(real: Path) -> None:
    """Ventricular flutter (207), fusion beats (208) and tall P waves (108) keep their level."""
    result, _ = evaluate(find("qrs"), Request(data=real, records=["100", "108", "207", "208"]))
    found = {(figure.name, figure.group): figure.value or 0.0 for figure in result.figures}
    assert found["sensitivity", "all"] >= 0.99
    assert found["positive_predictivity", "all"] >= 0.985


@pytest.mark.mitdb
def test_untrained_model_ranks_ventricular_beats_high(real: Path) -> None:
    """The usual beat alone tells most of record 233's 831 ventricular beats from its normal ones."""
    result, _ = evaluate(find("inter-patient"), Request(data=real, model=small_model(), records=["233"]))
    found = {(figure.name, figure.group): figure.value or 0.0 for figure in result.figures}
    assert found["auroc", "V"] > 0.9
    assert found["qrs_sensitivity", "all/detected"] > 0.99
