"""How the commands that measure show what they found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich import table as rich_table
from rich.console import Console

from training.measure.tables import Table

_WIDE = 200


def show(table: Table) -> None:
    """Print a table that has rows."""
    if not table.rows:
        return
    drawn = rich_table.Table(*table.columns, title=table.title)
    for row in table.rows:
        drawn.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console.width = _WIDE  # a file has no edge at which a table must be squeezed
    console.print(drawn)


def write_json(path: Path, report: dict[str, Any]) -> None:
    """Write a report for programs; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
