"""The events of all streams that a page can show, and which episodes are open."""

from __future__ import annotations

import sys
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from monitor.errors import DecodeError
from monitor.formats.events import Event, Kind, Phase, event_data
from monitor.web.held import limits
from monitor.web.held.limits import weigh


class _Envelope(msgspec.Struct):
    """What is needed of a CloudEvent."""

    id: Annotated[str, Meta(min_length=1, max_length=limits.MAX_ID)]
    data: Event


_decode = msgspec.json.Decoder(_Envelope)


@dataclass(frozen=True, slots=True, eq=False)
class EventHeld:
    """One event: for us, and as the page gets it."""

    id: str
    event: Event  # without its latent vector
    data: dict[str, Any]  # the CloudEvent's data, without the latent vector
    received_us: int
    bytes: int  # of memory


def read_event(value: bytes | None, received_us: int) -> EventHeld:
    """The event in a record of `ecg.events`, its words cut to `limits`; raises DecodeError if it is none.

    Fields that are not ours are left out.
    """
    if value is None:
        raise DecodeError("empty", "record has no value")
    try:
        envelope = _decode.decode(value)
    except msgspec.ValidationError as exc:
        raise DecodeError("field", str(exc)) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise DecodeError("malformed", f"not JSON: {exc}") from exc
    event = _cut(envelope.data)
    try:
        data = event_data(event)
    except (OverflowError, ValueError) as exc:
        raise DecodeError("field", f"its window is at no date: {exc}") from exc
    # Both hold the same values, but for two times in words.
    size = weigh(event) + sys.getsizeof(data) + weigh((envelope.id, data["first_time"], data["last_time"]))
    size += limits.INDEX_BYTES
    return EventHeld(envelope.id, event, data, received_us, size)


def _cut(event: Event) -> Event:
    """The event with no more text than the page shows; raises DecodeError where it can't be a stream's."""
    if not 1 <= len(event.stream) <= limits.MAX_NAME or len(event.session) > limits.MAX_NAME:
        raise DecodeError("field", f"stream and session have more than {limits.MAX_NAME} characters, or none")
    return msgspec.structs.replace(
        event,
        latent=None,
        why=event.why[: limits.MAX_WHY],
        leads=tuple(name[: limits.MAX_LEAD] for name in event.leads[: limits.MAX_LEADS]),
        model=event.model[: limits.MAX_MODEL],
        model_version=event.model_version[: limits.MAX_MODEL],
        part=None if event.part is None else event.part[: limits.MAX_PART],
    )


class EventsHeld:
    """Events in order of arrival, each once; the oldest give way."""

    def __init__(
        self, max_bytes: int = limits.EVENT_BYTES, max_of_stream: int = limits.EVENTS_OF_STREAM
    ) -> None:
        self._max_bytes, self._max_of_stream = max_bytes, max_of_stream
        # In order of arrival; a plain dictionary finds its oldest entry the slower the more are deleted.
        self._by_id: OrderedDict[str, EventHeld] = OrderedDict()
        self._of: dict[str, deque[EventHeld]] = {}
        self._last: dict[tuple[str, bool], EventHeld] = {}  # by stream and whether technical
        self._open: dict[str, dict[Kind, EventHeld]] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[EventHeld]:
        return iter(self._by_id.values())

    def add(self, held: EventHeld) -> bool:
        """Keep an event; False if it is there already."""
        if held.id in self._by_id:
            return False
        self._by_id[held.id] = held
        self.bytes += held.bytes
        own = self._of.setdefault(held.event.stream, deque())
        own.append(held)
        if len(own) > self._max_of_stream:
            self._drop(own[0])
        while self.bytes > self._max_bytes and len(self._by_id) > 1:
            oldest = next(iter(self._by_id.values()))
            self._drop(oldest)
            self._unsay(oldest)
        self._last[held.event.stream, held.event.technical] = held
        self._follow_episode(held)
        return True

    def get(self, event_id: str) -> EventHeld | None:
        """The event of this id, if it is held."""
        return self._by_id.get(event_id)

    def of(self, stream: str) -> list[EventHeld]:
        """A stream's events in order of arrival."""
        return list(self._of.get(stream, ()))

    def streams(self) -> list[str]:
        """Streams of which there are events."""
        return list(self._of)

    def last(self, stream: str) -> EventHeld | None:
        """The last event about the patient, or else about the measurement."""
        return self._last.get((stream, False)) or self._last.get((stream, True))

    def open(self, stream: str, session: str) -> list[EventHeld]:
        """The last word of each episode of the session that has begun and not ended."""
        return [held for held in self._open.get(stream, {}).values() if held.event.session == session]

    def _drop(self, oldest: EventHeld) -> None:
        """Forget the oldest event of its stream, and with the last one all that is known of the stream."""
        stream = oldest.event.stream
        del self._by_id[oldest.id]
        self.bytes -= oldest.bytes
        self._of[stream].popleft()
        if not self._of[stream]:
            del self._of[stream]
            self._open.pop(stream, None)
            self._last.pop((stream, False), None)
            self._last.pop((stream, True), None)

    def _unsay(self, oldest: EventHeld) -> None:
        """An event that has given way is no stream's last word either: its bytes are counted no more."""
        stream = oldest.event.stream
        if self._last.get((stream, oldest.event.technical)) is oldest:
            del self._last[stream, oldest.event.technical]
        opened = self._open.get(stream, {})
        if opened.get(oldest.event.kind) is oldest:
            del opened[oldest.event.kind]

    def _follow_episode(self, held: EventHeld) -> None:
        event, opened = held.event, self._open.setdefault(held.event.stream, {})
        if event.kind in (Kind.SIGNAL_LOST, Kind.SIGNAL_POOR, Kind.SIGNAL_RESTORED):
            opened.pop(Kind.SIGNAL_LOST, None)
            opened.pop(Kind.SIGNAL_POOR, None)
        if event.phase in (Phase.ONSET, Phase.UPDATE):
            opened[event.kind] = held
        elif event.phase is Phase.END:
            opened.pop(event.kind, None)
