"""State over slots: taking, putting, growing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.ecg.slots import SlotState
from monitor.errors import StateError


@dataclass(slots=True, eq=False)
class Pair(SlotState):
    """Two arrays of different shape and type."""

    level: NDArray[np.float32]  # (slots, 2)
    count: NDArray[np.int64]  # (slots,)


def pair(capacity: int = 3, first: int = 0) -> Pair:
    """State whose values tell their slot."""
    slot = np.arange(first, first + capacity)
    return Pair(np.stack([slot, -slot], axis=1).astype(np.float32), slot.astype(np.int64))


def test_what_is_taken_can_be_put_elsewhere() -> None:
    """A slot's values move to another slot, and the others stay."""
    state = pair()
    state.put(0, state.take(2))
    assert state.count.tolist() == [2, 1, 2]
    assert state.level.tolist() == [[2, -2], [1, -1], [2, -2]]


def test_what_is_taken_is_a_copy() -> None:
    """Later changes don't reach a snapshot."""
    state = pair()
    taken = state.take(1)
    state.level[1] = 99
    assert taken["level"].tolist() == [1, -1]


@pytest.mark.parametrize(
    "change",
    [
        {"level": np.zeros(3, np.float32)},
        {"level": np.zeros(2, np.float64)},
        {"count": np.zeros(1, np.int64)},
        {"more": np.zeros(1)},
    ],
)
def test_what_does_not_fit_is_refused_whole(change: dict[str, NDArray[Any]]) -> None:
    """A wrong shape, type or field leaves the slot as it was."""
    state = pair()
    with pytest.raises(StateError, match="snapshot"):
        state.put(0, {**state.take(2), **change})
    assert state.count.tolist() == [0, 1, 2]
    assert state.level[0].tolist() == [0, 0]


def test_a_missing_field_is_refused() -> None:
    """All fields have to be there."""
    with pytest.raises(StateError, match="wanted"):
        pair().put(0, {"count": np.array(1)})


def test_slots_are_appended() -> None:
    """Growing keeps what is there and adds fresh slots after it."""
    state = pair(2)
    state.extend(pair(3, first=7))
    assert state.capacity == 5
    assert state.count.tolist() == [0, 1, 7, 8, 9]


def test_a_fresh_slot_resets() -> None:
    """Copying from another state's slot overwrites all of one slot."""
    state = pair()
    state.copy_from(pair(1, first=5), 0, 1)
    assert state.count.tolist() == [0, 5, 2]
    assert state.level[1].tolist() == [5, -5]
