"""Gauges that follow the wall clock and the broker: lag, silent streams, open episodes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from kafka import TopicPartition

from monitor.config import Settings
from monitor.detect.interface import Source, StreamDetector
from monitor.worker.metrics import Metrics
from monitor.worker.partition import Partition

UPDATE_S = 1.0
GONE_AFTER_S = 3600.0  # a stream silent for longer was taken off rather than has failed


class Gauges:
    """Brings the gauges up to date about once a second; nothing here moves an event."""

    def __init__(self, settings: Settings, detector: StreamDetector, metrics: Metrics, consumer: Any) -> None:
        self._silent_after_s = settings.metrics.silent_after_s
        metrics.streams_awake_limit.set(settings.state.max_awake)
        self._detector = detector
        self._metrics = metrics
        self._consumer = consumer
        self._seen_s: dict[Source, float] = {}  # stream and partition → monotonic time of its last record
        self._reached_ms: dict[TopicPartition, int] = {}  # timestamp of the last record processed
        self._next_s = 0.0

    def saw(self, sources: Iterable[Source]) -> None:
        """These streams have just sent, in these partitions."""
        self._seen_s.update(dict.fromkeys(sources, time.monotonic()))

    def reached(self, place: TopicPartition, timestamp_ms: int) -> None:
        """The last record processed of a partition bears this time."""
        self._reached_ms[place] = timestamp_ms

    def forget(self, place: TopicPartition, streams: Iterable[str]) -> None:
        """A partition and its streams are no longer ours."""
        self._reached_ms.pop(place, None)
        for stream in streams:
            self._seen_s.pop((stream, place.partition), None)
        for gauge in (self._metrics.lag_records, self._metrics.lag_seconds):
            gauge.labels(place.topic, str(place.partition))  # remove() complains of labels never used
            gauge.remove(place.topic, str(place.partition))

    def topics(self, counts: Mapping[str, int]) -> None:
        """So many partitions each topic has."""
        for name, count in counts.items():
            self._metrics.topic_partitions.labels(name).set(count)

    def update(self, owned: Mapping[TopicPartition, Partition]) -> None:
        """Set every gauge, at most once in UPDATE_S."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + UPDATE_S
        self._seen_s = {source: at for source, at in self._seen_s.items() if now_s - at <= GONE_AFTER_S}
        self._set_streams(now_s)
        self._metrics.streams_learning.set(self._detector.learning())
        self._metrics.rate_drift.set(self._detector.rate_drift())
        self._metrics.episodes_open.set(self._detector.open_episodes())
        self._metrics.partitions.set(len(owned))
        self._metrics.streams_awake.set(sum(partition.awake for partition in owned.values()))
        self._metrics.streams_known.set(sum(map(len, owned.values())))
        for place, partition in owned.items():
            self._set_lag(place, partition.next_offset)

    def _set_streams(self, now_s: float) -> None:
        known = {stream for stream, _ in self._seen_s}
        sending = Counter(s for (s, _), at in self._seen_s.items() if now_s - at <= self._silent_after_s)
        self._metrics.streams_silent.set(len(known) - len(sending))
        self._metrics.streams_active.set(len(sending))
        self._metrics.streams_in_two_partitions.set(sum(places > 1 for places in sending.values()))

    def _set_lag(self, place: TopicPartition, next_offset: int) -> None:
        end = self._consumer.highwater(place)
        lag = max(0, (end or next_offset) - next_offset)
        labels = place.topic, str(place.partition)
        self._metrics.lag_records.labels(*labels).set(lag)
        reached_ms = self._reached_ms.get(place)
        age_s = time.time() - reached_ms / 1000 if lag and reached_ms else 0.0
        self._metrics.lag_seconds.labels(*labels).set(max(0.0, age_s))
