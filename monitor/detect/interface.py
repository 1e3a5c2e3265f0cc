"""What the worker asks of a detector: batches of chunks in, findings out, state by stream; no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.formats.beats import ScoredWindows
from monitor.formats.chunks import Chunk
from monitor.formats.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What a person has set for a stream, as far as it concerns what is found and said of it."""

    budget_per_hour: float | None = None  # of false alarms; None: the model's
    paced: bool = False  # events say so
    muted: bool = False  # events say so; none is left out
    lead_names: tuple[str, ...] | None = None  # in events, where the stream has as many leads

    def names(self, leads: tuple[str, ...]) -> tuple[str, ...]:
        """What a stream's leads are called in events."""
        return self.lead_names if self.lead_names and len(self.lead_names) == len(leads) else leads


PLAIN = Tuning()  # nothing is set
Source = tuple[str, int]  # a stream as one partition has it: what another has of it changes nothing


@dataclass(frozen=True, slots=True)
class Rejected:
    """A chunk that the detector refused; the worker dead-letters its record."""

    index: int  # in the batch
    reason: str  # "out_of_order", ...: a metric label and a header
    message: str


@dataclass(slots=True, eq=False)
class Detection:
    """What one batch of chunks gave."""

    events: list[Event]
    windows: ScoredWindows
    rejected: list[Rejected]
    event_chunk: NDArray[np.int64]  # (n_events,) index in the batch of the chunk that decided each event
    window_chunk: NDArray[np.int64]  # (n_windows,) the same for each window
    # "samples", "gaps", "duplicates", "reordered", "beats", "windows_beat", "windows_fixed", "quality_<name>"
    counts: Counter[str] = field(default_factory=Counter)
    stage_seconds: dict[str, float] = field(default_factory=dict)  # "filter", "detect", "score", "decide"


class StreamDetector(Protocol):
    """The signal path in one piece, for many streams; what it says depends on chunks and tuning alone.

    A stream that comes from two partitions is two: what is said of a partition depends on it alone.
    """

    model_name: str
    model_version: str

    def process(self, chunks: Sequence[Chunk], partitions: Sequence[int] = ()) -> Detection:
        """Findings of chunks of many streams in arrival order; several of one stream are allowed.

        partitions: that each chunk comes from; none: all from partition 0.
        """
        ...

    def self_test(self) -> None:
        """Judge made-up signal apart from all streams; raises whatever is wrong with the detector itself."""
        ...

    def tune(self, stream: str, tuning: Tuning, partition: int = 0) -> None:
        """What holds for a stream's chunks from now on, its next session's too, until it is forgotten."""
        ...

    def snapshot(self, stream: str, partition: int = 0) -> bytes:
        """All that is known of a stream but its tuning, held chunks included, with the model's version."""
        ...

    def restore(self, stream: str, state: bytes, partition: int = 0) -> None:
        """Take over a snapshot; raises StateError if it does not fit, leaving the stream unknown."""
        ...

    def forget(self, stream: str, partition: int = 0) -> None:
        """Drop a stream; unknown ones are ignored."""
        ...

    def streams(self) -> list[str]:
        """Ids of the streams that hold state."""
        ...

    def holds(self, stream: str, partition: int = 0) -> bool:
        """True if there is state of the stream."""
        ...

    def learning(self) -> int:
        """Number of streams that do not yet know their usual beat."""
        ...

    def rate_drift(self) -> float:
        """Largest share by which a stream's last chunk gives another sampling rate than its first."""
        ...

    def open_episodes(self) -> int:
        """Number of episodes that have begun and not ended."""
        ...
