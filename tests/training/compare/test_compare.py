"""Kinds of encoder-decoder beside each other, on made-up beats."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.beat_windows import SPEC, made_up_beats
from tests.support.databases import write_ecg5000, write_record
from tests.support.invocation import invoke
from tests.support.moved import Moved
from training.cli import app
from training.compare import data as kind_data
from training.compare.baselines import fit_early
from training.compare.chart import draw_kinds
from training.compare.compare import COLUMNS, kind_figures, kind_table
from training.compare.contenders import CONTENDERS, contenders_of
from training.compare.data import QUICK, Budget, KindData
from training.compare.trial import Trial, reconstruction, train_kind, try_kind, work
from training.data.records import DS1, DS2
from training.fit.loop import FitSettings
from training.progress import no_advance

BUDGET = Budget(epochs=6, splits=2, split_epochs=2)


@pytest.fixture(scope="module")
def data() -> KindData:
    """Beats with wide ones among the test patients', and ECG5000's form of a few rows."""
    train = [made_up_beats(400, seed=seed) for seed in range(3)]
    held_out = [made_up_beats(400, seed=4)]
    rng = np.random.default_rng(0)
    bump = np.exp(-(((np.arange(140) - 60) / 10) ** 2))

    def beats(n: int, sign: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        return (sign * bump + rng.normal(0, 0.05, (n, 140))).astype(np.float32)

    return KindData(
        spec=SPEC,
        train=train,
        held_out=held_out,
        test=[made_up_beats(200, strange=range(50, 60), seed=5), made_up_beats(200, strange=[7], seed=6)],
        early=fit_early([*train, *held_out]),
        splits=[(beats(200, 1), beats(30, 1)), (beats(200, 1), beats(30, 1))],
        anomalous=beats(30, -1),
    )


def _trials(data: KindData, *names: str) -> list[Trial]:
    kinds = [each for each in CONTENDERS if each.name in names]
    return [try_kind(each, data, BUDGET, None, no_advance) for each in kinds]


def test_a_trained_kind_tells_the_wide_beats(data: KindData) -> None:
    """Dense layers and principal components rank them first on both sets, and what they cost is known."""
    for trial in _trials(data, "dense", "pca"):
        values = {(each.name, each.group): each.value for each in kind_figures([trial])}
        assert values["auroc", f"{trial.kind}/V/detected/without-232"] == pytest.approx(1.0, abs=0.01)
        assert values["auroc", f"{trial.kind}/all/ecg5000"] == 1.0
        assert values["windows_per_second", trial.kind] == trial.windows_per_s > 0
        assert trial.train_s > 0
        # Four bytes a weight, and a head that names them.
        assert 4 * trial.parameters < trial.artifact_bytes
        assert len(trial.splits) == BUDGET.splits


def test_the_bar_is_full_at_the_end(data: KindData) -> None:
    """A closed form that needs one epoch moves the bar as far as its kind's whole work."""
    moved = Moved()
    try_kind(contenders_of(["pca"])[1], data, BUDGET, None, moved)
    assert sum(moved.amounts) == work(BUDGET)


def test_what_latent_vectors_keep() -> None:
    """Windows of twelve shapes come back from twelve components, but for the 16 bits a number."""
    rng = np.random.default_rng(0)
    windows = (rng.normal(size=(500, 12)) @ rng.normal(size=(12, 104))).astype(np.float32)
    net, _ = train_kind(contenders_of(["pca"])[1], windows, windows, FitSettings(epochs=1), None)
    error_uv, ratio, prd = reconstruction(net, windows)
    assert error_uv < 1e-3 * 1000 * windows.std()
    assert ratio == pytest.approx(104 / 12)
    assert 0 < prd < 0.1


def test_a_predictor_keeps_nothing(data: KindData) -> None:
    """Its first part would have to be stored: there is no ratio, and the error is that of what it tells."""
    windows = data.normals(data.test)
    net, _ = train_kind(contenders_of(["predictor"])[1], windows, windows, FitSettings(epochs=1), None)
    error_uv, ratio, prd = reconstruction(net, windows)
    assert np.isnan(ratio)
    assert np.isnan(prd)
    known = np.array(windows)
    known[:, : 104 - 25] += 1  # of what is only read
    assert error_uv > 0
    assert reconstruction(net, known)[0] != error_uv


def test_table_and_chart_have_a_row_a_kind(data: KindData) -> None:
    """The gain over the default has its interval, and the default none; the chart grows with the kinds."""
    trials = _trials(data, "lstm", "pca")
    figures = kind_figures(trials)
    table = kind_table(figures)
    assert [row[0] for row in table.rows] == ["lstm", "pca"]
    gain = table.columns.index("AP over lstm")
    assert table.rows[0][gain] == "–"
    assert "(" in table.rows[1][gain]
    assert all(len(row) == len(table.columns) == 1 + len(COLUMNS) for row in table.rows)
    with (
        Image.open(BytesIO(draw_kinds(figures))) as both,
        Image.open(BytesIO(draw_kinds(figures[:9]))) as one,
    ):
        assert both.format == "PNG"
        assert both.height > one.height


def test_nobody_is_judged_who_was_learned_from() -> None:
    """Test patients are of DS2, those to learn from of DS1, in the short form, too."""
    for budget in (Budget(), QUICK):
        assert set(budget.train) <= set(DS1) - {"201"}
        assert set(budget.test) <= set(DS2) - {"232"}


def test_command_writes_table_chart_and_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--quick` with one kind: a section that is replaced when run again, the chart, and the figures."""
    short = Budget(
        train=("101", "106", "108", "109"), test=("100", "105"), epochs=1, splits=1, split_epochs=1
    )
    monkeypatch.setattr(kind_data, "QUICK", short)
    for seed, name in enumerate((*short.train, *short.test)):
        write_record(tmp_path / "mitdb", name, 320.0, ventricular=(20, 50), seed=seed)
    write_ecg5000(tmp_path, 200, 20)
    page, chart, found = tmp_path / "page.md", tmp_path / "new" / "kinds.png", tmp_path / "found.json"
    words = ("compare", "--data", tmp_path, "--quick", "--kind", "pca")
    for _ in range(2):
        printed = invoke(app, *words, "--docs", page, "--figure", chart, "--json", found)
    assert "The kinds beside each other" in printed
    text = page.read_text(encoding="utf-8")
    assert text.count("<!-- compare: begin -->") == 1
    assert "ecg-train compare --data DATA --kind pca --quick --docs" in text
    report = json.loads(found.read_text(encoding="utf-8"))
    assert {"lstm", "pca"} == {figure["group"].split("/")[0] for figure in report["figures"]}
    assert report["budget"]["test"] == list(short.test)
    with Image.open(chart) as picture:
        assert picture.format == "PNG"


def test_unknown_kind_is_the_caller_s_mistake(tmp_path: Path) -> None:
    """The command names the kinds that there are."""
    with pytest.raises(AssertionError, match="wanted some of"):
        invoke(app, "compare", "--data", tmp_path, "--kind", "gan")
