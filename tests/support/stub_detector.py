"""A deterministic detector with memory, standing in for the real one: what it says shows what it was fed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np

from monitor.detect.interface import PLAIN, Detection, Rejected, Source, Tuning
from monitor.errors import StateError
from monitor.formats.beats import ScoredWindows
from monitor.formats.chunks import Chunk
from monitor.formats.events import Event, Kind


class Memory(msgspec.Struct):
    """All that the stub knows of a stream."""

    schema: int = 1
    session: str = ""
    next_sample: int = 0
    chunks: int = 0
    digest: float = 0.0  # of all samples and budgets so far, in order: wrong after a lost or repeated chunk


class StubDetector:
    """One window a chunk; an event for each chunk that reaches 3 mV, its score the digest of all before."""

    model_name = "stub"
    model_version = "1"

    def __init__(self, delay_s: float = 0.0) -> None:
        self.memory: dict[Source, Memory] = {}
        self.tunings: dict[Source, Tuning] = {}
        self.delay_s = delay_s

    def self_test(self) -> None:
        """Nothing is ever wrong."""

    def process(self, chunks: Sequence[Chunk], partitions: Sequence[int] = ()) -> Detection:
        """Remember each chunk; see the class for what comes out."""
        found = Detection([], _no_windows(), [], np.empty(0, np.int64), np.empty(0, np.int64), Counter(), {})
        events_of, windows_of = [], []
        for index, chunk in enumerate(chunks):
            time.sleep(self.delay_s)
            source = chunk.stream, partitions[index] if partitions else 0
            memory = self.memory.setdefault(source, Memory(session=chunk.session))
            if chunk.session == memory.session and chunk.first_sample < memory.next_sample:
                found.rejected.append(Rejected(index, "out_of_order", f"sample {chunk.first_sample}"))
                continue
            _remember(memory, chunk, self.tunings.get(source, PLAIN))
            _append_window(found.windows, chunk, memory)
            windows_of.append(index)
            if chunk.ecg_mv.max() >= 3.0:
                found.events.append(_event(chunk, memory, self.tunings.get(source, PLAIN)))
                events_of.append(index)
        found.event_chunk = np.array(events_of, np.int64)
        found.window_chunk = np.array(windows_of, np.int64)
        found.counts = Counter(samples=sum(map(len, chunks)), windows_fixed=len(windows_of), quality_good=0)
        found.stage_seconds = {"filter": 0.0, "detect": 0.0, "score": 0.0, "decide": 0.0}
        return found

    def tune(self, stream: str, tuning: Tuning, partition: int = 0) -> None:
        """Remember what is set; events show it."""
        self.tunings[stream, partition] = tuning

    def snapshot(self, stream: str, partition: int = 0) -> bytes:
        """The memory as JSON."""
        return msgspec.json.encode(self.memory[stream, partition])

    def restore(self, stream: str, state: bytes, partition: int = 0) -> None:
        """Take a memory over."""
        try:
            self.memory[stream, partition] = msgspec.json.decode(state, type=Memory)
        except msgspec.MsgspecError as exc:
            raise StateError(f"snapshot of {len(state)} bytes: {exc}") from exc

    def forget(self, stream: str, partition: int = 0) -> None:
        """Drop a memory."""
        self.tunings.pop((stream, partition), None)
        self.memory.pop((stream, partition), None)

    def streams(self) -> list[str]:
        """Streams remembered."""
        return list(dict.fromkeys(name for name, _ in self.memory))

    def holds(self, stream: str, partition: int = 0) -> bool:
        """True if the stream is remembered."""
        return (stream, partition) in self.memory

    def learning(self) -> int:
        """Streams with fewer than three chunks."""
        return sum(memory.chunks < 3 for memory in self.memory.values())

    def rate_drift(self) -> float:
        """The stub looks at no rate."""
        return 0.0

    def open_episodes(self) -> int:
        """The stub has none."""
        return 0


def _remember(memory: Memory, chunk: Chunk, tuning: Tuning) -> None:
    if chunk.session != memory.session:
        memory.session = chunk.session
    memory.next_sample = chunk.first_sample + len(chunk)
    memory.chunks += 1
    told = float(chunk.ecg_mv.sum(dtype=np.float64)) + (tuning.budget_per_hour or 0.0)
    memory.digest = (memory.digest * 1.000003 + told) % 1e6


def _event(chunk: Chunk, memory: Memory, tuning: Tuning) -> Event:
    peak = chunk.first_sample + int(chunk.ecg_mv.max(axis=1).argmax())
    return Event(
        stream=chunk.stream,
        session=chunk.session,
        kind=Kind.BEAT_MORPHOLOGY,
        r_peak_sample=peak,
        time_us=chunk.start_us + round((peak - chunk.first_sample) * 1e6 / chunk.rate_hz),
        first_sample=chunk.first_sample,
        last_sample=chunk.first_sample + len(chunk) - 1,
        rate_hz=chunk.rate_hz,
        model="stub",
        model_version="1",
        score=memory.digest,
        beats=memory.chunks,
        threshold=tuning.budget_per_hour,
        leads=tuning.names(chunk.leads),
        muted=tuning.muted,
        paced=tuning.paced,
    )


def _append_window(windows: ScoredWindows, chunk: Chunk, memory: Memory) -> None:
    windows.stream.append(chunk.stream)
    windows.session.append(chunk.session)
    windows.kind.append("fixed")
    windows.quality.append("good")
    windows.sample = np.append(windows.sample, chunk.first_sample)
    windows.time_us = np.append(windows.time_us, chunk.start_us)
    windows.rr_s = np.append(windows.rr_s, np.float32("nan"))
    windows.score = np.append(windows.score, np.float32(memory.digest))
    windows.p_value = np.append(windows.p_value, np.float32(0.5))
    windows.anomalous = np.append(windows.anomalous, chunk.ecg_mv.max() >= 3.0)


def _no_windows() -> ScoredWindows:
    whole, real = np.empty(0, np.int64), np.empty(0, np.float32)
    return ScoredWindows([], [], whole, whole, real, real, real, np.empty(0, np.bool_), [], [])
