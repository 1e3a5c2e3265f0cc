"""Chunks of made-up ECG, fed to a detector in many ways, and what came out stream by stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.detect.detector import Detector
from monitor.detect.interface import Detection
from monitor.formats.chunks import Chunk
from monitor.formats.events import Event

Outcome = dict[str, tuple[list[bytes], list[tuple[object, ...]]]]


def chunk_of(
    ecg_mv: NDArray[np.float32],
    first: int = 0,
    *,
    stream: str = "a",
    session: str = "s",
    rate_hz: float = 250.0,
    leads: tuple[str, ...] | None = None,
    start_us: int | None = None,
) -> Chunk:
    """A chunk of these samples, (n, leads) mV with NaN where nothing was measured."""
    names = leads or tuple(f"lead {i + 1}" for i in range(ecg_mv.shape[1]))
    time_us = round(first * 1e6 / rate_hz) if start_us is None else start_us
    valid = ~np.isnan(ecg_mv)
    clean = np.where(valid, ecg_mv, 0).astype(np.float32)
    return Chunk(
        stream, session, first, time_us, rate_hz, names, clean, valid, np.zeros(valid.shape, np.bool_)
    )


def chunks_of(
    ecg_mv: NDArray[np.float32],
    sizes: Iterable[int],
    *,
    stream: str = "a",
    session: str = "s",
    rate_hz: float = 250.0,
    first: int = 0,
) -> Iterator[Chunk]:
    """The samples in chunks of these sizes, and what is left as a last one."""
    at = 0
    for size in [*sizes, len(ecg_mv)]:
        if piece := min(size, len(ecg_mv) - at):
            yield chunk_of(
                ecg_mv[at : at + piece], first + at, stream=stream, session=session, rate_hz=rate_hz
            )
            at += piece


def outcome(parts: Sequence[Detection]) -> Outcome:
    """All that was said of each stream, in order: events and windows as comparable values."""
    found: Outcome = {}
    for part in parts:
        for event in part.events:
            found.setdefault(event.stream, ([], []))[0].append(event.id.encode() + msgspec.json.encode(event))
        rows = part.windows
        for i, stream in enumerate(rows.stream):
            numbers = (rows.rr_s[i].tobytes(), rows.score[i].tobytes(), rows.p_value[i].tobytes())
            row = (int(rows.sample[i]), int(rows.time_us[i]), *numbers, bool(rows.anomalous[i]))
            found.setdefault(stream, ([], []))[1].append((*row, rows.kind[i], rows.quality[i]))
    return found


def run(detector: Detector, batches: Iterable[Sequence[Chunk]]) -> list[Detection]:
    """Every batch's findings."""
    return [detector.process(batch) for batch in batches]


def events_of(parts: Sequence[Detection]) -> list[Event]:
    """All events."""
    return [event for part in parts for event in part.events]


def counts_of(parts: Sequence[Detection]) -> Counter[str]:
    """All counts together."""
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part.counts)
    return total
