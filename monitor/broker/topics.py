"""The topics with settings that suit them: created, and compared with what the broker has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kafka.errors import TopicAlreadyExistsError

from monitor.broker.clients import explained, open_admin
from monitor.config import KafkaSettings, Settings, Topics
from monitor.errors import BrokerError

_DAY_MS = 24 * 3600 * 1000
_HOUR_MS = 3600 * 1000
SIGNAL_DAYS = 3  # how long the input is kept


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How one topic is created; sizes and times are Kafka's own units."""

    name: str
    partitions: int
    replication: int
    config: dict[str, str]


def topic_specs(topics: Topics, partitions: int = 12, replication: int = 1) -> list[TopicSpec]:
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


def create_topics(settings: KafkaSettings, partitions: int = 12, replication: int = 1) -> list[str]:
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


def partition_counts(settings: KafkaSettings) -> dict[str, int]:
    """Number of partitions of each of our topics that exists."""
    admin = open_admin(settings)
    try:
        with explained(settings):
            names = set(admin.list_topics()) & set(settings.topics.model_dump().values())
            described = admin.describe_topics(sorted(names)) if names else []
            return {topic["name"]: len(topic["partitions"]) for topic in described}
    finally:
        admin.close()


def topic_problems(settings: KafkaSettings, write_beats: bool = True) -> list[str]:
    """What is wrong with the broker's topics, a sentence each; empty if nothing is."""
    counts = partition_counts(settings)
    topics = settings.topics
    wanted = [topics.signal, topics.events, topics.state, topics.profiles, topics.deadletter]
    wanted += [topics.beats] if write_beats else []
    problems = [f"topic {name} does not exist" for name in wanted if name not in counts]
    signal = counts.get(topics.signal)
    for mirror in (topics.state, topics.profiles, topics.beats):
        if signal is not None and mirror in wanted and counts.get(mirror, signal) != signal:
            problems.append(
                f"topic {mirror} has {counts[mirror]} partitions, wanted {signal}, as many as {topics.signal}"
            )
    return problems


def check_topics(settings: Settings) -> None:
    """Raise BrokerError with all that is wrong with the topics."""
    problems = topic_problems(settings.kafka, settings.delivery.write_beats)
    if problems:
        raise BrokerError(f"{'; '.join(problems)} (`ecg-monitor topics` creates what is missing)")
