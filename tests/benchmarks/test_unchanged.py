"""Whether two trees find the same: what counts as a difference, and one real scan."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from monitor.recordings.synthetic import synthetic_ecg
from tests.benchmarks.unchanged import Difference, compare, differences, values
from tests.support.project import ROOT

EVENTS = {"name": "events_per_hour", "value": 2.0, "better": "lower", "group": None}
FOUND = {"name": "sensitivity", "value": 0.9, "better": "higher", "group": "V"}
SPEED = {"name": "times_real_time", "value": 400.0, "better": "higher", "group": None}
REPORT = {"figures": [EVENTS, FOUND, SPEED], "elapsed_s": 4.0, "events": [{"id": "a", "p": float("nan")}]}


def written(folder: Path, report: object = REPORT, beats: str = "sample,kind\n1,beat\n") -> Path:
    """A result as `scan` leaves it."""
    folder.mkdir()
    (folder / "100.json").write_text(json.dumps(report), encoding="utf-8")
    (folder / "100.csv").write_text(beats, encoding="utf-8")
    return folder / "100"


def test_a_report_equals_itself(tmp_path: Path) -> None:
    """Nothing differs where nothing does, a value that is no number included."""
    assert differences("100", written(tmp_path / "a"), written(tmp_path / "b")) == []


def test_clocks_are_left_out() -> None:
    """How long a scan took is no value of it."""
    assert not [where for where, _ in values(REPORT) if "elapsed" in where or "real_time" in where]


def test_a_byte_of_the_beats_counts(tmp_path: Path) -> None:
    """Another byte in the beats file is a difference."""
    (found,) = differences("100", written(tmp_path / "a"), written(tmp_path / "b", beats="sample,kind\n"))
    assert (found.where, found.of_a_figure) == ("beats", False)


def test_a_figure_against_annotations_is_told_from_others(tmp_path: Path) -> None:
    """Which of the differences may be explained by another way to compare with annotations."""
    other = {**REPORT, "figures": [EVENTS | {"value": 3.0}, FOUND | {"value": 0.8}], "events": []}
    found = differences("100", written(tmp_path / "a"), written(tmp_path / "b", other))
    assert {each.where: each.of_a_figure for each in found} == {
        "figures.events_per_hour/None.value": False,
        "figures.sensitivity/V.value": True,
        "events.0.id": False,
        "events.0.p": False,
    }


def test_a_difference_is_a_line() -> None:
    """A reader sees the record, the place and both values."""
    assert str(Difference("100", "events.0.id", "a", "b")) == "100: events.0.id: a -> b"


@pytest.mark.slow
def test_a_tree_is_run_beside_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of this tree finds the same in a real scan; one that finds nothing does not."""
    monkeypatch.chdir(tmp_path)
    ecg = synthetic_ecg(60.0, rate_hz=250.0, leads=1)
    table = np.column_stack([np.arange(len(ecg.ecg_mv)) / 250.0, ecg.ecg_mv])
    np.savetxt("minute.csv", table, "%.4f", ",", header="time,II", comments="")
    for package in ("monitor", "training"):
        shutil.copytree(ROOT / package, tmp_path / "same" / package)
    assert compare("scan", str(tmp_path / "same"), tmp_path, ["minute.csv"]) == []
    (tmp_path / "deaf" / "monitor").mkdir(parents=True)
    (tmp_path / "deaf" / "monitor" / "__init__.py").touch()
    (tmp_path / "deaf" / "monitor" / "cli.py").write_text(
        "import sys\ndef main():\n    open(sys.argv[-1], 'w').write('{}')\n"
        "    open(sys.argv[-3], 'w').write('')\n",
        encoding="utf-8",
    )
    assert "beats" in {
        each.where for each in compare("scan", str(tmp_path / "deaf"), tmp_path, ["minute.csv"])
    }
