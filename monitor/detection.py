"""What the worker asks of a detector: batches of chunks in, findings out, state by stream; no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.events import Event, ScoredWindows
from monitor.messages import Chunk


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
    """The signal path in one piece, for many streams; what it says depends on the chunks alone."""

    model_name: str
    model_version: str

    def process(self, chunks: Sequence[Chunk]) -> Detection:
        """Findings of chunks of many streams in arrival order; several of one stream are allowed."""
        ...

    def snapshot(self, stream: str) -> bytes:
        """All that is known of a stream, held chunks included, with schema and model version."""
        ...

    def restore(self, stream: str, state: bytes) -> None:
        """Take over a snapshot; raises StateError if it does not fit, leaving the stream unknown."""
        ...

    def forget(self, stream: str) -> None:
        """Drop a stream; unknown ones are ignored."""
        ...

    def streams(self) -> list[str]:
        """Ids of the streams that hold state."""
        ...

    def learning(self) -> int:
        """Number of streams that do not yet know their usual beat."""
        ...

    def open_episodes(self) -> int:
        """Number of episodes that have begun and not ended."""
        ...
