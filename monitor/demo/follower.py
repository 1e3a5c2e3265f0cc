"""What the worker says of one stream, as a consumer of committed records gets it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.broker.clients import explained, open_reader
from monitor.broker.reading import partitions_of
from monitor.broker.unreadable import fault_of
from monitor.config import KafkaSettings
from monitor.formats.beats import ScoredWindows, decode_beats
from monitor.formats.events import Event, decode_event
from monitor.worker.positions import commit_entry


@dataclass(slots=True, eq=False)
class Found:
    """Everything received so far."""

    events: list[Event] = field(default_factory=list)
    event_values: list[bytes] = field(default_factory=list)  # as read from the topic
    event_arrivals_s: list[float] = field(default_factory=list)  # wall time of receipt, s since the epoch
    windows: list[ScoredWindows] = field(default_factory=list)
    beats: int = 0
    anomalous: int = 0
    last_p_value: float = float("nan")


class Follower:
    """A read_committed consumer of events and beats; not to be shared between threads."""

    def __init__(self, settings: KafkaSettings, stream: str, session: str) -> None:
        self._settings = settings
        self._stream, self._session = stream, session
        self.found = Found()
        self._consumer: Any = open_reader(settings)
        with explained(settings):
            topics = (settings.topics.events, settings.topics.beats)
            places = [place for topic in topics for place in partitions_of(self._consumer, topic)]
            self._consumer.assign(places)
            # What others wrote before is not ours; asking for positions makes the seek happen now.
            self._consumer.seek_to_end(*places)
            for place in places:
                self._consumer.position(place)

    def poll(self, timeout_s: float) -> int:
        """Take in what has come, waiting at most so long; returns the number of records of our stream."""
        with explained(self._settings):
            polled = self._consumer.poll(timeout_ms=max(0, round(1000 * timeout_s)))
        arrived_s = time.time()
        taken = 0
        for place, records in polled.items():
            take = self._take_event if place.topic == self._settings.topics.events else self._take_beats
            taken += sum(take(each.value, arrived_s) for each in records if fault_of(each) is None)
        return taken

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close(timeout_ms=2000)

    def _take_event(self, value: bytes, arrived_s: float) -> bool:
        event = decode_event(value)
        if (event.stream, event.session) != (self._stream, self._session):
            return False
        self.found.events.append(event)
        self.found.event_values.append(value)
        self.found.event_arrivals_s.append(arrived_s)
        return True

    def _take_beats(self, value: bytes, arrived_s: float) -> bool:
        del arrived_s
        windows = decode_beats(value).of(self._stream, self._session)
        if not len(windows):
            return False
        self.found.windows.append(windows)
        beats = np.array([kind != "fixed" for kind in windows.kind], np.bool_)
        self.found.beats += int(beats.sum())
        self.found.anomalous += int((beats & windows.anomalous).sum())
        if beats.any():
            self.found.last_p_value = float(windows.p_value[beats][-1])
        return True


def latencies_s(found: Found, measured_s: Callable[[int], float]) -> NDArray[np.float64]:
    """(n_events,) s from the moment an R peak was measured until its event was here."""
    pairs = zip(found.events, found.event_arrivals_s, strict=True)
    # An episode's update is decided at its last sample, not at its first.
    return np.array([arrived - measured_s(_decided_on(event)) for event, arrived in pairs], np.float64)


def _decided_on(event: Event) -> int:
    return event.r_peak_sample if event.phase is None else event.last_sample


class GroupProgress:
    """How far the worker's group has come in the input; also skips what lay there before the demo."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._consumer: Any = open_reader(settings, group_id=settings.group_id)
        with explained(settings):
            self._places = partitions_of(self._consumer, settings.topics.signal)
            self._consumer.assign(self._places)

    def skip_to_end(self) -> None:
        """Let the group begin after all input that is there now."""
        with explained(self._settings):
            ends = self._consumer.end_offsets(self._places)
            self._consumer.commit({place: commit_entry(end, end) for place, end in ends.items() if end})

    def lag(self) -> int:
        """Input records that are not yet committed as done."""
        with explained(self._settings):
            ends = self._consumer.end_offsets(self._places)
            return sum(end - (self._consumer.committed(place) or 0) for place, end in ends.items())

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close(timeout_ms=2000)
