"""Models of several seeds side by side, small."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.benchmarks import seeds
from tests.support.databases import write_record
from tests.support.models import small_model


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three short records, the odd one among them."""
    folder = tmp_path_factory.mktemp("data")
    for seed, name in enumerate(("100", "103", "232")):
        write_record(folder / "mitdb", name, 60, ventricular=range(30, 60, 9), seed=seed)
    return folder


def test_a_row_a_model_and_a_figure_a_column(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bundled model and those of the seeds asked for; the page has the command that wrote it."""
    small_model(tmp_path / "one")
    page = tmp_path / "results.md"
    monkeypatch.setattr(seeds, "default_model", lambda: tmp_path / "one")
    monkeypatch.setattr(seeds, "fitted", lambda seed, data: tmp_path / "one")
    measure = seeds.measure
    monkeypatch.setattr(seeds, "measure", lambda models, data: measure(models, data, ("100", "103", "232")))
    monkeypatch.setattr(sys, "argv", ["seeds", "--data", str(data), "--seeds", "7", "--docs", str(page)])
    seeds.main()
    text = page.read_text(encoding="utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith(("| bundled", "| 7"))]
    assert len(rows) == 2
    assert rows[0][1:] == rows[1][1:]
    assert len(rows[0]) == 1 + len(seeds.COLUMNS)
    assert "python -m tests.benchmarks.seeds --data DATA --seeds 7" in text


def test_a_seed_is_fitted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a calibrated model is filled, another one is taken as it is."""
    done: list[tuple[str, int]] = []
    monkeypatch.setattr(seeds, "fit", lambda data, out, seed: done.append(("fit", seed)))
    monkeypatch.setattr(seeds, "calibrate", lambda data, model: small_model(model))
    assert seeds.fitted(3, tmp_path, tmp_path) == tmp_path / "3"
    assert seeds.fitted(3, tmp_path, tmp_path) == tmp_path / "3"
    assert done == [("fit", 3)]
