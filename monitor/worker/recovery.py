"""Where a worker takes up a partition: snapshots from `ecg.state`, and the input that came after them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from monitor.broker.clients import explained, open_reader
from monitor.broker.reading import no_step, offsets_of, place_name, read_to
from monitor.broker.topics import differ, signal_id
from monitor.config import KafkaSettings
from monitor.detect.interface import StreamDetector
from monitor.errors import StateError
from monitor.worker.metrics import Metrics
from monitor.worker.positions import Snapshot, StartPoint, replay_offset, topic_id_of, unclean_end

logger = logging.getLogger(__name__)


def start_points(
    consumer: Any,
    settings: KafkaSettings,
    partitions: list[TopicPartition],
    timeout_s: float = 60.0,
    exactly_once: bool = True,
    step: Callable[[], None] = no_step,
) -> dict[TopicPartition, StartPoint]:
    """Where each partition goes on, with its streams' snapshots.

    exactly_once: a snapshot and its commit are one transaction. Where they are not, a worker killed between
    the two has left state that is ahead of its commit, and right. step: called between one wait and the next.
    """
    times = {"timeout_ms": 1000 * timeout_s}
    with explained(settings):
        # read_committed: waits until no transaction holds an offset of this partition.
        committed = {}
        for place in partitions:
            committed[place] = consumer.committed(place, metadata=True, **times)
            step()
        beginnings = offsets_of(consumer.beginning_offsets, partitions, timeout_s)
        # After the commits, which may lie there.
        ends = offsets_of(consumer.end_offsets, partitions, timeout_s)
    step()
    topic_id = signal_id(settings)
    step()
    points, begins = {}, {}
    for place, entry in committed.items():
        first, end = beginnings[place], ends[place]
        begins[place] = first if settings.on_lost_position == "earliest" else end
        points[place] = _start_point(place, entry, (first, end), begins[place], topic_id)
    read_snapshots(settings, {place.partition: point for place, point in points.items()}, timeout_s, step)
    with explained(settings):
        limits = {} if exactly_once else offsets_of(consumer.end_offsets, partitions, timeout_s)
    for place, point in points.items():
        _refuse_foreign(place, point, begins[place] if committed[place] is None else None)
        _refuse_beyond(place, point, limits.get(place, point.committed))
    return points


def _refuse_beyond(place: TopicPartition, point: StartPoint, limit: int) -> None:
    beyond = point.refuse_beyond(limit)
    if beyond:
        logger.error(
            "%s: %d streams start afresh: their state holds input that was never committed, so the topic "
            "was made anew, or the group's offsets were reset: %s",
            *(place_name(place), len(beyond), ", ".join(beyond[:5])),
        )


def _refuse_foreign(place: TopicPartition, point: StartPoint, begin: int | None) -> None:
    """Drop state of the topic before. begin: None if there is a commit; brokers drop those with the topic."""
    foreign = point.refuse_foreign()
    if foreign and begin is not None:
        point.replay = point.committed = begin
        point.astray = True
        logger.error(
            "%s: the topic was made anew: the state of %d streams is of the one before, and nothing is "
            "committed; beginning at %d (kafka.on_lost_position): %s",
            *(place_name(place), len(foreign), begin, ", ".join(foreign[:5])),
        )


def _start_point(
    place: TopicPartition,
    committed: OffsetAndMetadata | None,
    ends: tuple[int, int],
    begin: int,
    topic_id: str | None,
) -> StartPoint:
    first, end = ends
    if committed is None:
        return StartPoint(first, first, topic_id=topic_id)
    if differ(topic_id_of(committed), topic_id):
        logger.error(
            "%s: the topic was made anew: the commit at %d and the state are of the one before; "
            "beginning at %d (kafka.on_lost_position)",
            *(place_name(place), committed.offset, begin),
        )
        return StartPoint(begin, begin, topic_id=topic_id, astray=True)
    if committed.offset > end:
        logger.error(
            "%s: the commit is at %d, but the topic ends at %d: it was made anew or has lost records; "
            "beginning at %d (kafka.on_lost_position)",
            *(place_name(place), committed.offset, end, begin),
        )
        return StartPoint(begin, begin, topic_id=topic_id, astray=True)
    replay = replay_offset(committed)
    if committed.offset < first:
        lost = first - committed.offset
        logger.error("%s: %d records were deleted before they were processed", place_name(place), lost)
        return StartPoint(first, first, lost, topic_id=topic_id)
    if replay < first:
        logger.warning("%s: state can only be rebuilt from %d, wanted %d", place_name(place), first, replay)
    mark, deaths = unclean_end(committed)
    if mark is not None:
        logger.warning(
            "%s: no commit since a process began at %d: going carefully until there is one",
            *(place_name(place), mark.first),
        )
    return StartPoint(max(replay, first), committed.offset, topic_id=topic_id, mark=mark, deaths=deaths)


def read_snapshots(
    settings: KafkaSettings,
    points: Mapping[int, StartPoint],
    timeout_s: float = 60.0,
    step: Callable[[], None] = no_step,
) -> None:
    """Give each partition, by number, the last snapshot of each stream; reads `ecg.state` to its very end.

    The end is that of all records, not of the committed ones: a killed worker's open transaction
    hides what its successor has committed after it, and state older than the commit's replay
    offset assumes would be taken for the newest. So we wait until the broker has ended it.
    """
    places = [TopicPartition(settings.topics.state, number) for number in points]
    ends = _ends(settings, places, timeout_s)
    step()
    places = [place for place in places if ends[place] > 0]
    if not places:
        return
    reader = open_reader(settings, max_poll_records=5000, max_partition_fetch_bytes=8 << 20)
    try:
        with explained(settings):
            reader.assign(places)
            reader.seek_to_beginning(*places)
            for place, record in read_to(reader, {place: ends[place] for place in places}, timeout_s, step):
                _take(points[place.partition], place, record, settings.group_id)
    finally:
        reader.close()


def restore(detector: StreamDetector, metrics: Metrics, snapshot: Snapshot, partition: int) -> bool:
    """Give a stream's state to the detector; False where that refuses it, and the stream starts afresh."""
    try:
        detector.restore(snapshot.stream, snapshot.state, partition)
    except StateError as error:
        logger.warning("a stream starts afresh: %s", error)
        metrics.restores.labels("refused").inc()
        return False
    metrics.restores.labels("restored").inc()
    return True


def _take(point: StartPoint, place: TopicPartition, record: Any, group_id: str) -> None:
    try:
        point.take(record, group_id)
    except StateError as error:
        logger.warning("%s@%d: passed over: %s", place_name(place), record.offset, error)
        point.refused += 1


def _ends(
    settings: KafkaSettings, places: list[TopicPartition], timeout_s: float
) -> dict[TopicPartition, int]:
    reader = open_reader(settings, isolation_level="read_uncommitted")
    try:
        with explained(settings):
            return offsets_of(reader.end_offsets, places, timeout_s)
    finally:
        reader.close()
