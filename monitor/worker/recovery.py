"""Where a worker takes up a partition: snapshots from `ecg.state`, and the input that came after them."""

from __future__ import annotations

import logging
from typing import Any

from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from monitor.broker.clients import explained, open_reader
from monitor.broker.reading import place_name, read_to
from monitor.config import KafkaSettings
from monitor.worker.positions import Snapshot, StartPoint, keep, replay_offset

logger = logging.getLogger(__name__)


def start_points(
    consumer: Any, settings: KafkaSettings, partitions: list[TopicPartition], timeout_s: float = 60.0
) -> dict[TopicPartition, StartPoint]:
    """Where each partition goes on, with its streams' snapshots."""
    with explained(settings):
        beginnings = consumer.beginning_offsets(partitions, timeout_ms=1000 * timeout_s)
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
        logger.error("%s: %d records were deleted before they were processed", place_name(partition), lost)
        return StartPoint(first, first, lost)
    if replay < first:
        logger.warning(
            "%s: state can only be rebuilt from %d, wanted %d", place_name(partition), first, replay
        )
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
    ends = _ends(settings, places, timeout_s)
    found: dict[int, dict[str, Snapshot]] = {number: {} for number in partitions}
    places = [place for place in places if ends[place] > 0]
    if not places:
        return found
    reader = open_reader(settings, max_poll_records=5000, max_partition_fetch_bytes=8 << 20)
    try:
        with explained(settings):
            reader.assign(places)
            reader.seek_to_beginning(*places)
            for place, record in read_to(reader, {place: ends[place] for place in places}, timeout_s):
                keep(found[place.partition], record, settings.group_id)
    finally:
        reader.close()
    return found


def _ends(
    settings: KafkaSettings, places: list[TopicPartition], timeout_s: float
) -> dict[TopicPartition, int]:
    reader = open_reader(settings, isolation_level="read_uncommitted")
    try:
        with explained(settings):
            return dict(reader.end_offsets(places, timeout_ms=1000 * timeout_s))
    finally:
        reader.close()
