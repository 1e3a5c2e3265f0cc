"""Slots shared by streams with equally many leads."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.detect.interface import Tuning
from monitor.detect.lead_groups import FIRST_CAPACITY, LeadGroup
from monitor.errors import StateError
from tests.support.models import small_model


def group(leads: int = 2) -> LeadGroup:
    """A group without streams."""
    return LeadGroup(small_model(), leads)


def test_slots_are_handed_out_once() -> None:
    """More streams than slots make room for more, and none is shared."""
    some = group()
    slots = [some.open() for _ in range(2 * FIRST_CAPACITY + 1)]
    assert len(set(slots)) == len(slots)
    assert some.learning() == len(slots)
    assert some.episodes.capacity == some.path.windows.capacity >= len(slots)


def test_a_slot_that_was_given_back_is_fresh() -> None:
    """Nothing of the stream before is left in it."""
    some = group()
    fresh = some.take(some.open())
    slot = some.open()
    some.path.usual.ready[slot], some.path.windows.n[slot] = True, 99
    some.episodes.run_open[slot] = True
    assert (some.learning(), some.open_episodes()) == (1, 1)
    some.close(slot)
    assert (some.learning(), some.open_episodes()) == (1, 0)
    reused = {some.open() for _ in range(FIRST_CAPACITY - 1)}
    assert slot in reused
    for part, fields in some.take(slot).items():
        for name, array in fields.items():
            assert np.array_equal(array, fresh[part][name])


def test_slots_that_move_keep_what_they_hold() -> None:
    """With their budget; the others' memory is given back once a quarter is used."""
    some = group()
    slots = [some.open() for _ in range(FIRST_CAPACITY + 2)]
    last, budget = slots[-1], Tuning(budget_per_hour=1.0)
    some.path.windows.n[last] = 99
    some.tune(last, budget)
    assert some.shrink() == {}
    for slot in slots[:-1]:
        some.close(slot)
    assert some.shrink() == {last: 0}
    assert (some.path.windows.n[0], some.episodes.capacity, some.path.windows.capacity) == (99, 16, 16)
    assert (list(some._own), some.shrink()) == ([0], {})
    assert len({some.open() for _ in range(FIRST_CAPACITY)} | {0}) == FIRST_CAPACITY + 1


def test_what_is_taken_can_be_put_into_another_group() -> None:
    """All parts of a slot's state move together."""
    first, second = group(), group()
    slot = first.open()
    first.path.filters.n_in[slot] = 5
    first.episodes.last_r[slot] = 7
    second.open()
    other = second.open()
    second.put(other, first.take(slot))
    assert second.path.filters.n_in[other] == 5
    assert second.episodes.last_r[other] == 7


def test_other_parts_or_leads_are_refused() -> None:
    """A snapshot of another number of leads, or with a part more or less, does not fit."""
    some = group()
    slot = some.open()
    state = some.take(slot)
    with pytest.raises(StateError, match="parts"):
        some.put(slot, {name: fields for name, fields in state.items() if name != "qrs"})
    with pytest.raises(StateError, match="snapshot field"):
        some.put(slot, group(3).take(0))
