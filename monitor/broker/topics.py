"""The topics with settings that suit them: created, and compared with what the broker has."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kafka.errors import TopicAlreadyExistsError

from monitor.broker.clients import explained, listens, open_admin
from monitor.config import KafkaSettings, Settings, Topics
from monitor.errors import BrokerError

_DAY_MS = 24 * 3600 * 1000
_HOUR_MS = 3600 * 1000
SIGNAL_DAYS = 3  # how long the input is kept
PARTITIONS = 12  # of topics made without being told how many
LOOK_S = 3.0  # for an answer about a topic; the loop waits for it
RAISED_S = 15.0  # for a partition that was added to be seen


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How one topic is created; sizes and times are Kafka's own units."""

    name: str
    partitions: int
    replication: int
    config: dict[str, str]


def topic_specs(topics: Topics, partitions: int = PARTITIONS, replication: int = 1) -> list[TopicSpec]:
    """What to create: `state`, `beats`, `profiles` and `feedback` mirror the partitions of `signal`."""
    keep = {
        topics.signal: _delete(SIGNAL_DAYS, segment_hours=1),
        topics.events: _delete(400, segment_hours=24 * 7),
        topics.beats: _delete(7, segment_hours=6),
        topics.deadletter: _delete(28, segment_hours=24),
        # Small segments: only closed ones are compacted, and a restart reads the partition from its start.
        topics.state: {
            "cleanup.policy": "compact",
            "segment.ms": str(10 * 60 * 1000),
            "segment.bytes": str(64 << 20),
            "min.cleanable.dirty.ratio": "0.1",
            "max.compaction.lag.ms": str(_HOUR_MS),
            "delete.retention.ms": str(_DAY_MS),
        },
        # Nothing is compacted away that the input still to be read could have been judged by.
        topics.profiles: {
            "cleanup.policy": "compact",
            "segment.ms": str(_DAY_MS),
            "min.compaction.lag.ms": str(SIGNAL_DAYS * _DAY_MS),
            "delete.retention.ms": str(SIGNAL_DAYS * _DAY_MS),
        },
        topics.feedback: _delete(3650, segment_hours=24 * 28),
    }
    compression = {"compression.type": "producer"}
    return [
        TopicSpec(name, 1 if name == topics.deadletter else partitions, replication, config | compression)
        for name, config in keep.items()
    ]


def _delete(days: int, segment_hours: int) -> dict[str, str]:
    # segment.ms goes with retention.ms: only whole segments are deleted.
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(days * _DAY_MS),
        "segment.ms": str(segment_hours * _HOUR_MS),
    }


def create_topics(settings: KafkaSettings, partitions: int = PARTITIONS, replication: int = 1) -> list[str]:
    """Create what is missing; returns the names of the topics that were created."""
    admin = open_admin(settings)
    try:
        with explained(settings):
            there = set(admin.list_topics())
            missing = [
                spec
                for spec in topic_specs(settings.topics, partitions, replication)
                if spec.name not in there
            ]
            for spec in missing:
                _create(admin, spec)
            return [spec.name for spec in missing]
    finally:
        admin.close()


def differ(first: str | None, second: str | None) -> bool:
    """Whether two ids are of two topics; of one that is not known nothing can be said."""
    return first is not None and second is not None and first != second


def _create(admin: Any, spec: TopicSpec) -> None:
    wanted = {
        "num_partitions": spec.partitions,
        "replication_factor": spec.replication,
        "configs": spec.config,
    }
    try:
        admin.create_topics({spec.name: wanted}, wait_for_metadata=True)
    except TopicAlreadyExistsError:
        return  # another process was quicker


def raise_partitions(settings: KafkaSettings, partitions: int) -> dict[str, int]:
    """Give the topics that follow the streams so many partitions; returns what each that was raised had.

    `signal` comes last: no worker sees a partition of it whose mirrors are not there. Raises BrokerError,
    before anything is changed, if one has more: partitions cannot be taken away.
    """
    admin = open_admin(settings)
    try:
        with explained(settings):
            fewer = _fewer(settings, counts_of(admin, settings), partitions)
            for name in sorted(fewer, key=lambda name: name == settings.topics.signal):
                admin.create_partitions({name: partitions})
                _await_partitions(admin, settings, name, partitions)
        return fewer
    finally:
        admin.close()


def _fewer(settings: KafkaSettings, counts: dict[str, int], partitions: int) -> dict[str, int]:
    following = {name: count for name, count in counts.items() if name != settings.topics.deadletter}
    more = [f"{name} has {count}" for name, count in sorted(following.items()) if count > partitions]
    if more:
        raise BrokerError(
            f"topics cannot be brought to {partitions} partitions, as none can be taken away: "
            f"{', '.join(more)}; nothing was changed (wanted {max(following.values())} or more)"
        )
    return {name: count for name, count in following.items() if count < partitions}


def _await_partitions(admin: Any, settings: KafkaSettings, name: str, partitions: int) -> None:
    deadline = time.monotonic() + RAISED_S
    while counts_of(admin, settings).get(name) != partitions:
        if time.monotonic() > deadline:
            raise BrokerError(f"topic {name} has not got its {partitions} partitions in {RAISED_S:.0f} s")
        time.sleep(0.1)


def partition_counts(settings: KafkaSettings) -> dict[str, int]:
    """Number of partitions of each of our topics that exists."""
    admin = open_admin(settings)
    try:
        with explained(settings):
            return counts_of(admin, settings)
    finally:
        admin.close()


def counts_of(admin: Any, settings: KafkaSettings) -> dict[str, int]:
    """The same, asked of a client that is there already; raises what kafka-python raises."""
    return {topic["name"]: len(topic["partitions"]) for topic in described(admin, settings)}


def described(admin: Any, settings: KafkaSettings) -> list[dict[str, Any]]:
    """What the broker tells of each of our topics that exists: `name`, `topic_id`, `partitions`."""
    names = set(admin.list_topics()) & set(settings.topics.model_dump().values())
    return list(admin.describe_topics(sorted(names))) if names else []


def signal_id(settings: KafkaSettings) -> str | None:
    """The id that the input's topic was given when it was made; None if the broker gives none.

    Asked by a client of its own: one that runs knows of a topic made anew when its metadata has grown old.
    """
    # kafka-python 3.0.12 leaves a thread behind where it can't connect, so that is tried first.
    if not listens(settings):
        raise BrokerError(f"{settings.bootstrap_servers}: cannot be reached")
    admin = open_admin(settings, request_timeout_ms=round(1000 * LOOK_S))
    try:
        with explained(settings):
            return id_of(described(admin, settings), settings.topics.signal)
    finally:
        admin.close()


def id_of(topics: Iterable[Mapping[str, Any]], name: str) -> str | None:
    """The id of one of the topics described; None if it is not there, or the broker gives none."""
    found = next((topic.get("topic_id") for topic in topics if topic["name"] == name), None)
    return str(found) if found else None


def mirrors(topics: Topics, write_beats: bool = True) -> list[str]:
    """What must have as many partitions as `signal`."""
    return [topics.state, topics.profiles, *([topics.beats] if write_beats else [])]


def topic_problems(settings: KafkaSettings, write_beats: bool = True) -> list[str]:
    """What is wrong with the broker's topics, a sentence each; empty if nothing is."""
    return problems_of(settings.topics, partition_counts(settings), write_beats)


def problems_of(topics: Topics, counts: dict[str, int], write_beats: bool = True) -> list[str]:
    """The same of known numbers of partitions."""
    wanted = [topics.signal, topics.events, topics.deadletter, *mirrors(topics, write_beats)]
    problems = [f"topic {name} does not exist" for name in wanted if name not in counts]
    signal = counts.get(topics.signal)
    for mirror in mirrors(topics, write_beats):
        if signal is not None and counts.get(mirror, signal) != signal:
            problems.append(
                f"topic {mirror} has {counts[mirror]} partitions, wanted {signal}, as many as {topics.signal}"
            )
    return problems


def check_topics(settings: Settings) -> dict[str, int]:
    """The number of partitions of each topic; raises BrokerError with all that is wrong with them."""
    counts = partition_counts(settings.kafka)
    problems = problems_of(settings.kafka.topics, counts, settings.delivery.write_beats)
    if problems:
        raise BrokerError(
            f"{'; '.join(problems)} (`ecg-monitor topics` creates what is missing, with --partitions it "
            "raises what has too few)"
        )
    return counts
