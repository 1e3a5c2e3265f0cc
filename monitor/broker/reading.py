"""Topics read partition by partition, without a group."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError

from monitor.errors import BrokerError

logger = logging.getLogger(__name__)
POLL_MS = 100
RETRY_S = 0.05


def partitions_of(consumer: Any, topic: str) -> list[TopicPartition]:
    """All partitions of a topic, none if it does not exist."""
    return [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]


def offsets_of(
    ask: Callable[..., Mapping[TopicPartition, int]], places: Sequence[TopicPartition], timeout_s: float
) -> dict[TopicPartition, int]:
    """What a client's `beginning_offsets` or `end_offsets` gives of all partitions; raises KafkaError.

    kafka-python 3.0.12 raises KeyError where it knows no leader of some of them: added lately, or between
    two leaders. It asks for them in doing so.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return dict(ask(places, timeout_ms=1000 * timeout_s))
        except KeyError as error:
            if time.monotonic() > deadline:
                raise KafkaTimeoutError(f"no leader is known of {error} in {timeout_s:.0f} s") from error
            time.sleep(RETRY_S)


def poll_once(
    consumer: Any, timeout_ms: int = 0, max_records: int | None = None
) -> Mapping[TopicPartition, Sequence[Any]] | None:
    """What a poll gives; None if the broker went away in the midst of it: then seek before the next one.

    kafka-python 3.0.12 now and then raises out of a poll what has become of a request of its own, and may
    have let go of records by then. Raises KafkaError for what does not pass: that we may not read, that
    another one has our name.
    """
    try:
        polled: Mapping[TopicPartition, Sequence[Any]] = consumer.poll(
            timeout_ms=timeout_ms, max_records=max_records
        )
    except KafkaError as error:
        if not error.retriable:
            raise
        logger.warning("a poll failed, and is made again: %s", error)
        return None
    return polled


def read_to(
    reader: Any, ends: Mapping[TopicPartition, int], still_s: float
) -> Iterator[list[tuple[TopicPartition, Any]]]:
    """Records of the partitions assigned, from where the reader stands until it has passed these offsets.

    As many as a poll gives, often none: between two polls the caller can do something else. Each partition's
    come in order. Raises BrokerError if it does not get on for so long, however long it takes in all.
    """
    deadline, before = time.monotonic() + still_s, dict[TopicPartition, int]()
    while True:
        positions = {place: _position(reader, place) for place in ends}
        left = [place for place, end in ends.items() if positions[place] < end]
        if not left:
            return
        if positions != before:
            deadline, before = time.monotonic() + still_s, positions
        elif time.monotonic() > deadline:
            names = ", ".join(sorted(map(place_name, left)))
            raise BrokerError(
                f"{names} cannot be read to the end: nothing came in {still_s:.0f} s, as a transaction "
                "may stay open there"
            )
        polled = reader.poll(timeout_ms=POLL_MS)
        yield [(place, record) for place, records in polled.items() for record in records]


def _position(reader: Any, place: TopicPartition) -> int:
    # At first it is asked of the broker, which may not answer.
    return int(reader.position(place, timeout_ms=POLL_MS) or 0)


def answers(consumer: Any, place: TopicPartition, timeout_s: float = 2.0) -> bool:
    """Whether a broker answers a client that is there already.

    To be asked before another one is opened: kafka-python 3.0.12 leaves a thread and its sockets behind
    where it cannot connect, and a broker that stands still takes connections all the same.
    """
    try:
        consumer.end_offsets([place], timeout_ms=1000 * timeout_s)
    except KafkaError:
        return False
    return True


def place_name(place: TopicPartition) -> str:
    """As messages name it."""
    return f"{place.topic}[{place.partition}]"
