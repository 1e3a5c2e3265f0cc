"""Sections of a Markdown page that commands write."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.formats.figures import Figure
from training.errors import DataError
from training.measure.protocol import Result
from training.measure.tables import RECORD, Table
from training.report.markdown import markdown_table, render_section, replace_section, write_section

_REPORT = {
    "protocol": "guess",
    "summary": "three records; a second",
    "elapsed_s": 1.4,
    "model": {"name": "small", "version": "abc"},
}
_RESULT = Result(
    figures=[
        Figure(name="average_precision", group="V", value=0.5, target=0.4, met=True),
        Figure(name="false_beats_per_hour", value=20.0, target=15.0, better="lower", met=False),
        Figure(name="f1", value=0.7),
    ],
    tables=[
        Table("Ranking", ("group", "AUROC"), [("V", "0.99")]),
        Table("By record", (RECORD, "AUROC"), [("100", "0.98")]),
        Table("Nothing", ("group",), []),
    ],
)
_COMMAND = "ecg-train evaluate --protocol guess"


def test_section_names_command_model_time_and_targets() -> None:
    """A reader sees what printed the figures, of which model, how long it took, and what was wanted."""
    text = render_section(_REPORT, _RESULT, _COMMAND)
    assert text.startswith("## `guess`\n\n```sh\n" + _COMMAND)
    assert "Three records; a second. This run took 1 s. Model `small`, version `abc`." in text
    assert "| average precision | V | 0.500 | ≥ 0.4 | met |" in text
    assert "| false beats per hour | all | 20.0 | ≤ 15 | not met |" in text
    assert "f1" not in text
    assert "Nothing" not in text


def test_records_are_folded() -> None:
    """A row a record is too long to read past; other tables are open."""
    text = render_section(_REPORT, _RESULT, _COMMAND)
    assert "**Ranking**" in text
    assert "<summary>By record</summary>\n\n| record | AUROC |" in text


def test_bars_do_not_end_a_cell() -> None:
    """A record's name is the database's business."""
    assert markdown_table(Table("t", ("a",), [("x|y",)])).endswith("| x\\|y |")


def test_only_the_section_is_replaced() -> None:
    """What stands before and after it stays, as do other protocols' sections."""
    page = (
        "# Results\n\n<!-- a: begin -->\nold\n<!-- a: end -->\n\n<!-- b: begin -->\nkept\n<!-- b: end -->\n"
    )
    new = replace_section(page, "a", "new\n")
    assert new == page.replace("old", "new")
    assert replace_section(new, "a", "new") == new


def test_a_new_section_is_appended() -> None:
    """A protocol that the page lacks comes last, also on an empty page."""
    assert replace_section("# Results\n", "a", "x") == "# Results\n\n<!-- a: begin -->\nx\n<!-- a: end -->\n"
    assert replace_section("", "a", "x").startswith("<!-- a: begin -->")


@pytest.mark.parametrize(
    "page", ["<!-- a: begin -->", "<!-- a: end -->", "<!-- a: end --> <!-- a: begin -->"]
)
def test_marks_that_do_not_pair_are_told(page: str, tmp_path: Path) -> None:
    """Nothing is guessed about where the section ends, and nothing is written."""
    path = tmp_path / "results.md"
    path.write_text(page.replace("a:", "guess:"), encoding="utf-8")
    with pytest.raises(DataError, match=r"results.md: wanted one"):
        write_section(path, _REPORT, _RESULT, _COMMAND)
    assert path.read_text(encoding="utf-8") == page.replace("a:", "guess:")
