"""What was written against what an undisturbed run would have written, as multisets of id and verdict."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from monitor.formats.beats import ScoredWindows
from monitor.formats.figures import Figure, figure

Verdict = tuple[Any, Hashable]  # what is judged, which is hashable, and all that is said of it


@dataclass(frozen=True, slots=True)
class Differences:
    """How many verdicts differ, and how. Each one counts once."""

    wanted: int
    missing: int  # an undisturbed run would have written it
    extra: int  # of something that an undisturbed run would not have judged
    twice: int  # more often than an undisturbed run would have
    different: int  # another verdict on the same
    examples: list[str] = field(default_factory=list)

    def figures(self, what: str, group: str) -> list[Figure]:
        """As figures that all want 0; nothing to compare is no proof, so the number wants 1."""
        names = ("missing", "extra", "twice", "different")
        return [
            figure(what, self.wanted, group, target=1),
            *(
                figure(f"{what}_{name}", getattr(self, name), group, target=0, better="lower")
                for name in names
            ),
        ]


def compare(wanted: Iterable[Verdict], got: Iterable[Verdict]) -> Differences:
    """Both as multisets: order is of no account, number is."""
    ours, theirs = _by_id(wanted), _by_id(got)
    totals = Counter[str]()
    examples: list[str] = []
    for name in ours.keys() | theirs.keys():
        found = _of_one(ours.get(name, Counter()), theirs.get(name, Counter()))
        totals.update(found)
        if found.total() and len(examples) < 20:
            examples.append(f"{name}: {', '.join(f'{count} {what}' for what, count in found.items())}")
    return Differences(
        wanted=sum(each.total() for each in ours.values()),
        **{what: totals[what] for what in ("missing", "extra", "twice", "different")},
        examples=examples,
    )


def _by_id(verdicts: Iterable[Verdict]) -> dict[Hashable, Counter[Hashable]]:
    found: dict[Hashable, Counter[Hashable]] = defaultdict(Counter)
    for name, said in verdicts:
        found[name][said] += 1
    return found


def _of_one(ours: Counter[Hashable], theirs: Counter[Hashable]) -> Counter[str]:
    wanted, got = ours.total(), theirs.total()
    if not wanted:
        return Counter(extra=got)
    different = min(wanted, got) - (ours & theirs).total()
    counts = Counter(missing=max(0, wanted - got), twice=max(0, got - wanted), different=different)
    return +counts


def event_verdicts(values: Iterable[bytes]) -> Iterator[Verdict]:
    """Of records of `ecg.events`: the event's id, and the whole record."""
    for value in values:
        yield msgspec.json.decode(value)["id"], value


def beat_verdicts(tables: Iterable[ScoredWindows]) -> Iterator[Verdict]:
    """A row each: the window's stream, session, sample and form, and all other columns to the bit."""
    for table in tables:
        columns = {name: _cells(getattr(table, name)) for name in table.__slots__}
        names = ("stream", "session", "sample")
        rest = [columns[name] for name in columns if name not in names]
        forms = ["fixed" if kind == "fixed" else "beat" for kind in table.kind]
        ids = zip(*(columns[name] for name in names), forms, strict=True)
        yield from zip(ids, zip(*rest, strict=True), strict=True)


def _cells(column: Any) -> list[Hashable]:
    # Bytes, not numbers: NaN is no number that equals itself.
    return [cell.tobytes() for cell in column] if isinstance(column, np.ndarray) else list(column)
