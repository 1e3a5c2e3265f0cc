"""One thread that reads all topics for the page; it belongs to no group and commits nothing."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from kafka import TopicPartition
from kafka.errors import KafkaError

from monitor.broker.clients import explained, listens, open_reader
from monitor.broker.reading import offsets_of, partitions_of
from monitor.broker.unreadable import check_readable
from monitor.config import KafkaSettings, WebSettings
from monitor.errors import BrokerError, DecodeError
from monitor.formats.beats import decode_beats
from monitor.formats.chunks import content_type_of
from monitor.formats.profiles import decode_profile
from monitor.formats.reviews import decode_review
from monitor.formats.signal_records import decode_signal
from monitor.web.held.events import EventHeld, read_event
from monitor.web.held.frames import CATCH_UP_S
from monitor.web.held.store import Store
from monitor.web.metrics import WebMetrics

logger = logging.getLogger(__name__)
IDLE_S = 0.03  # noida-db answers an empty fetch at once, so a long poll would not rest
PROBE_S = 1.0  # without a record, after which the broker is asked whether it is there
PROBE_LIMIT_S = 2.0
OFFSETS_S = 10.0  # for a partition that was added to have a leader
RETRY_S = 1.0  # between attempts to reach a broker that is away
MAX_UNANSWERED = 10  # questions after which a client that reaches the broker's port is made anew
QUIET_S = 3.0  # without a record, after which the history is taken as read
TOPICS_S = 10.0  # between looks for topics that did not exist
KEEP_S = 30.0  # between rounds of forgetting silent streams
MAX_EVENTS_READ = 5000  # back from the end of each partition
BrokerState = Literal["ok", "reading", "unreachable"]


@dataclass(slots=True, eq=False)
class Fresh:
    """What one poll brought for those who watch."""

    frames: list[tuple[str, bytes]] = field(default_factory=list)  # stream, frame
    events: list[EventHeld] = field(default_factory=list)


class Feed:
    """Reads signal, windows, events, verdicts and profiles into a store; `tell` hears what is new."""

    def __init__(
        self,
        kafka: KafkaSettings,
        web: WebSettings,
        store: Store,
        metrics: WebMetrics,
        tell: Callable[[Fresh], object],
    ) -> None:
        self._kafka, self._web, self._store, self._metrics, self._tell = kafka, web, store, metrics, tell
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)
        self._consumer: Any = None
        self._next: dict[TopicPartition, int] = {}  # where reading goes on, also after the broker was away
        self._behind: dict[TopicPartition, int] = {}  # ends at the beginning that have not been reached
        self._unanswered = 0
        self._read_s = self._heard_s = self._looked_s = self._kept_s = time.monotonic()
        self.state: BrokerState = "reading"
        topics = kafka.topics
        self._take: dict[str, Callable[[Any, int, Fresh], None]] = {
            topics.signal: self._take_signal,
            topics.beats: self._take_beats,
            topics.events: self._take_event,
            topics.feedback: self._take_review,
            topics.profiles: self._take_profile,
        }
        self._back_s = {
            topics.signal: web.history_s,
            topics.beats: web.history_s,
            topics.events: web.events_back_h * 3600,
        }

    def start(self) -> None:
        """Begin to read; a broker that is not there is waited for."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """True while the thread goes round, whether or not the broker answers."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Stop reading and leave the broker."""
        self._stop.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._connect()
                while not self._stop.is_set():
                    self._round()
            except (BrokerError, KafkaError, OSError) as error:
                self._lost(error)
                self._stop.wait(RETRY_S)
            finally:
                self._close()

    def _connect(self) -> None:
        # kafka-python 3.0.12 leaves a thread behind where it can't connect; this may go on for days.
        if not listens(self._kafka):
            raise BrokerError(f"{self._kafka.bootstrap_servers}: nothing listens there")
        quick = self._kafka.model_copy(update={"connect_timeout_s": min(5.0, self._kafka.connect_timeout_s)})
        self._consumer = open_reader(quick, max_poll_records=500)
        self._assign()
        self._read_s = time.monotonic()
        self._set("reading" if self._behind else "ok")

    def _assign(self) -> None:
        """Assign all partitions of the topics that exist, new ones from as far back as they are wanted."""
        self._looked_s = time.monotonic()
        with explained(self._kafka):
            places = [place for topic in self._take for place in partitions_of(self._consumer, topic)]
            if set(places) == set(self._consumer.assignment()):
                return
            self._consumer.assign(places)
            starts = self._starts([place for place in places if place not in self._next])
            self._next |= starts
            for place in places:
                self._consumer.seek(place, self._next[place])

    def _starts(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        if not places:
            return {}
        ends = offsets_of(self._consumer.end_offsets, places, OFFSETS_S)
        begins = offsets_of(self._consumer.beginning_offsets, places, OFFSETS_S)
        now_ms = time.time() * 1000
        since = {
            place: round(now_ms - 1000 * self._back_s[place.topic])
            for place in places
            if place.topic in self._back_s
        }
        found = self._consumer.offsets_for_times(since) if since else {}
        starts = {}
        for place in places:
            start = begins[place]
            if place in since:
                start = found[place].offset if found.get(place) is not None else ends[place]
            if place.topic == self._kafka.topics.events:
                start = max(start, ends[place] - MAX_EVENTS_READ)
            starts[place] = start
            if start < ends[place]:
                self._behind[place] = ends[place]
        return starts

    def _round(self) -> None:
        with explained(self._kafka):
            polled: Mapping[TopicPartition, Sequence[Any]] = self._consumer.poll(timeout_ms=0)
        now_s = time.monotonic()
        if polled:
            self._read_s = now_s
            self._take_in(polled)
            self._heard()
        else:
            self._probe(now_s)
            self._stop.wait(IDLE_S)
        if now_s - self._looked_s > TOPICS_S:
            self._assign()
        if now_s - self._kept_s > KEEP_S:
            self._kept_s = now_s
            self._store.forget_silent(time.time_ns() // 1000)

    def _probe(self, now_s: float) -> None:
        """Ask for an end offset when nothing has come for a while: a broker that is away says nothing."""
        if now_s - self._heard_s < PROBE_S:
            return
        places = list(self._next)[:1]
        if not places:
            self._assign()
            self._heard_s = now_s
            return
        try:
            self._consumer.end_offsets(places, timeout_ms=round(1000 * PROBE_LIMIT_S))
        except KafkaError as error:
            # The client goes on trying by itself.
            self._unanswered += 1
            self._lost(error)
            if self._unanswered >= MAX_UNANSWERED and listens(self._kafka):
                raise
            return
        self._heard()

    def _heard(self) -> None:
        self._heard_s, self._unanswered = time.monotonic(), 0
        self._set("reading" if self._catching_up() else "ok")

    def _lost(self, error: Exception) -> None:
        if self.state != "unreachable":
            logger.warning("broker cannot be read: %s", error)
        self._set("unreachable")
        self._metrics.poll_errors.inc()

    def _catching_up(self) -> bool:
        # A position counts where records were compacted away or belong to an aborted transaction.
        for place, end in list(self._behind.items()):
            if max(self._next[place], self._consumer.position(place) or 0) >= end:
                del self._behind[place]
        # An open transaction hides all that follows it: live data don't wait for its end.
        if self._behind and time.monotonic() - self._read_s > QUIET_S:
            self._behind.clear()
        return bool(self._behind)

    def _take_in(self, polled: Mapping[TopicPartition, Sequence[Any]]) -> None:
        fresh = Fresh()
        live = not self._behind
        now_us = time.time_ns() // 1000
        for place, records in polled.items():
            self._metrics.records.labels(place.topic).inc(len(records))
            for record in records:
                # Of history, the broker's own time is all that tells when it came.
                received_us = now_us if live else min(now_us, 1000 * record.timestamp)
                try:
                    check_readable(record)
                    self._take[place.topic](record, received_us, fresh)
                # Whoever may write to a topic may write anything: whatever a record makes us raise, it is
                # passed over and the others are read on.
                except Exception as error:
                    self._metrics.bad_records.labels(place.topic).inc()
                    said = isinstance(error, DecodeError)
                    logger.debug("%s[%d]@%d: %s", *place, record.offset, error, exc_info=not said)
            self._next[place] = records[-1].offset + 1
        if live and (fresh.frames or fresh.events):
            self._tell(fresh)

    def _take_signal(self, record: Any, received_us: int, fresh: Fresh) -> None:
        kind = content_type_of(record)
        chunk = decode_signal(record)
        recent = received_us > time.time_ns() // 1000 - (CATCH_UP_S + 10) * 1e6
        frame = self._store.take_chunk(chunk, record.value, kind, received_us, recent=recent)
        if frame is not None:
            fresh.frames.append((chunk.stream, frame))

    def _take_beats(self, record: Any, received_us: int, fresh: Fresh) -> None:
        del received_us, fresh
        self._store.take_windows(decode_beats(record.value))

    def _take_event(self, record: Any, received_us: int, fresh: Fresh) -> None:
        held = read_event(record.value, received_us)
        if self._store.take_event(held):
            fresh.events.append(held)

    def _take_review(self, record: Any, received_us: int, fresh: Fresh) -> None:
        del received_us, fresh
        self._store.take_review(decode_review(record.value))

    def _take_profile(self, record: Any, received_us: int, fresh: Fresh) -> None:
        del received_us, fresh
        if not record.key:
            raise DecodeError("key", "record has no key, wanted the stream id")
        profile = decode_profile(record.value, record.key)
        self._store.take_profile(bytes(record.key).decode(), profile)

    def _set(self, state: BrokerState) -> None:
        if state != self.state:
            logger.info("broker: %s", state)
        self.state = state
        self._metrics.broker_up.set(state != "unreachable")

    def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with suppress(KafkaError, OSError):  # its broker may be away
                consumer.close(timeout_ms=1000)
