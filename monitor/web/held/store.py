"""All that the page knows: written by the thread that reads Kafka, read by those that answer browsers."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from monitor.formats.beats import ScoredWindows
from monitor.formats.chunks import Chunk
from monitor.formats.profiles import Profile
from monitor.formats.reviews import Review, standing
from monitor.web.held.beats import BeatsHeld
from monitor.web.held.events import EventHeld, EventsHeld
from monitor.web.held.frames import FrameMaker
from monitor.web.held.history import SignalHistory

MAX_REVIEWS = 50_000
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class StreamHeld:
    """What is known of one stream."""

    history: SignalHistory
    received_us: int = 0  # when its last record came
    frames: FrameMaker = field(default_factory=FrameMaker)
    beats: BeatsHeld = field(default_factory=BeatsHeld)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be held, whatever is sent."""

    history_s: float  # of signal of a stream
    memory_bytes: int  # of signal in all
    max_streams: int
    forget_after_s: float  # without a record


class Store:
    """Signal, windows, events, verdicts and profiles in memory.

    Every method takes the lock itself and holds it for well under a millisecond for a stream.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._lock = threading.RLock()
        self._streams: dict[str, StreamHeld] = {}
        self._events = EventsHeld()
        self._reviews: dict[str, list[Review]] = defaultdict(list)  # by stream, in the topic's order
        self._review_ids: dict[str, str] = {}  # the stream of each
        self._profiles: dict[str, Profile] = {}
        self._bytes = 0
        self._refused = 0  # records of streams beyond max_streams, since last asked

    def take_chunk(
        self, chunk: Chunk, value: bytes, content_type: str, received_us: int, *, recent: bool
    ) -> bytes | None:
        """Keep a chunk as received; returns its frame for those who watch, if it is `recent`."""
        with self._lock:
            known = self._open(chunk.stream)
            if known is None:
                return None
            known.received_us = max(known.received_us, received_us)
            before = known.history.bytes
            held = known.history.add(chunk, value, content_type)
            self._bytes += known.history.bytes - before
            # When all is full, a stream's new record takes the place of its own oldest ones.
            while self._bytes > self.limits.memory_bytes and len(known.history) > 1:
                before = known.history.bytes
                known.history.drop_oldest()
                self._bytes += known.history.bytes - before
            return known.frames.push(held, chunk) if recent and held is not None else None

    def take_windows(self, windows: ScoredWindows) -> None:
        """Keep scored windows, each with its stream."""
        with self._lock:
            for index, stream in enumerate(windows.stream):
                known = self._open(stream)
                if known is not None:
                    known.beats.take(windows, index)

    def take_event(self, held: EventHeld) -> bool:
        """Keep an event; False if it is there already."""
        with self._lock:
            return self._events.add(held)

    def take_review(self, review: Review) -> bool:
        """Keep a verdict; False if it is there already, as one is that was written from here."""
        with self._lock:
            if review.id in self._review_ids:
                return False
            self._review_ids[review.id] = review.stream
            self._reviews[review.stream].append(review)
            if len(self._review_ids) > MAX_REVIEWS:
                oldest = next(iter(self._review_ids))
                stream = self._review_ids.pop(oldest)
                self._reviews[stream] = [each for each in self._reviews[stream] if each.id != oldest]
            return True

    def take_profile(self, stream: str, profile: Profile | None) -> None:
        """Keep a stream's settings in place of those before; None: it has none any more."""
        with self._lock:
            if profile is None:
                self._profiles.pop(stream, None)
            elif stream in self._profiles or len(self._profiles) < 10 * self.limits.max_streams:
                self._profiles[stream] = profile

    def forget_silent(self, now_us: int) -> None:
        """Drop the signal of streams that have sent nothing for long; their events stay."""
        with self._lock:
            for name, known in list(self._streams.items()):
                if now_us - known.received_us > self.limits.forget_after_s * 1e6:
                    self._bytes -= known.history.bytes
                    del self._streams[name]

    def each(self, what: Callable[[str, StreamHeld], T]) -> list[T]:
        """What `what` makes of each stream that has signal, under the lock."""
        with self._lock:
            return [what(name, known) for name, known in self._streams.items() if len(known.history)]

    def look(self, stream: str, what: Callable[[StreamHeld], T]) -> T | None:
        """What `what` takes from one stream under the lock; None without signal of it."""
        with self._lock:
            known = self._streams.get(stream)
            return what(known) if known is not None and len(known.history) else None

    def frames(self, stream: str) -> list[bytes]:
        """The last seconds of a stream as frames."""
        return self.look(stream, lambda known: known.frames.recent) or []

    def profile(self, stream: str) -> Profile | None:
        """A stream's settings, if it has any."""
        with self._lock:
            return self._profiles.get(stream)

    def events(self, stream: str | None = None) -> list[EventHeld]:
        """Events of a stream, or all, in order of arrival."""
        with self._lock:
            return list(self._events) if stream is None else self._events.of(stream)

    def event(self, event_id: str) -> EventHeld | None:
        """One event by its id, if it is held."""
        with self._lock:
            return self._events.get(event_id)

    def last_event(self, stream: str) -> EventHeld | None:
        """A stream's last event about the patient, or else about the measurement."""
        with self._lock:
            return self._events.last(stream)

    def open_episodes(self, stream: str, session: str) -> list[EventHeld]:
        """Episodes of a session that have begun and not ended."""
        with self._lock:
            return self._events.open(stream, session)

    def reviews(self, stream: str) -> list[Review]:
        """A stream's verdicts in the topic's order, undone ones and undos among them."""
        with self._lock:
            return list(self._reviews.get(stream, ()))

    def review(self, review_id: str) -> Review | None:
        """One verdict by its id."""
        with self._lock:
            stream = self._review_ids.get(review_id)
            own = self._reviews.get(stream, []) if stream is not None else []
            return next((each for each in own if each.id == review_id), None)

    def review_on(self, held: EventHeld) -> Review | None:
        """The last verdict on an event that stands."""
        own = [each for each in self.reviews(held.event.stream) if each.event_id == held.id]
        left = standing(own)
        return left[-1] if left else None

    def knows(self, stream: str) -> bool:
        """True if there is anything of this stream."""
        with self._lock:
            return stream in self._streams or bool(self._events.of(stream))

    def counts(self) -> dict[str, int]:
        """How much is held: streams, events, verdicts, signal_bytes."""
        with self._lock:
            return {
                "streams": len(self._streams),
                "events": len(self._events),
                "verdicts": len(self._review_ids),
                "signal_bytes": self._bytes,
            }

    def take_refused(self) -> int:
        """Records and windows of streams beyond max_streams that came since this was last asked."""
        with self._lock:
            refused, self._refused = self._refused, 0
            return refused

    def page_event(self, held: EventHeld) -> dict[str, Any]:
        """An event as the page gets it: the CloudEvent's data, its id, and the verdict on it."""
        return {"muted": False} | held.data | {"id": held.id, "verdict": self.review_on(held)}

    def _open(self, stream: str) -> StreamHeld | None:
        known = self._streams.get(stream)
        if known is None:
            if len(self._streams) >= self.limits.max_streams:
                self._refused += 1
                return None
            known = self._streams[stream] = StreamHeld(SignalHistory(self.limits.history_s))
        return known
