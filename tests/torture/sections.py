"""The sections of `make torture`, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable

from monitor.formats.figures import Figure
from tests.torture import broker, crash, flat, freeze, ids, mixed, poison
from tests.torture.ground import Ground

Section = Callable[[Ground], list[Figure]]
SECTIONS: dict[str, Section] = {
    each.NAME: each.run for each in (crash, freeze, broker, poison, ids, flat, mixed)
}
NOT_IN_SHORT = {mixed.NAME}  # it needs the history, and CI's minutes are few; by name it runs


def missed(one: Figure) -> bool:
    """Whether it is beyond its target; what could not be measured is, too: an answer that never came."""
    return one.target is not None and one.met is not True
