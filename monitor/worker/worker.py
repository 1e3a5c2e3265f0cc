"""The daemon's loop: poll, decode, detect, and commit output together with the input's offsets."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

from kafka import TopicPartition

from monitor.broker.clients import explained, open_consumer
from monitor.broker.kept_states import KeptStates
from monitor.broker.polls import Polls
from monitor.broker.reading import place_name, poll_once
from monitor.broker.topic_watch import TopicIdentity, TopicWatch
from monitor.broker.topics import check_topics
from monitor.broker.transactions import Deadline
from monitor.config import Settings
from monitor.detect.interface import StreamDetector
from monitor.errors import BrokerError
from monitor.lifetime import FORCED_EXIT, Watchdog, quit_at_once
from monitor.processes import handling
from monitor.worker.assignment import Assignment, Joining
from monitor.worker.batches import Batches
from monitor.worker.commits import Committer
from monitor.worker.delivery import Delivery, OutcomeUnknownError, open_delivery
from monitor.worker.gauges import GONE_AFTER_S, Gauges
from monitor.worker.health import Health
from monitor.worker.metrics import Metrics
from monitor.worker.partition import Partition
from monitor.worker.profile_reader import ProfileReader
from monitor.worker.recovery import StateReading, start_points
from monitor.worker.settings import SettingsInForce
from monitor.worker.streams import Streams
from monitor.worker.suspects import TURN_S, Batch

logger = logging.getLogger(__name__)
JOIN_S = 0.1  # a poll of a group that has not settled; signals wait no longer
IDLE_S = 0.02  # added to the latency of a record that finds the worker idle
TAKE_UP_S = 8.0  # of getting nowhere with taking up partitions; then it is tried again, and goes on there
TAKE_UP_SLICE_S = 0.1  # of a turn of the loop: polls go on meanwhile, and partitions that are taken up
TAKE_UP_RETRY_S = 0.5
LEAVE_S, CLOSE_S = 3.0, 6.0  # to leave the group, and for all closing together, of lifetime.OUT_S


class Worker:
    """One process's share of a consumer group. Exactly one thread calls everything here but `stop`."""

    def __init__(
        self, settings: Settings, detector: StreamDetector, metrics: Metrics, health: Health
    ) -> None:
        self._settings = settings
        self._detector = detector
        self._metrics = metrics
        self._health = health
        self._in_force = SettingsInForce(metrics)
        self._profiles = ProfileReader(settings.kafka, self._in_force.learn)
        quick = {"connect_timeout_s": min(TAKE_UP_S, settings.kafka.connect_timeout_s)}
        kafka = settings.kafka.model_copy(update=quick)
        self._kept = KeptStates(kafka, settings.state.memory_mb << 20)
        self._state = StateReading(kafka, self._kept)
        self._streams = Streams(settings.state, detector, self._in_force, metrics, self._kept)
        self._batches = Batches(
            detector, metrics, settings.kafka.topics, settings.delivery, self._in_force, self._streams
        )
        self._polls = Polls(settings.kafka.max_poll_records)
        self._owned: dict[TopicPartition, Partition] = {}
        self._consumer: Any = None
        self._delivery: Delivery | None = None
        self._watch: TopicWatch | None = None
        self._identity = TopicIdentity(settings.kafka.topics.signal)
        self._untaken: set[TopicPartition] = set()  # ours, but their state is not here yet
        self._taking: tuple[frozenset[TopicPartition], Iterator[None]] | None = None  # what goes on
        self._retry_s = 0.0  # before which taking up is not tried again
        self._stop = False
        self._watchdog = Watchdog(lambda: health.turns, settings.metrics.stalled_after_s)

    def stop(self) -> None:
        """Ask the loop to finish its batch, commit and leave."""
        self._stop = True
        self._watchdog.leave()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """SIGTERM or SIGINT: stop in order; a second time, or before there is anything to finish, at once."""
        if self._stop:
            os._exit(FORCED_EXIT)  # not even an open transaction is waited for
        if not self._health.turns:
            quit_at_once(number, frame)
        self.stop()

    def run(self) -> None:
        """Work until stopped; raises BrokerError where only a restart can help."""
        with handling(self._handle), explained(self._settings.kafka), self._watchdog:
            try:
                self.startup()
                self.main_loop()
                # Not after an error: a batch cut short must not be committed in part.
                self._committer.commit_all(self._owned)
            finally:
                self._watchdog.leave()
                self.shutdown()

    def startup(self) -> None:
        """Connect, fence an earlier life, and join the group."""
        counts = check_topics(self._settings)
        self._consumer = open_consumer(self._settings.kafka)
        self._delivery = open_delivery(self._settings, self._consumer)
        self._assignment = Assignment(self._consumer.pause)
        self._consumer.subscribe([self._settings.kafka.topics.signal], listener=self._assignment)
        self._joining = Joining(self._consumer)
        self._committer = Committer(
            *(self._settings, self._detector, self._metrics, self._consumer, self._delivery),
            *(self._in_force, self._streams),
        )
        self._profiles.open()
        self._gauges = Gauges(self._settings, self._detector, self._metrics, self._consumer)
        self._gauges.topics(counts)
        self._watch = TopicWatch(self._settings, counts)
        self._watch.start()
        self._health.model_loaded = self._health.broker_reachable = True
        self._metrics.begin(self._detector, self._settings.kafka)
        self._health.advance()
        logger.info("worker started, delivery %s", self._settings.delivery.mode)

    def main_loop(self) -> None:
        """Poll and process until stopped. No transaction is ever open during a poll."""
        while not self._stop:
            polled = self._poll()
            self._profiles.follow()
            self._look_at_topics()
            self._health.advance()
            self._apply_assignment()
            self._process(polled)
            self._health.advance()
            self._commit()
            self._streams.put_to_sleep(self._owned.values())
            self._gauges.update(self._owned)
            self._health.broker_reachable = self._committer.healthy and self._joining.in_touch
            self._health.advance()
            self._metrics.last_loop.set_to_current_time()

    def _poll(self) -> Mapping[TopicPartition, Sequence[Any]]:
        settled = self._joining.watch()
        # Fetching goes on in the background, and noida-db answers an empty fetch at once: no long poll.
        polled = poll_once(self._consumer, 0 if settled else round(1000 * JOIN_S), self._polls.max_records)
        if polled is None:
            self._put_back(dict.fromkeys(self._owned.values(), ()))
            polled = {}
        if settled and not polled:
            time.sleep(IDLE_S)
        return polled

    def shutdown(self) -> None:
        """Leave the group (a static member stays in it until its session times out) and close."""
        self._metrics.up.set(0)
        deadline = Deadline(CLOSE_S)
        if self._watch is not None:
            self._watch.stop()
        if self._consumer is not None:
            self._consumer.close(timeout_ms=round(1000 * LEAVE_S))
        if self._delivery is not None:
            self._delivery.close(deadline.left_s)
        self._profiles.close(deadline.left_s)
        self._kept.close()
        logger.info("worker stopped")

    def _process(self, polled: Mapping[TopicPartition, Sequence[Any]]) -> None:
        if self._identity.is_another(self._consumer, [each.topic_id for each in self._owned.values()]):
            self._start_over("the topic that is read was made anew")
            return  # what was polled may be of either
        taken, left = self._polls.take({place: polled[place] for place in polled if place in self._owned})
        for place, offset in left.items():
            self._consumer.seek(place, offset)
        batch = {self._owned[place]: records for place, records in taken.items()}
        suspects, began = self._batches.suspects, time.monotonic()
        for part in suspects.parts(batch) if batch else ():
            if time.monotonic() - began > TURN_S or not self._note(batch, part):
                self._put_back(batch)
                return
            try:
                self._gauges.saw(self._batches.process(part))
            except BrokerError as error:
                logger.warning("streams that send again wait for their state: %s", error)
                self._put_back(batch)
                return
            except Exception as error:  # noqa: BLE001  whatever it is, a restart would meet it again
                suspects.failed(part, error)
                self._start_over("a record made us fail")
                return
            suspects.passed(part)
            self._health.advance()
            for partition, records in part.items():
                self._gauges.reached(partition.place, records[-1].timestamp)

    def _put_back(self, batch: Batch) -> None:
        for partition in set(batch) & set(self._owned.values()):  # none if all are taken up again
            self._consumer.seek(partition.place, partition.next_offset)

    def _note(self, batch: Batch, part: Batch) -> bool:
        """Let the commit say what is judged next, where that is called for; False if it cannot be now."""
        marks = self._batches.suspects.marks(self._owned, batch, part)
        try:
            if not marks or self._committer.note(self._owned, marks):
                return True
            time.sleep(IDLE_S)
        except OutcomeUnknownError as error:
            self._start_over(str(error))
        return False

    def _commit(self) -> None:
        try:
            self._committer.commit_if_due(self._owned)
        except OutcomeUnknownError as error:
            self._start_over(str(error))

    def _start_over(self, why: str) -> None:
        """Drop what is not committed; every partition is taken up again from its commit."""
        logger.warning("taking up %d partitions again from their commit: %s", len(self._owned), why)
        owned = set(self._owned)
        for place in owned:
            self._drop(place)
        self._assignment.again(owned & self._consumer.assignment())

    def _apply_assignment(self) -> None:
        gone, gained, changes = self._assignment.take()
        for change in changes:
            self._metrics.rebalances.labels(change).inc()
        for place in gone:
            self._drop(place)
        self._untaken = (self._untaken - gone) | gained
        self._state.forget(place.partition for place in gone)
        # One whose state has no place stays paused and harms no other.
        ready = self._untaken if self._watch is None else self._watch.ready(self._untaken)
        self._get_on(frozenset(ready), anew=gone | gained)
        self._health.assigned = self._assignment.known and not self._untaken

    def _get_on(self, ready: frozenset[TopicPartition], anew: set[TopicPartition]) -> None:
        """Take up what is ready for a while; another set of them begins again with what has been read."""
        if self._taking is not None and (self._taking[0] != ready or ready & anew):
            self._taking = None
        if not ready or time.monotonic() < self._retry_s:
            return
        _, going = self._taking = self._taking or (ready, self._take_up(sorted(ready)))
        until_s = time.monotonic() + TAKE_UP_SLICE_S
        try:
            for _ in going:
                self._health.advance()
                if self._stop or time.monotonic() >= until_s:
                    return
            self._untaken -= ready
        except BrokerError as error:
            self._retry_s = time.monotonic() + TAKE_UP_RETRY_S
            logger.warning("partitions cannot be taken up yet: %s", error)
        self._taking = None

    def _look_at_topics(self) -> None:
        """Take in what the watch has seen; what nobody reads is assigned anew, if need be by asking twice."""
        seen = None if self._watch is None else self._watch.take()
        if seen is None:
            return
        self._health.topic_problems = seen.problems
        self._gauges.topics(seen.counts)
        self._profiles.cover(seen.counts.get(self._settings.kafka.topics.profiles, 0))
        self._identity.tell(seen.signal_id)
        if seen.unread:
            logger.warning("partitions %s are read by nobody, joining again", sorted(seen.unread))
            self._joining.again(seen.insist)

    def _drop(self, place: TopicPartition) -> None:
        # What was processed and not committed goes too: the next owner does it again from the commit.
        if (partition := self._owned.pop(place, None)) is not None:
            self._streams.drop(partition)
            self._gauges.forget(place, partition.streams)

    def _take_up(self, places: list[TopicPartition]) -> Iterator[None]:
        began = time.monotonic()
        if self._delivery is not None:
            self._delivery.settle()
            yield
        member_id = self._consumer.group_metadata().member_id  # before all that is read, which is no older
        settings, state = self._settings, self._state
        once = settings.delivery.mode == "exactly_once"
        points = yield from start_points(self._consumer, settings.kafka, places, state, TAKE_UP_S, once)
        yield from self._profiles.catch_up(TAKE_UP_S)  # their last owner may have known of others
        for place, start in points.items():
            for stream, snapshot in start.snapshots.items():
                self._in_force.take_up(stream, snapshot.setting, place.partition)
            self._metrics.count_start(start.lost, start.astray, start.refused)
            owned = self._owned[place] = Partition(place, start, settings.delivery, settings.state, member_id)
            self._consumer.seek(place, start.replay)
            self._gauges.saw((name, place.partition) for name in owned.seen_within(GONE_AFTER_S))
            self._health.advance()
            what = place_name(place), start.replay, start.committed, len(owned)
            logger.info("%s from %d, output from %d, %d streams", *what)
        state.forget(place.partition for place in places)
        self._consumer.resume(*places)
        logger.info("took up %d partitions in %.1f s", len(places), time.monotonic() - began)
