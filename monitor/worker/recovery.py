"""Where a worker takes up a partition: snapshots from `ecg.state`, and the input that came after them."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable
from typing import Any

from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from monitor.broker.clients import explained, open_reader
from monitor.broker.kept_states import KeptStates
from monitor.broker.reading import offsets_of, place_name, read_to
from monitor.broker.topics import differ, signal_id
from monitor.config import KafkaSettings
from monitor.errors import StateError
from monitor.worker.positions import StartPoint, reached_ms, replay_offset, topic_id_of, unclean_end

logger = logging.getLogger(__name__)
FETCH_BYTES = 8 << 20
MOST_AT_ONCE = 1000  # records of `ecg.state` between two turns of the worker's loop


def start_points(
    consumer: Any,
    settings: KafkaSettings,
    partitions: list[TopicPartition],
    state: StateReading,
    still_s: float = 60.0,
    exactly_once: bool = True,
) -> Generator[None, None, dict[TopicPartition, StartPoint]]:
    """Where each partition goes on, with its streams' snapshots; yields between one wait and the next.

    state: what earlier attempts have read; nothing of it is read again. exactly_once: a snapshot and its
    commit are one transaction. Where they are not, a worker killed between the two has left state that is
    ahead of its commit, and right.
    """
    times = {"timeout_ms": 1000 * still_s}
    with explained(settings):
        # read_committed: waits until no transaction holds an offset of this partition.
        committed = {}
        for place in partitions:
            committed[place] = consumer.committed(place, metadata=True, **times)
            yield
        beginnings = offsets_of(consumer.beginning_offsets, partitions, still_s)
        # After the commits, which may lie there.
        ends = offsets_of(consumer.end_offsets, partitions, still_s)
    yield
    topic_id = signal_id(settings)
    yield
    points, begins = {}, {}
    for place, entry in committed.items():
        first, end = beginnings[place], ends[place]
        begins[place] = first if settings.on_lost_position == "earliest" else end
        points[place] = _start_point(place, entry, (first, end), begins[place], topic_id)
    yield from state.read([place.partition for place in partitions], still_s)
    with explained(settings):
        limits = {} if exactly_once else offsets_of(consumer.end_offsets, partitions, still_s)
    for place, point in points.items():
        state.give(place.partition, point)
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
        return StartPoint(first, first, lost, topic_id=topic_id, reached_ms=reached_ms(committed))
    if replay < first:
        logger.warning("%s: state can only be rebuilt from %d, wanted %d", place_name(place), first, replay)
    return _after(place, committed, max(replay, first), topic_id)


def _after(
    place: TopicPartition, committed: OffsetAndMetadata, replay: int, topic_id: str | None
) -> StartPoint:
    """The start point that an ordinary commit gives."""
    mark, deaths = unclean_end(committed)
    if mark is not None:
        logger.warning(
            "%s: no commit since a process began at %d: going carefully until there is one",
            *(place_name(place), mark.first),
        )
    point = StartPoint(replay, committed.offset, topic_id=topic_id, mark=mark, deaths=deaths)
    point.reached_ms = reached_ms(committed)
    return point


class StateReading:
    """Reads `ecg.state` for partitions that are taken up, and keeps what it has read over attempts.

    So a topic of any size is read in the end, however often the broker or the group interrupts it.
    """

    def __init__(self, settings: KafkaSettings, kept: KeptStates) -> None:
        """kept: takes the states, as many as it has room for."""
        self._settings, self._kept = settings, kept
        self._found: dict[int, StartPoint] = {}  # by number of partition; of each the snapshots alone count
        self._reached: dict[int, int] = {}  # offset in `ecg.state`

    def forget(self, numbers: Iterable[int]) -> None:
        """Drop what has been read for partitions: they are taken up, or others may have them."""
        for number in numbers:
            self._found.pop(number, None)
            self._reached.pop(number, None)

    def give(self, number: int, point: StartPoint) -> None:
        """Tell a partition's start point what has been read for it; it is kept until it is forgotten."""
        found = self._found.get(number, point)
        point.snapshots, point.refused = found.snapshots, found.refused

    def read(self, numbers: list[int], still_s: float = 60.0) -> Generator[None, None, None]:
        """Read on for these partitions to the very end of `ecg.state`, poll by poll.

        The end is that of all records, not of the committed ones: a killed worker's open transaction
        hides what its successor has committed after it, and state older than the commit's replay
        offset assumes would be taken for the newest. So we wait until the broker has ended it.
        """
        places = [TopicPartition(self._settings.topics.state, number) for number in numbers]
        ends = _ends(self._settings, places, still_s)
        yield
        for place in places:
            if self._reached.get(place.partition, 0) > ends[place]:  # the topic was made anew
                self.forget([place.partition])
            self._found.setdefault(place.partition, StartPoint(0, 0))
        places = [place for place in places if self._reached.get(place.partition, 0) < ends[place]]
        if not places:
            return
        # An answer of so many bytes in all, however many partitions: several times that is in memory at once.
        most = {"max_partition_fetch_bytes": FETCH_BYTES, "fetch_max_bytes": FETCH_BYTES}
        reader = open_reader(self._settings, max_poll_records=MOST_AT_ONCE, **most)
        try:
            with explained(self._settings):
                self._seek(reader, places)
                for records in read_to(reader, {place: ends[place] for place in places}, still_s):
                    for place, record in records:
                        self._take(place, record)
                    yield
        finally:
            reader.close()

    def _seek(self, reader: Any, places: list[TopicPartition]) -> None:
        reader.assign(places)
        for place in places:
            reached = self._reached.get(place.partition, 0)
            if reached:
                reader.seek(place, reached)
            else:
                reader.seek_to_beginning(place)

    def _take(self, place: TopicPartition, record: Any) -> None:
        found = self._found[place.partition]
        self._reached[place.partition] = record.offset + 1
        try:
            snapshot = found.take(record, self._settings.group_id)
        except StateError as error:
            logger.warning("%s@%d: passed over: %s", place_name(place), record.offset, error)
            found.refused += 1
        else:
            if snapshot is not None:
                self._kept.put((snapshot.stream, place.partition), snapshot.at, bytes(record.value))


def _ends(
    settings: KafkaSettings, places: list[TopicPartition], timeout_s: float
) -> dict[TopicPartition, int]:
    reader = open_reader(settings, isolation_level="read_uncommitted")
    try:
        with explained(settings):
            return offsets_of(reader.end_offsets, places, timeout_s)
    finally:
        reader.close()
