"""Speeds: what is measured, and how it is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monitor.commands.bench import bench as command
from monitor.detect import bench as module
from monitor.detect.bench import Speed, bench, bench_figures, machine
from tests.support.models import small_model


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """As little of everything as will do."""
    for name, value in {"STREAMS": 2, "WARM_UP_S": 1, "_WINDOWS": 64, "_BEATS": 32, "_REPEATS": 1}.items():
        monkeypatch.setattr(module, name, value)


def test_measures_every_network_scoring_and_detector() -> None:
    """Each network alone in batches and tiles, the main one with scoring, and the whole."""
    told: list[str] = []
    speeds = bench(small_model(), seconds=1, runs=2, progress=told.append)
    groups = [
        f"{kind}/{how}" for kind in ("usual", "population", "fixed") for how in ("batch-256", "tile-64")
    ]
    assert [speed.group for speed in speeds] == [*groups, "usual/scored", "detector"]
    assert all(0 < speed.slowest <= speed.per_second <= speed.fastest for speed in speeds)
    assert len(told) == len(speeds)


def test_plain_model_is_scored_by_its_population_network() -> None:
    """A model without a contextual network has the plain one as its main."""
    speeds = bench(small_model(contextual=False), seconds=1, runs=1)
    assert speeds[-2].group == "population/scored"


def test_figures_hold_median_extremes_and_target() -> None:
    """A speed below its target is not met; one without target has no verdict."""
    slow, free = bench_figures(
        [
            Speed("", "windows_per_second", "usual/scored", 9.0, 8.0, 10.0, 20.0),
            Speed("", "x", "y", 1.0, 1.0, 1.0),
        ]
    )
    assert (slow.value, slow.low, slow.high, slow.met) == (9.0, 8.0, 10.0, False)
    assert free.met is None


def test_nothing_to_measure_is_refused() -> None:
    """No run has no median."""
    with pytest.raises(ValueError, match="1 at least"):
        bench(small_model(), runs=0)


def test_command_writes_and_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`ecg-monitor bench --json` prints a table and writes the design's figures."""
    small_model(tmp_path / "model")
    path = tmp_path / "build" / "bench.json"
    command(model=tmp_path / "model", json_path=path, seconds=1, runs=1)
    report = json.loads(path.read_text(encoding="utf-8"))
    assert {figure["name"] for figure in report["figures"]} == {
        "windows_per_second",
        "stream_seconds_per_second",
    }
    assert report["machine"]["threads"] == 1
    command(model=tmp_path / "model", seconds=1, runs=1)
    assert capsys.readouterr().out.count("usual network, batch") == 2


def test_processor_has_a_name_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Linux's list is missing, Python's guess is used."""
    monkeypatch.setattr("builtins.open", lambda *_, **__: (_ for _ in ()).throw(FileNotFoundError()))
    assert machine()["processor"]
