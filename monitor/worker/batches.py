"""One batch of records through decoder and detector, and what comes out as records to produce."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.broker.unreadable import check_readable
from monitor.config import DeliverySettings, Topics
from monitor.detect.interface import Detection, Source, StreamDetector
from monitor.errors import DecodeError
from monitor.formats.beats import beats_records
from monitor.formats.chunks import CONTENT_TYPE, MSGPACK, Chunk
from monitor.formats.dead_letters import dead_letter
from monitor.formats.events import CLOUDEVENT, encode_event
from monitor.formats.signal_records import decode_signal
from monitor.worker.delivery import Outgoing
from monitor.worker.metrics import Metrics
from monitor.worker.partition import Partition
from monitor.worker.settings import SettingsInForce
from monitor.worker.streams import Streams
from monitor.worker.suspects import Suspects

LATENCIES_PER_BATCH = 32


@dataclass(frozen=True, slots=True)
class _Taken:
    """A chunk with the record that it came from."""

    partition: Partition
    record: Any
    chunk: Chunk
    afresh: list[tuple[str, str]]  # streams of which nothing is known from here on, and why


class Batches:
    """Turns polled records into pending output; the only place where input meets the detector."""

    def __init__(
        self,
        detector: StreamDetector,
        metrics: Metrics,
        topics: Topics,
        delivery: DeliverySettings,
        in_force: SettingsInForce,
        streams: Streams,
    ) -> None:
        self._detector = detector
        self._metrics = metrics
        self._topics = topics
        self._delivery = delivery
        self.in_force = in_force
        self._streams = streams
        self.suspects = Suspects(detector.self_test)

    def process(self, batch: Mapping[Partition, Sequence[Any]]) -> list[Source]:
        """Process records of some partitions, each in offset order; returns the streams seen, and where.

        Raises BrokerError, and has done nothing, where states of streams that come back can't be had now.
        """
        began = time.perf_counter()
        taken = self._decode(batch)
        self._metrics.time_stages({"decode": time.perf_counter() - began})
        for group in self._tuned(taken):
            # Apart, so that no finding of a muted record can be laid to one that is heard.
            muted = [item.partition.muted(item.record.offset) for item in group]
            for heard in (False, True):
                part = [item for item, mute in zip(group, muted, strict=True) if mute is not heard]
                if part:
                    self._detect(part, heard)
        self._count_records(batch)
        for partition, records in batch.items():
            partition.advance(records[-1].offset)
        return [(item.chunk.stream, item.partition.place.partition) for item in taken]

    def _tuned(self, taken: list[_Taken]) -> Iterator[list[_Taken]]:
        """The chunks in order, parted where what a person has set begins or ceases to hold."""
        group: list[_Taken] = []
        for item in taken:
            stream, place = item.chunk.stream, item.partition.place.partition
            replayed = item.partition.muted(item.record.offset)
            if item.afresh:
                yield group
                group = []
                for name, why in item.afresh:
                    self._streams.begin_afresh((name, place), None if replayed else why)
            tuning, took_effect = self.in_force.change(stream, item.record.timestamp, replayed, place)
            if took_effect:
                item.partition.hasten(stream)
            if tuning is not None:
                yield group
                group = []
                self._detector.tune(stream, tuning, place)  # those before have been processed by now
            group.append(item)
        yield group

    def _detect(self, taken: list[_Taken], heard: bool) -> None:
        places = [item.partition.place.partition for item in taken]
        detection = self._detector.process([item.chunk for item in taken], places)
        self._count_findings(len(taken), detection)
        if heard:
            refused = {rejected.index for rejected in detection.rejected}
            chunks = [item.chunk for index, item in enumerate(taken) if index not in refused]
            self._metrics.signal_seconds.inc(sum(len(chunk) / chunk.rate_hz for chunk in chunks))
            self._route(taken, detection)

    def _decode(self, batch: Mapping[Partition, Sequence[Any]]) -> list[_Taken]:
        read = [
            (each, record, self._read(each, record)) for each, records in batch.items() for record in records
        ]
        self._streams.wake((each, chunk.stream) for each, _, chunk in read if isinstance(chunk, Chunk))
        now_s = time.monotonic()
        taken = []
        for partition, record, chunk in read:
            partition.reach(record.timestamp)
            if not isinstance(chunk, Chunk):
                self._bury(partition, record, chunk.reason, str(chunk))
            elif partition.wants(chunk.stream, record.offset):
                afresh = [(name, "crowded") for name in partition.crowded_out(record.offset)]
                if partition.stale(chunk.stream):
                    partition.forget(chunk.stream)
                    afresh.append((chunk.stream, "returned"))
                partition.note(chunk.stream, record.offset, now_s)
                taken.append(_Taken(partition, record, chunk, afresh))
        return taken

    def _read(self, partition: Partition, record: Any) -> Chunk | DecodeError:
        try:
            check_readable(record)
            self.suspects.check(partition, record.offset)
            return decode_signal(record)
        except DecodeError as error:
            return error

    def _route(self, taken: list[_Taken], detection: Detection) -> None:
        for event, index in zip(detection.events, detection.event_chunk, strict=True):
            pending = taken[index].partition.pending
            headers = [(CONTENT_TYPE, CLOUDEVENT.encode())]
            pending.records.append(
                Outgoing(self._topics.events, event.stream.encode(), encode_event(event), headers)
            )
            pending.events.append((event.kind, event.time_us, event.muted))
            if event.begins and not event.muted:
                pending.alarms.append(event.kind)
        for rejected in detection.rejected:
            source = taken[rejected.index]
            self._bury(source.partition, source.record, rejected.reason, rejected.message)
        if len(detection.windows):
            self._route_windows(taken, detection)

    def _route_windows(self, taken: list[_Taken], detection: Detection) -> None:
        place = np.array([item.partition.place.partition for item in taken])[detection.window_chunk]
        partition = {item.partition.place.partition: item.partition for item in taken}
        for number in np.unique(place):
            rows = np.flatnonzero(place == number)
            pending = partition[number].pending
            step = max(1, len(rows) // LATENCIES_PER_BATCH)
            pending.windows_us.extend(detection.windows.time_us[rows[::step]].tolist())
            if self._delivery.write_beats:
                model = self._detector.model_name, self._detector.model_version
                windows, limit = detection.windows.rows(rows), self._delivery.max_record_bytes
                for value in beats_records(windows, limit, *model):
                    headers = [(CONTENT_TYPE, MSGPACK.encode())]
                    pending.records.append(Outgoing(self._topics.beats, None, value, headers, int(number)))

    def _bury(self, partition: Partition, record: Any, reason: str, message: str) -> None:
        if partition.muted(record.offset):
            return
        limit = self._delivery.max_record_bytes
        letter = dead_letter(record, reason, message, limit)
        partition.pending.records.append(Outgoing(self._topics.deadletter, *letter))
        partition.pending.dead.append(reason)

    def _count_records(self, batch: Mapping[Partition, Sequence[Any]]) -> None:
        self._metrics.batch_records.observe(sum(map(len, batch.values())))
        for partition, records in batch.items():
            muted = sum(partition.muted(record.offset) for record in records)
            partition.pending.inputs += len(records) - muted
            self._metrics.replayed.inc(muted)

    def _count_findings(self, n_chunks: int, detection: Detection) -> None:
        self._metrics.chunks.inc(n_chunks)
        self._metrics.count_batch(detection.counts)
        self._metrics.time_stages(detection.stage_seconds)
        self._metrics.count_windows(detection.windows)
