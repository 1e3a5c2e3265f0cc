"""How much the page holds, all in one place; docs/bedside.md reckons with it.

Whoever may write to a topic may write anything: each record that is held is bounded in bytes, and so is
their sum.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec

# Of signal, windows and frames the operator says how much (`Limits`); of the rest this is enough for a ward.
EVENT_BYTES = 64 << 20
EVENTS_OF_STREAM = 2000
REVIEW_BYTES = 48 << 20
REVIEWS_OF_STREAM = 5000
REVIEWS_OF_EVENT = 100
PROFILE_BYTES = 16 << 20
FRAME_BYTES = 1 << 17  # of a stream's last seconds; they are the more the shorter its chunks are
FRAME_S = 60.0  # of signal in one frame: a tile shows ten
INDEX_BYTES = 600  # of dictionaries and lists for what is found by its id, its stream and its event

# Of an event's text, characters; what the worker writes is shorter by far.
MAX_ID = 64
MAX_NAME = 200  # stream and session, as in `ecg.signal`
MAX_WHY = 500
MAX_MODEL = 100
MAX_PART = 40
MAX_LEAD, MAX_LEADS = 40, 12


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be held of streams, whatever is sent."""

    history_s: float  # of signal of a stream
    memory_bytes: int  # of signal, windows and frames in all
    max_streams: int
    forget_after_s: float  # without a record


def weigh(value: Any) -> int:
    """Bytes of memory that a value takes with all that is in it, about."""
    if value is None or isinstance(value, bool | Enum):
        return 0  # there once
    inside: list[Any] = []
    if isinstance(value, msgspec.Struct):
        inside = [getattr(value, name) for name in value.__struct_fields__]
    elif isinstance(value, list | tuple):
        inside = list(value)
    return sys.getsizeof(value) + sum(map(weigh, inside))
