"""Anomalies of a recording, found by the daemon's own detector without Kafka."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from monitor.detect.interface import Detection
from monitor.formats.beats import ScoredWindows
from monitor.formats.chunks import Chunk
from monitor.formats.events import Event
from monitor.recordings.recording import Recording, chunks

CHUNK_S = 10.0  # any length gives the same events; short ones only cost calls


class OfflineDetector(Protocol):
    """A detector that can be told that a recording is over."""

    def process(self, chunks: Sequence[Chunk]) -> Detection:
        """Findings of these chunks."""
        ...

    def finish(self, stream: str) -> Detection:
        """Findings of what was still waiting for samples to come."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ScanResult:
    """Everything that was found in one recording."""

    recording: Recording
    events: list[Event]  # in time order
    windows: ScoredWindows  # in time order
    counts: Counter[str]
    elapsed_s: float


def scan(
    recording: Recording,
    detector: OfflineDetector,
    *,
    chunk_s: float = CHUNK_S,
    progress: Callable[[int], object] | None = None,
) -> ScanResult:
    """Run the whole recording through the detector; `progress` is told the samples of each chunk."""
    begun = time.monotonic()
    detections = []
    for chunk in chunks(recording, chunk_s, stream=recording.name, start_us=recording.start_us or 0):
        detections.append(detector.process([chunk]))
        if progress is not None:
            progress(len(chunk))
    detections.append(detector.finish(recording.name))
    counts: Counter[str] = Counter()
    for detection in detections:
        counts.update(detection.counts)
    events = sorted((event for part in detections for event in part.events), key=_place)
    windows = ScoredWindows.joined([part.windows for part in detections]).in_time_order()
    return ScanResult(recording, events, windows, counts, time.monotonic() - begun)


def _place(event: Event) -> tuple[int, int]:
    return event.r_peak_sample, event.last_sample
