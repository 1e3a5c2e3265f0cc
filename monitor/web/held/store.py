"""All that the page knows: written by the thread that reads Kafka, read by those that answer browsers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from monitor.formats.beats import ScoredWindows
from monitor.formats.chunks import Chunk
from monitor.formats.profiles import Profile
from monitor.formats.reviews import Review
from monitor.web.held.beats import BeatsHeld
from monitor.web.held.events import EventHeld, EventsHeld
from monitor.web.held.frames import FrameMaker
from monitor.web.held.history import SignalHistory
from monitor.web.held.limits import PROFILE_BYTES, Limits, weigh
from monitor.web.held.reviews import ReviewsHeld

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class StreamHeld:
    """What is known of one stream."""

    history: SignalHistory
    received_us: int = 0  # when its last record came
    frames: FrameMaker = field(default_factory=FrameMaker)
    beats: BeatsHeld = field(default_factory=BeatsHeld)

    @property
    def bytes(self) -> int:
        """Memory that it takes, about."""
        return self.history.bytes + self.frames.bytes + self.beats.bytes


class Store:
    """Signal, windows, events, verdicts and profiles in memory.

    Every method takes the lock itself and holds it for well under a millisecond for a stream.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._lock = threading.RLock()
        self._streams: dict[str, StreamHeld] = {}
        self._ahead: dict[str, BeatsHeld] = {}  # windows of streams whose signal has not come yet
        self._largest = ""  # the stream that gave way last
        self._events = EventsHeld()
        self._reviews = ReviewsHeld()
        self._profiles: dict[str, Profile] = {}
        self._profile_bytes = 0
        self._bytes = 0  # of streams and of what is ahead
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
            before = known.bytes
            held = known.history.add(chunk, value, content_type)
            frame = known.frames.push(held, chunk) if recent and held is not None else None
            self._bytes += known.bytes - before
            self._make_room(chunk.stream, known)
            return frame

    def take_windows(self, windows: ScoredWindows) -> None:
        """Keep scored windows, each with its stream, whose signal may still be to come."""
        with self._lock:
            for index, stream in enumerate(windows.stream):
                known = self._streams.get(stream)
                beats = self._beats_ahead(stream) if known is None else known.beats
                if beats is None:
                    continue
                before = beats.bytes
                beats.take(windows, index)
                self._bytes += beats.bytes - before
                self._make_room(stream, known)

    def take_event(self, held: EventHeld) -> bool:
        """Keep an event; False if it is there already."""
        with self._lock:
            return self._events.add(held)

    def take_review(self, review: Review) -> bool:
        """Keep a verdict; False if it is there already, as one is that was written from here."""
        with self._lock:
            return self._reviews.add(review)

    def take_profile(self, stream: str, profile: Profile | None) -> None:
        """Keep a stream's settings in place of those before; None: it has none any more."""
        with self._lock:
            before = self._profiles.pop(stream, None)
            self._profile_bytes -= 0 if before is None else weigh(before)
            if profile is None:
                return
            size = weigh(profile)
            if self._profile_bytes + size > PROFILE_BYTES:
                self._refused += 1
                return
            self._profiles[stream] = profile
            self._profile_bytes += size

    def forget_silent(self, now_us: int) -> None:
        """Drop the signal of streams that have sent nothing for long; their events stay."""
        with self._lock:
            for name, known in list(self._streams.items()):
                if now_us - known.received_us > self.limits.forget_after_s * 1e6:
                    self._forget(name)

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
            return self._reviews.of(stream)

    def review(self, review_id: str) -> Review | None:
        """One verdict by its id."""
        with self._lock:
            return self._reviews.get(review_id)

    def review_on(self, held: EventHeld) -> Review | None:
        """The last verdict on an event that stands."""
        with self._lock:
            return self._reviews.on(held.event.stream, held.id)

    def knows(self, stream: str) -> bool:
        """True if there is anything of this stream."""
        with self._lock:
            return stream in self._streams or bool(self._events.of(stream))

    def counts(self) -> dict[str, int]:
        """How much is held: streams, events, verdicts, signal_bytes (with windows and frames)."""
        with self._lock:
            return {
                "streams": len(self._streams),
                "events": len(self._events),
                "verdicts": len(self._reviews),
                "signal_bytes": self._bytes,
            }

    def take_refused(self) -> int:
        """Records, windows and settings beyond the limits that came since this was last asked."""
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
            beats = self._ahead.pop(stream, None)
            if len(self._streams) + len(self._ahead) >= self.limits.max_streams:
                self._drop_ahead()
            known = StreamHeld(SignalHistory(self.limits.history_s), beats=beats or BeatsHeld())
            self._streams[stream] = known
            # What was ahead is counted already.
            self._bytes += known.bytes - (0 if beats is None else beats.bytes)
        return known

    def _beats_ahead(self, stream: str) -> BeatsHeld | None:
        beats = self._ahead.get(stream)
        if beats is None:
            if len(self._streams) + len(self._ahead) >= self.limits.max_streams:
                self._refused += 1
                return None
            beats = self._ahead[stream] = BeatsHeld()
            self._bytes += beats.bytes
        return beats

    def _drop_ahead(self) -> None:
        oldest = next(iter(self._ahead))
        self._bytes -= self._ahead.pop(oldest).bytes

    def _make_room(self, stream: str, known: StreamHeld | None) -> None:
        """Let the oldest records go of whoever holds more than its share, first of who has just sent."""
        while self._bytes > self.limits.memory_bytes:
            if self._ahead:
                self._drop_ahead()
            elif known is not None and stream in self._streams and known.bytes > self._share:
                self._give_way(stream)
            elif self._streams:
                self._give_way(self._over_its_share())
            else:
                return

    @property
    def _share(self) -> float:
        return self.limits.memory_bytes / max(1, len(self._streams))

    def _over_its_share(self) -> str:
        """A stream with more than its share: the one that gave last, while it has, or else the largest."""
        last = self._streams.get(self._largest)
        if last is None or last.bytes <= self._share:
            self._largest = max(self._streams, key=lambda name: self._streams[name].bytes)
        return self._largest

    def _give_way(self, stream: str) -> None:
        """Drop a stream's oldest record, and with the last one the stream."""
        known = self._streams[stream]
        if len(known.history) > 1:
            before = known.bytes
            known.history.drop_oldest()
            self._bytes += known.bytes - before
        else:
            self._forget(stream)

    def _forget(self, stream: str) -> None:
        self._bytes -= self._streams.pop(stream).bytes
