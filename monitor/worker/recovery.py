"""Where a worker takes up a partition: snapshots from `ecg.state`, and the input that came after them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from monitor.broker.clients import explained, open_reader
from monitor.config import KafkaSettings
from monitor.errors import BrokerError

logger = logging.getLogger(__name__)
METADATA_SCHEMA = 1
_GROUP, _OFFSET, _SETTING = "group", "input-offset", "setting"


class _Metadata(msgspec.Struct):
    """Travels in the offset commit; Kafka keeps at most 4096 bytes."""

    schema: int
    replay: int


def commit_entry(next_offset: int, replay_offset: int) -> OffsetAndMetadata:
    """The committed offset with the replay offset in its metadata."""
    metadata = msgspec.json.encode(_Metadata(METADATA_SCHEMA, replay_offset)).decode()
    return OffsetAndMetadata(next_offset, metadata, -1)


def replay_offset(committed: OffsetAndMetadata) -> int:
    """The offset from which input is read again; the committed one if the commit is not ours."""
    try:
        metadata = msgspec.json.decode(committed.metadata or "", type=_Metadata)
    except msgspec.MsgspecError:
        logger.warning("commit at offset %d carries no replay offset", committed.offset)
        return int(committed.offset)
    return int(min(metadata.replay, committed.offset))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One stream's state, valid up to (not including) an input offset."""

    stream: str
    offset: int
    state: bytes
    setting: bytes | None = None  # in force there, as monitor.worker.settings names it


def snapshot_headers(group_id: str, offset: int, setting: bytes | None = None) -> list[tuple[str, bytes]]:
    """Headers of a record of `ecg.state`; the group keeps another group's state from being taken for ours."""
    headers = [(_GROUP, group_id.encode()), (_OFFSET, str(offset).encode())]
    return headers if setting is None else [*headers, (_SETTING, setting)]


@dataclass(slots=True)
class StartPoint:
    """How a newly assigned partition is taken up."""

    replay: int  # input is read from here
    committed: int  # output of earlier records has been sent
    lost: int = 0  # records that retention deleted before they were committed
    snapshots: dict[str, Snapshot] = field(default_factory=dict)


def start_points(
    consumer: Any, settings: KafkaSettings, partitions: list[TopicPartition], timeout_s: float = 60.0
) -> dict[TopicPartition, StartPoint]:
    """Where each partition goes on, with its streams' snapshots."""
    with explained(settings):
        beginnings = consumer.beginning_offsets(partitions)
        points = {}
        for partition in partitions:
            # read_committed: waits until no transaction holds an offset of this partition.
            committed = consumer.committed(partition, metadata=True, timeout_ms=1000 * timeout_s)
            points[partition] = _start_point(partition, committed, beginnings[partition])
    for number, snapshots in read_snapshots(settings, [p.partition for p in partitions], timeout_s).items():
        points[TopicPartition(settings.topics.signal, number)].snapshots = snapshots
    return points


def _start_point(partition: TopicPartition, committed: OffsetAndMetadata | None, first: int) -> StartPoint:
    if committed is None:
        return StartPoint(first, first)
    replay = replay_offset(committed)
    if committed.offset < first:
        lost = first - committed.offset
        logger.error("%s: %d records were deleted before they were processed", _name(partition), lost)
        return StartPoint(first, first, lost)
    if replay < first:
        logger.warning("%s: state can only be rebuilt from %d, wanted %d", _name(partition), first, replay)
    return StartPoint(max(replay, first), committed.offset)


def read_snapshots(
    settings: KafkaSettings, partitions: list[int], timeout_s: float = 60.0
) -> dict[int, dict[str, Snapshot]]:
    """The last snapshot of each stream, by partition number; reads `ecg.state` to its very end.

    The end is that of all records, not of the committed ones: a killed worker's open transaction
    hides what its successor has committed after it, and state older than the commit's replay
    offset assumes would be taken for the newest. So we wait until the broker has ended it.
    """
    places = [TopicPartition(settings.topics.state, number) for number in partitions]
    ends = _ends(settings, places)
    found: dict[int, dict[str, Snapshot]] = {number: {} for number in partitions}
    places = [place for place in places if ends[place] > 0]
    if not places:
        return found
    reader = open_reader(settings, max_poll_records=5000, max_partition_fetch_bytes=8 << 20)
    try:
        with explained(settings):
            reader.assign(places)
            reader.seek_to_beginning(*places)
            for place, record in _read_to(reader, ends, places, time.monotonic() + timeout_s):
                _keep(found[place.partition], record, settings.group_id)
    finally:
        reader.close()
    return found


def _ends(settings: KafkaSettings, places: list[TopicPartition]) -> dict[TopicPartition, int]:
    reader = open_reader(settings, isolation_level="read_uncommitted")
    try:
        with explained(settings):
            return dict(reader.end_offsets(places))
    finally:
        reader.close()


def _read_to(
    reader: Any, ends: dict[TopicPartition, int], places: list[TopicPartition], deadline: float
) -> Iterator[tuple[TopicPartition, Any]]:
    left = set(places)
    while left:
        for place, records in reader.poll(timeout_ms=200).items():
            yield from ((place, record) for record in records)
        left = {place for place in left if (reader.position(place) or 0) < ends[place]}
        if left and time.monotonic() > deadline:
            names = ", ".join(sorted(map(_name, left)))
            raise BrokerError(f"state in {names} cannot be read to its end: a transaction stays open")


def _keep(snapshots: dict[str, Snapshot], record: Any, group_id: str) -> None:
    headers = dict(record.headers)
    if headers.get(_GROUP) != group_id.encode() or record.key is None:
        return
    stream = record.key.decode()
    if record.value is None:
        snapshots.pop(stream, None)
    else:
        offset = int(headers[_OFFSET])
        snapshots[stream] = Snapshot(stream, offset, bytes(record.value), headers.get(_SETTING))


def _name(partition: TopicPartition) -> str:
    return f"{partition.topic}[{partition.partition}]"
