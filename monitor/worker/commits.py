"""When to commit, what a commit holds, and what becomes of one that fails."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from kafka import TopicPartition
from kafka.structs import ConsumerGroupMetadata, MemberState

from monitor.config import Settings
from monitor.detect.interface import StreamDetector
from monitor.worker.delivery import Delivery, OutcomeUnknownError, Outgoing, Parcel
from monitor.worker.metrics import Metrics
from monitor.worker.partition import Partition, Pending
from monitor.worker.positions import Mark, snapshot_headers
from monitor.worker.settings import SettingsInForce
from monitor.worker.streams import Streams

logger = logging.getLogger(__name__)
MOST_FORGOTTEN = 100  # stale streams of a partition in one commit: it must not take long
RETRY_S = 0.2  # between attempts of a commit that failed
LAST_ATTEMPTS, LAST_S = 5, 2.0  # on shutdown; none begins after so long

Owned = Mapping[TopicPartition, Partition]
Names = Mapping[TopicPartition, list[str]]  # of streams


class Committer:
    """Commits pending output of the owned partitions as one parcel."""

    def __init__(
        self,
        settings: Settings,
        detector: StreamDetector,
        metrics: Metrics,
        consumer: Any,
        delivery: Delivery,
        in_force: SettingsInForce,
        streams: Streams,
    ) -> None:
        self._settings = settings
        self._detector = detector
        self._metrics = metrics
        self._consumer = consumer
        self._delivery = delivery
        self._in_force = in_force
        self._streams = streams
        self._committed_s = time.monotonic()  # end of the last attempt that had nothing left to do
        self._retry_s = 0.0  # not before this
        self._failing_since_s: float | None = None  # commits are refused; they are tried for ever
        self._held = False

    @property
    def healthy(self) -> bool:
        """False while commits fail."""
        return self._failing_since_s is None

    def commit_if_due(self, owned: Owned) -> None:
        """Commit at once if an event waits, else at the interval; hold the input while none gets through."""
        now_s = time.monotonic()
        if self._is_due(owned, now_s) and now_s >= self._retry_s:
            self._try_commit(owned, everything=False)
        pending = sum(partition.pending.inputs for partition in owned.values())
        self._metrics.pending_records.set(pending)
        self._hold(pending >= self._settings.delivery.max_pending_records)

    def note(self, owned: Owned, marks: Mapping[TopicPartition, Mark]) -> bool:
        """Commit what is pending and, by partition, what is judged next; False if it may not be yet."""
        return time.monotonic() >= self._retry_s and self._try_commit(owned, everything=False, marks=marks)

    def commit_all(self, owned: Owned) -> None:
        """On shutdown: commit what is pending with a snapshot of every stream; a few attempts."""
        deadline_s = time.monotonic() + LAST_S
        for _ in range(LAST_ATTEMPTS):
            try:
                if self._try_commit(owned, everything=True):
                    return
            except OutcomeUnknownError as error:
                logger.warning("%s", error)
                break
            if time.monotonic() > deadline_s:
                break
            time.sleep(RETRY_S)
        logger.error("left without a last commit: the next owner does the last records again")

    def _is_due(self, owned: Owned, now_s: float) -> bool:
        delivery = self._settings.delivery
        if any(partition.pending.events or partition.passed for partition in owned.values()):
            return True
        if sum(partition.pending.inputs for partition in owned.values()) >= delivery.max_pending_records:
            return True
        return now_s - self._committed_s >= delivery.commit_interval_s

    def _try_commit(
        self, owned: Owned, everything: bool, marks: Mapping[TopicPartition, Mark] | None = None
    ) -> bool:
        began = time.monotonic()
        due = {place: partition.due(began, everything) for place, partition in owned.items()}
        said = {place: partition.following_mark(everything) for place, partition in owned.items()}
        said.update(marks or {})
        wanted = {place for place in due if due[place]} | set(marks or ())
        changed = {
            place: partition
            for place, partition in owned.items()
            if partition.changed(clean=everything) or place in wanted
        }
        if not changed:
            self._committed_s = began
            return True
        member = self._member(changed)
        if member is None:
            self._not_now()
            return False
        return self._deliver(changed, due, said, member, began)

    def _deliver(
        self,
        changed: Owned,
        due: Names,
        said: Mapping[TopicPartition, Mark | None],
        member: ConsumerGroupMetadata,
        began: float,
    ) -> bool:
        # Not if all its chunks were refused.
        written = {
            place: [name for name in due[place] if self._detector.holds(name, place.partition)]
            for place in changed
        }
        stale = {place: partition.forgettable(MOST_FORGOTTEN) for place, partition in changed.items()}
        parcel = self._parcel(member, changed, written, stale)
        parcel.offsets.update(
            {place: partition.entry(due[place], said[place]) for place, partition in changed.items()}
        )
        if not self._delivery.deliver(parcel):
            self._failed(began)
            return False
        at = iter(self._delivery.placed)
        done = [
            partition.commit(due[place], began, {name: next(at) for name in written[place]}, said[place])
            for place, partition in changed.items()
        ]
        for place, partition in changed.items():
            self._streams.forget(partition, stale[place])
        self._succeeded(parcel.snapshots, done)
        return True

    def _member(self, changed: Owned) -> ConsumerGroupMetadata | None:
        """As whom to commit these partitions; None while the group settles."""
        member: ConsumerGroupMetadata = self._consumer.group_metadata()
        if member.state is not MemberState.STABLE or member.generation_id < 0:
            # Without a generation the broker could not tell us from a stranger and would take
            # offsets of partitions that others own.
            return None
        if any(partition.member_id != member.member_id for partition in changed.values()):
            # The group had given us up, and kafka-python tells nobody of partitions that it gives back.
            raise OutcomeUnknownError("others may have had our partitions: the group knows us by another id")
        return member

    def _parcel(self, member: ConsumerGroupMetadata, changed: Owned, written: Names, stale: Names) -> Parcel:
        parcel = Parcel(records=[], snapshots=[], offsets={}, member=member)
        for place, partition in changed.items():
            parcel.records.extend(partition.pending.records)
            # They go before the snapshots: a stream that was crowded out may have come back.
            gone = [*partition.pending.crowded_out, *stale[place]]
            parcel.records.extend(self._tombstone(partition, name) for name in gone)
            parcel.snapshots.extend(self._snapshot(partition, name) for name in written[place])
        return parcel

    def _snapshot(self, partition: Partition, stream: str) -> Outgoing:
        kafka, place = self._settings.kafka, partition.place.partition
        headers = snapshot_headers(
            kafka.group_id,
            partition.next_offset,
            self._in_force.name(stream, place),
            partition.topic_id,
            partition.last(stream),
        )
        state = self._detector.snapshot(stream, place)
        return Outgoing(kafka.topics.state, stream.encode(), state, headers, place)

    def _tombstone(self, partition: Partition, stream: str) -> Outgoing:
        kafka = self._settings.kafka
        headers = snapshot_headers(kafka.group_id, partition.next_offset, None, partition.topic_id)
        return Outgoing(kafka.topics.state, stream.encode(), None, headers, partition.place.partition)

    def _failed(self, began: float) -> None:
        self._failing_since_s = self._failing_since_s or began
        self._metrics.commits.labels("aborted").inc()
        self._not_now()

    def _not_now(self) -> None:
        self._retry_s = time.monotonic() + RETRY_S

    def _succeeded(self, snapshots: Sequence[Outgoing], done: list[Pending]) -> None:
        self._committed_s = time.monotonic()
        self._failing_since_s = None
        metrics = self._metrics
        metrics.commits.labels("committed").inc()
        metrics.last_commit.set_to_current_time()
        metrics.time_stages(self._delivery.stage_seconds)
        metrics.snapshots.inc(len(snapshots))
        metrics.snapshot_bytes.inc(sum(len(record.value or b"") for record in snapshots))
        now_us = time.time_ns() // 1000
        for pending in done:
            self._count(pending, now_us)

    def _count(self, pending: Pending, now_us: int) -> None:
        for kind, time_us, muted in pending.events:
            counter = self._metrics.muted_events if muted else self._metrics.events
            counter.labels(str(kind)).inc()
            self._metrics.latency.labels("event").observe(max(0.0, (now_us - time_us) / 1e6))
        for kind in pending.alarms:
            self._metrics.alarms.labels(str(kind)).inc()
        windows = self._metrics.latency.labels("window")
        for time_us in pending.windows_us:
            windows.observe(max(0.0, (now_us - time_us) / 1e6))
        for reason in pending.dead:
            self._metrics.dead_letters.labels(reason).inc()

    def _hold(self, full: bool) -> None:
        # Back-pressure: nothing is dropped, fetching stops until a commit gets through.
        places = self._consumer.assignment()
        if full and places:
            self._consumer.pause(*places)
        elif self._held:
            self._consumer.resume(*places)
        self._held = full
        self._metrics.paused.set(full)
