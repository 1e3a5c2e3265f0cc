"""What an evaluation found as a section of a Markdown page, between marks, so that it is replaced whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.errors import DataError
from training.measure.protocol import Result
from training.measure.tables import RECORD, Table, targets_table


def write_section(path: Path, report: dict[str, Any], result: Result, command: str) -> None:
    """Replace the protocol's section of a page, or append it; the page is begun if there is none.

    report, result: as `training.protocols.registry.evaluate` gives them; command: what printed them. Raises
    DataError where a section's marks don't pair.
    """
    page = path.read_text(encoding="utf-8") if path.is_file() else ""
    name = str(report["protocol"])
    try:
        page = replace_section(page, name, render_section(report, result, command))
    except ValueError as exc:
        raise DataError(f"{path}: {exc}") from exc
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def replace_section(page: str, name: str, body: str) -> str:
    """The page with `body` between the marks of this name, at its end if it has none of them.

    Raises ValueError for a mark without the other one, or marks in the wrong order.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    section = f"{begin}\n{body.strip()}\n{end}"
    if begin not in page and end not in page:
        return f"{page.rstrip()}\n\n{section}\n".lstrip()
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"wanted one {begin} with {end} after it")
    return before + section + after


def render_section(report: dict[str, Any], result: Result, command: str) -> str:
    """Heading, command, model, time, targets and tables; a table of records is folded."""
    parts = [f"## `{report['protocol']}`", f"```sh\n{command}\n```", circumstances(report)]
    targets = targets_table(result.figures)
    parts += [_titled(table) for table in (targets, *result.tables) if table.rows]
    return "\n\n".join(parts)


def markdown_table(table: Table) -> str:
    """A table's heads and rows."""
    lines = [table.columns, tuple("---" for _ in table.columns), *table.rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)


def circumstances(report: dict[str, Any]) -> str:
    """What was measured, how long it took, and of which model, in a line of Markdown."""
    model = report["model"]
    by = "" if model is None else f" Model `{model['name']}`, version `{model['version']}`."
    summary = str(report["summary"])
    return f"{summary[:1].upper()}{summary[1:]}. This run took {report['elapsed_s']:.0f} s.{by}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")  # a bar would end the cell


def _titled(table: Table) -> str:
    text = markdown_table(table)
    if table.columns[0] != RECORD:
        return f"**{table.title}**\n\n{text}"
    return f"<details>\n<summary>{table.title}</summary>\n\n{text}\n\n</details>"
