"""The signal path in one piece: batches of chunks in, events and scored windows out; no I/O."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from monitor.detect.admission import Admitted, admit, conclude, successor
from monitor.detect.findings import Findings, Watch, to_input
from monitor.detect.interface import PLAIN, Detection, Rejected, Source, Tuning
from monitor.detect.lead_groups import LeadGroup
from monitor.detect.made_up import made_up_minute
from monitor.detect.order import Stream, Stretch, join, new_stream
from monitor.detect.snapshots import pack, unpack
from monitor.ecg.filters import INTERNAL_RATE_HZ
from monitor.ecg.samples import MISSING
from monitor.ecg.windows import WindowSpec
from monitor.formats.chunks import Chunk
from monitor.model.model import Model


class Detector:
    """Finds anomalies in many streams; what it says depends on their chunks and tunings alone.

    Chunks of any size, in any mix with other streams', give the same findings bit for bit. gate_noise:
    False judges noise, too, to measure what the gate is worth. watch: is shown every window, for
    what findings do not tell.
    """

    def __init__(self, model: Model, *, gate_noise: bool = True, watch: Watch | None = None) -> None:
        self.model, self._gate_noise, self._watch = model, gate_noise, watch
        self.model_name, self.model_version = model.name, model.version
        self._groups: dict[int, LeadGroup] = {}  # by number of leads
        self._streams: dict[Source, tuple[Stream, LeadGroup, int]] = {}  # with lead group and slot
        self._tunings: dict[Source, Tuning] = {}  # those that set anything
        self._stages: dict[str, float] = defaultdict(float)

    def process(self, chunks: Sequence[Chunk], partitions: Sequence[int] = ()) -> Detection:
        """Findings of chunks of many streams in arrival order; several of one stream are allowed.

        partitions: that each chunk comes from; none: all from partition 0.
        """
        counts: Counter[str] = Counter()
        rejected: list[Rejected] = []
        stretches: dict[Source, list[Stretch]] = {}
        found = Findings(self.model)
        last_chunk: dict[Source, int] = {}
        for index, chunk in enumerate(chunks):
            source = chunk.stream, partitions[index] if partitions else 0
            last_chunk[source] = index
            if source not in self._streams:
                self._open(new_stream(chunk, self._tunings.get(source, PLAIN), partition=source[1]))
            waiting = stretches.setdefault(source, [])
            admitted = admit(self._streams[source][0], chunk, index, counts)
            if admitted.rejected is not None:
                rejected.append(admitted.rejected)
            else:
                counts["samples"] += len(chunk)
            waiting.extend(admitted.stretches)
            if admitted.conflict or admitted.anew:
                self._interrupt(source, admitted, waiting, index, found, counts)
        self._advance(stretches, found, counts)
        for source in last_chunk:
            self._streams[source][0].forget_clocks()
        return self._detection(found, last_chunk, rejected, counts)

    def self_test(self) -> None:
        """Judge a minute of made-up ECG apart from all streams; raises whatever is wrong with us."""
        Detector(self.model).process([made_up_minute()])

    def _interrupt(
        self,
        source: Source,
        admitted: Admitted,
        waiting: list[Stretch],
        index: int,
        found: Findings,
        counts: Counter[str],
    ) -> None:
        """Tell of a conflict, or begin a stream anew: what was found before it comes first."""
        stream, group, slot = self._streams[source]
        if admitted.anew:
            waiting.extend(conclude(stream, counts))
        self._advance({source: waiting.copy()}, found, counts)
        waiting.clear()
        if admitted.conflict:
            found.conflict(stream, admitted.conflict)
        if admitted.anew:  # its old segment is finished before its slot is given away
            group.end_segment(stream, slot, stream.expected, found)
            following = successor(stream, admitted.anew[0])
            self._close(source)
            self._open(following)
            for chunk in admitted.anew:
                waiting.extend(admit(following, chunk, index, counts).stretches)

    def finish(self, stream: str) -> Detection:
        """Findings of a recording's tail: what its last samples lack is taken as missing."""
        known, _, _ = self._streams[stream, 0]
        counts: Counter[str] = Counter()
        found = Findings(self.model)
        spec = self.model.manifest.windows
        last = conclude(known, counts)
        self._advance({known.source: [*last, _padding(known, spec)]}, found, counts)
        found.cut_at(known.expected)
        if to_input(known, spec.fixed_span // 2) >= known.expected:
            found.gap(known, 0, known.expected)  # shorter than half a window: none has its centre in it
        return self._detection(found, {known.source: 0}, [], counts)

    def tune(self, stream: str, tuning: Tuning, partition: int = 0) -> None:
        """What holds for a stream's chunks from now on, its next session's too, until it is forgotten."""
        source = stream, partition
        self._tunings[source] = tuning
        if source in self._streams:
            known, group, slot = self._streams[source]
            known.tuning = tuning
            group.tune(slot, tuning)

    def snapshot(self, stream: str, partition: int = 0) -> bytes:
        """All that is known of a stream but its tuning, held chunks included, with the model's version."""
        known, group, slot = self._streams[stream, partition]
        return pack(known, group.take(slot), self.model_version)

    def restore(self, stream: str, state: bytes, partition: int = 0) -> None:
        """Take over a snapshot; raises StateError if it does not fit, leaving the stream unknown."""
        self.forget(stream, partition)
        known, arrays = unpack(state, self.model_version, stream)
        known.partition = partition
        self._open(known)
        try:
            _, group, slot = self._streams[known.source]
            group.put(slot, arrays)
        except Exception:
            self.forget(stream, partition)
            raise

    def forget(self, stream: str, partition: int = 0) -> None:
        """Drop a stream with its tuning; unknown ones are ignored."""
        self._tunings.pop((stream, partition), None)
        known = self._streams.get((stream, partition))
        self._close((stream, partition))
        moved = known[1].shrink() if known is not None else {}
        if known is not None and moved:
            self._streams = {
                source: (each, group, moved.get(slot, slot) if group is known[1] else slot)
                for source, (each, group, slot) in self._streams.items()
            }

    def _close(self, source: Source) -> None:
        known = self._streams.pop(source, None)
        if known is not None:
            known[1].close(known[2])

    def streams(self) -> list[str]:
        """Ids of the streams that hold state."""
        return list(dict.fromkeys(name for name, _ in self._streams))

    def holds(self, stream: str, partition: int = 0) -> bool:
        """True if there is state of the stream."""
        return (stream, partition) in self._streams

    def learning(self) -> int:
        """Number of streams that do not yet know their usual beat."""
        return sum(group.learning() for group in self._groups.values())

    def rate_drift(self) -> float:
        """Largest share by which a stream's last chunk gives another sampling rate than its first."""
        return max((abs(stream.drift) for stream, _, _ in self._streams.values()), default=0.0)

    def open_episodes(self) -> int:
        """Number of episodes that have begun and not ended."""
        return sum(group.open_episodes() for group in self._groups.values())

    def _open(self, stream: Stream) -> None:
        leads = len(stream.leads)
        if leads not in self._groups:
            self._groups[leads] = LeadGroup(self.model, leads, gate_noise=self._gate_noise)
        group = self._groups[leads]
        slot = group.open()
        group.tune(slot, stream.tuning)
        self._streams[stream.source] = (stream, group, slot)

    def _advance(self, stretches: dict[Source, list[Stretch]], found: Findings, counts: Counter[str]) -> None:
        """Feed every stream's stretches, one a stream and pass; a second pass only after a long gap."""
        queues = {source: join(released) for source, released in stretches.items() if released}
        while queues:
            by_leads: dict[int, list[tuple[Stream, int, Stretch]]] = defaultdict(list)
            for source, queue in queues.items():
                stream, _, slot = self._streams[source]
                by_leads[len(stream.leads)].append((stream, slot, queue.pop(0)))
            for leads, batch in by_leads.items():
                self._groups[leads].advance(batch, found, counts, self._timed)
            queues = {source: queue for source, queue in queues.items() if queue}

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self._stages[stage] += time.perf_counter() - start

    def _detection(
        self, found: Findings, last_chunk: dict[Source, int], rejected: list[Rejected], counts: Counter[str]
    ) -> Detection:
        stages, self._stages = dict(self._stages), defaultdict(float)
        if self._watch is not None:
            found.show(self._watch)
        return Detection(
            events=found.events,
            windows=found.windows(),
            rejected=rejected,
            event_chunk=_chunk_of(found.event_sources, last_chunk),
            window_chunk=_chunk_of(found.window_sources, last_chunk),
            counts=counts,
            stage_seconds=stages,
        )


def _chunk_of(sources: list[Source], last_chunk: dict[Source, int]) -> NDArray[np.int64]:
    """Index of the last chunk of each source: any one tells its partition."""
    return np.array([last_chunk[source] for source in sources], np.int64)


def _padding(stream: Stream, spec: WindowSpec) -> Stretch:
    """Missing samples enough to complete every window that holds a real one."""
    n = int((spec.fixed_span + 2 * spec.fixed_hop) * stream.rate_hz / INTERNAL_RATE_HZ)
    shape = (n, len(stream.leads))
    return Stretch(
        np.zeros(shape, np.float32), np.full(shape, MISSING, np.uint8), stream.expected, fresh=False
    )
