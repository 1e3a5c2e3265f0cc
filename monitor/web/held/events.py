"""The events of all streams that a page can show, and which episodes are open."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from monitor.formats.events import Event, Kind, Phase

MAX_OF_STREAM = 2000
MAX_EVENTS = 20_000  # about 2.5 kB each


class _Envelope(msgspec.Struct):
    """What is needed of a CloudEvent."""

    id: str
    data: msgspec.Raw


_decode = msgspec.json.Decoder(_Envelope)
_decode_event = msgspec.json.Decoder(Event)


@dataclass(frozen=True, slots=True, eq=False)
class EventHeld:
    """One event: for us, and as the page gets it."""

    id: str
    event: Event  # without its latent vector
    data: dict[str, Any]  # the CloudEvent's data, without the latent vector
    received_us: int


def read_event(value: bytes, received_us: int) -> EventHeld:
    """The event in a record of `ecg.events`; raises msgspec.MsgspecError if it is none of ours."""
    envelope = _decode.decode(value)
    event = _decode_event.decode(envelope.data)
    data = msgspec.json.decode(envelope.data, type=dict[str, Any])
    data.pop("latent", None)
    return EventHeld(envelope.id, msgspec.structs.replace(event, latent=None), data, received_us)


class EventsHeld:
    """Events in order of arrival, each once; the oldest give way."""

    def __init__(self, max_events: int = MAX_EVENTS, max_of_stream: int = MAX_OF_STREAM) -> None:
        self._max_events, self._max_of_stream = max_events, max_of_stream
        self._by_id: dict[str, EventHeld] = {}  # in order of arrival
        self._of: dict[str, deque[EventHeld]] = defaultdict(deque)
        self._last: dict[tuple[str, bool], EventHeld] = {}  # by stream and whether technical
        self._open: dict[str, dict[Kind, EventHeld]] = defaultdict(dict)

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[EventHeld]:
        return iter(self._by_id.values())

    def add(self, held: EventHeld) -> bool:
        """Keep an event; False if it is there already."""
        if held.id in self._by_id:
            return False
        self._by_id[held.id] = held
        own = self._of[held.event.stream]
        own.append(held)
        if len(own) > self._max_of_stream:
            self._drop(own[0])
        if len(self._by_id) > self._max_events:
            self._drop(next(iter(self._by_id.values())))
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
        return [stream for stream, held in self._of.items() if held]

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
        self._of[stream].popleft()
        if not self._of[stream]:
            del self._of[stream]
            self._open.pop(stream, None)
            self._last.pop((stream, False), None)
            self._last.pop((stream, True), None)

    def _follow_episode(self, held: EventHeld) -> None:
        event, opened = held.event, self._open[held.event.stream]
        if event.kind in (Kind.SIGNAL_LOST, Kind.SIGNAL_POOR, Kind.SIGNAL_RESTORED):
            opened.pop(Kind.SIGNAL_LOST, None)
            opened.pop(Kind.SIGNAL_POOR, None)
        if event.phase in (Phase.ONSET, Phase.UPDATE):
            opened[event.kind] = held
        elif event.phase is Phase.END:
            opened.pop(event.kind, None)
