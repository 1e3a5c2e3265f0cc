"""Figures as tables of text: for the terminal and for a model's card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.formats.figures import Figure

# Sick sinus syndrome, with 1,382 of DS2's 1,837 S beats: there they are the regular rhythm.
ODD_ONE = "232"
RECORD = "record"  # heads the first column of a table with a row a record
DETECTED, WITHOUT = "/detected", f"/without-{ODD_ONE}"  # what a group's name says of its form
_FORMS = {
    "": "annotated",
    WITHOUT: f"− {ODD_ONE}",
    DETECTED: "detected",
    DETECTED + WITHOUT: f"detected − {ODD_ONE}",
}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows to print, ready as text; the first column is a name."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def shown(figure: Figure) -> str:
    """A figure's value with its interval, as text; – where there was nothing to measure."""
    if figure.value is None:
        return "–"
    text = _number(figure.value)
    if figure.low is not None and figure.high is not None:
        text += f" ({_number(figure.low)}–{_number(figure.high)})"
    return text


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def target_shown(figure: Figure) -> str:
    """A figure's target and whether it is met, as text; no verdict where there was nothing to measure."""
    if figure.target is None:
        return ""
    return _wanted(figure) + {True: " ✓", False: " ✗", None: ""}[figure.met]


def _wanted(figure: Figure) -> str:
    return f"{'≥' if figure.better == 'higher' else '≤'} {figure.target:g}"


def figure_table(title: str, figures: Sequence[Figure]) -> Table:
    """A row a figure, with its target."""
    rows = [(each.name.replace("_", " "), each.group, shown(each), target_shown(each)) for each in figures]
    return Table(title, ("measure", "group", "value", "target"), rows)


def targets_table(figures: Sequence[Figure]) -> Table:
    """Every figure that has a target: what was wanted, what was got, and whether that is enough."""
    rows = [
        (
            each.name.replace("_", " "),
            each.group,
            shown(each),
            _wanted(each),
            "met" if each.met else "not met",
        )
        for each in figures
        if each.target is not None
    ]
    return Table("Targets", ("measure", "group", "value", "target", "verdict"), rows)


def by_form(title: str, figures: Sequence[Figure]) -> Table:
    """A row a measure and class; a column each for annotated and detected beats, with and without 232."""
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for each in figures:
        group, slash, suffix = each.group.partition("/")
        row = cells.setdefault((each.name.replace("_", " "), group), {})
        row[slash + suffix] = f"{shown(each)} {target_shown(each)}".rstrip()
    used = [form for form in _FORMS if any(form in row for row in cells.values())]
    rows = [(name, group, *(row.get(form, "") for form in used)) for (name, group), row in cells.items()]
    return Table(title, ("measure", "group", *(_FORMS[form] for form in used)), rows)
