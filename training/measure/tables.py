"""Figures as tables of text: for the terminal and for a model's card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

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


class Named(Protocol):
    """What belongs to one record."""

    @property
    def name(self) -> str:
        """The record's."""
        ...


Some = TypeVar("Some", bound=Named)


def without_odd_one(records: Iterable[Some]) -> list[Some]:
    """What belongs to any other record."""
    return [each for each in records if each.name != ODD_ONE]


def with_and_without(records: Sequence[Some]) -> dict[str, list[Some]]:
    """All, under "", and those without the odd one under WITHOUT, if that is another choice of some."""
    kept = without_odd_one(records)
    return {"": list(records)} | ({WITHOUT: kept} if 0 < len(kept) < len(records) else {})


def by_key(figures: Iterable[Figure]) -> dict[tuple[str, str], Figure]:
    """Figures by name and group."""
    return {(figure.name, figure.group): figure for figure in figures}


def pivot(
    title: str,
    figures: Sequence[Figure],
    rows: Mapping[str, str],
    columns: Mapping[str, str],
    *,
    head: str = "group",
    target: tuple[str, str] | None = None,
) -> Table:
    """A row a group, a column a measure; what is not among the figures is left blank.

    rows, columns: what to call each group and each measure. target: the measure whose target has a column
    of its own, and what to call that; otherwise targets stand beside the values.
    """
    found, lines = by_key(figures), []
    cell = full if target is None else shown
    for group, text in rows.items():
        cells = [cell(found.get((name, group))) for name in columns]
        if target is not None:
            cells.append(target_shown(found.get((target[0], group))))
        lines.append((text, *cells))
    last = () if target is None else (target[1],)
    return Table(title, (head, *columns.values(), *last), lines)


def full(figure: Figure | None) -> str:
    """A figure's value, interval and target as text; blank for none."""
    return f"{shown(figure)} {target_shown(figure)}".rstrip()


def shown(figure: Figure | None) -> str:
    """A figure's value with its interval, as text; – where there was nothing to measure, blank for none."""
    if figure is None:
        return ""
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


def target_shown(figure: Figure | None) -> str:
    """A figure's target and whether it is met, as text; no verdict where there was nothing to measure."""
    if figure is None or figure.target is None:
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
        row[slash + suffix] = full(each)
    used = [form for form in _FORMS if any(form in row for row in cells.values())]
    rows = [(name, group, *(row.get(form, "") for form in used)) for (name, group), row in cells.items()]
    return Table(title, ("measure", "group", *(_FORMS[form] for form in used)), rows)
