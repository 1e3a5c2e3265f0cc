"""The page of an evaluation."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.formats.figures import Figure
from tests.support.databases import write_record
from tests.support.models import small_model
from training.errors import DataError
from training.measure.measures import PatientScores
from training.measure.protocol import Result
from training.measure.tables import RECORD, Table
from training.report.charts import worst_records
from training.report.page import write_page

_REPORT: dict[str, Any] = {
    "protocol": "guess",
    "summary": "two records",
    "elapsed_s": 1.0,
    "model": {"name": "small <1>", "version": "abc"},
}
_FIGURES = [
    Figure(name="auroc", group="V", value=0.9, target=0.8, met=True),
    Figure(name="f1", group="V", value=0.5, target=0.8, met=False),
]
_TABLES = [
    Table("Ranking", ("group", "AUROC"), [("V", "0.9 ≥ 0.8 ✓"), ("a<b", "0.1 ✗")]),
    Table("By record", (RECORD, "AUROC"), [("100", "0.9")]),
    Table("Nothing", ("group",), []),
]


def _patient(name: str, seed: int = 0) -> PatientScores:
    rng = np.random.default_rng(seed)
    label = np.array(["N"] * 20 + ["V"] * 5 + ["extra"])
    score = np.append(-1.0, rng.uniform(0, 10, 25))
    kind = np.where(score > 5, "beat.morphology", "beat")
    return PatientScores(name, 0.01, label, score, score > 5, np.linspace(1, 30, 26), kind)


class _Reader(HTMLParser):
    """Collects what a browser would fetch, and checks that tags pair."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two records, one of them the odd one."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("100", "232"):
        write_record(folder / "mitdb", name, 35)
    return folder


def _written(path: Path, result: Result, data: Path, **changes: Any) -> str:
    write_page(path, _REPORT | changes, result, "ecg-train evaluate", data, small_model())
    return path.read_text(encoding="utf-8")


def test_page_has_everything_and_needs_nothing(data: Path, tmp_path: Path) -> None:
    """Curves with and without 232, records, strips and tables, all in one file."""
    result = Result(figures=_FIGURES, tables=_TABLES, patients=[_patient("100"), _patient("232", 1)])
    text = _written(tmp_path / "new" / "page.html", result, data)
    reader = _Reader()
    reader.feed(text)
    assert reader.open == []
    assert all(source.startswith(("data:image/", "#")) for source in reader.sources)
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", text)
    assert headings == [
        "Targets",
        "Curves",
        "Curves without 232",
        "Records",
        "Over time",
        "Worst misses",
        "Worst false alarms",
        "Tables",
    ]
    pictures = [source for source in reader.sources if source.startswith("data:image/")]
    assert len(pictures) > 4 + 4
    assert '<td class="met">met</td>' in text
    assert '<td class="missed">not met</td>' in text
    assert '<span class="met">✓</span>' in text
    assert "a&lt;b" in text
    assert "small &lt;1&gt;" in text
    assert "<details><summary>By record</summary>" in text
    assert "Nothing" not in text


def test_page_of_tables_alone(tmp_path: Path) -> None:
    """A protocol that gives no patients, and one without targets, has its tables; no data are needed."""
    text = _written(tmp_path / "page.html", Result(figures=[], tables=_TABLES), tmp_path, model=None)
    assert re.findall(r"<h2[^>]*>(.*?)</h2>", text) == ["Targets", "Tables"]
    assert "None." in text


def test_scores_without_times_have_curves_but_no_strips(tmp_path: Path) -> None:
    """They are drawn as far as they are known, one record without a form that leaves it out."""
    bare = replace(_patient("232"), time_s=None, kind=None)
    text = _written(tmp_path / "page.html", Result(figures=[], tables=[], patients=[bare]), tmp_path)
    assert re.findall(r"<h2[^>]*>(.*?)</h2>", text) == ["Targets", "Curves", "Records", "Tables"]


def test_nothing_wrong_is_a_result(data: Path, tmp_path: Path) -> None:
    """A record without misses, false alarms or abnormal beats at all."""
    fine = replace(_patient("100"), label=np.full(26, "N"), flagged=np.zeros(26, np.bool_))
    text = _written(tmp_path / "page.html", Result(figures=[], tables=[], patients=[fine]), data)
    assert text.count("None.") == 3
    assert "Over time" not in text


def test_records_that_are_gone_are_told(data: Path, tmp_path: Path) -> None:
    """Strips can't be drawn without their signal."""
    result = Result(figures=[], tables=[], patients=[_patient("999")])
    with pytest.raises(DataError, match="no record 999"):
        _written(tmp_path / "page.html", result, data)


def test_the_worst_records_have_the_lowest_auroc() -> None:
    """Those without abnormal beats have none, and those without times can't be drawn."""
    fine, bad = _patient("a"), _patient("b")
    fine = replace(fine, score=np.where(fine.label == "V", 9.0, 1.0))
    bad = replace(bad, score=np.where(bad.label == "V", 1.0, 9.0))
    none = replace(_patient("c"), label=np.full(26, "N"))
    chosen = worst_records([fine, bad, none, replace(bad, name="d", time_s=None)])
    assert [each.name for each in chosen] == ["b", "a"]
