"""State of many streams as arrays over a slot axis, so that a batch is one array operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from monitor.errors import StateError


@dataclass(slots=True, eq=False)
class SlotState:
    """Base of dataclasses whose every field is an array with the stream slot as first axis.

    A subclass gives `create(capacity, ...)`, which returns fresh state in every slot; the other
    operations need nothing but the arrays.
    """

    @property
    def capacity(self) -> int:
        """Number of slots."""
        return len(next(iter(self.arrays().values())))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by field name, shared, not copied."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def take(self, slot: int) -> dict[str, NDArray[Any]]:
        """A copy of one slot's values, ready for a snapshot."""
        return {name: np.array(array[slot]) for name, array in self.arrays().items()}

    def put(self, slot: int, values: Mapping[str, NDArray[Any]]) -> None:
        """Write one slot's values back; raises StateError if they are not what `take` gives here."""
        own = self.arrays()
        if set(own) != set(values):
            raise StateError(f"snapshot has fields {sorted(values)}, wanted {sorted(own)}")
        for name, array in own.items():
            if values[name].shape != array.shape[1:] or values[name].dtype != array.dtype:
                got, want = (values[name].shape, values[name].dtype), (array.shape[1:], array.dtype)
                raise StateError(f"snapshot field {name} is {got}, wanted {want}")
        for name, array in own.items():
            array[slot] = values[name]

    def copy_from(self, other: Self, source: int, slot: int) -> None:
        """Overwrite `slot` with another state's slot `source`; a fresh one resets it."""
        theirs = other.arrays()
        for name, array in self.arrays().items():
            array[slot] = theirs[name][source]

    def extend(self, more: Self) -> None:
        """Append the slots of `more`, which has the same shapes."""
        theirs = more.arrays()
        for name, array in self.arrays().items():
            setattr(self, name, np.concatenate([array, theirs[name]]))

    def keep(self, capacity: int) -> None:
        """Drop all slots from this one on, and give their memory back."""
        for name, array in self.arrays().items():
            setattr(self, name, array[:capacity].copy())
