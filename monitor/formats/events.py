"""What the monitor says: the fixed vocabulary of event kinds, and events as CloudEvents."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from monitor.formats.chunks import MAX_RATE_HZ, MIN_RATE_HZ

EVENT_SCHEMA = 1
CLOUDEVENT = "application/cloudevents+json"
TYPE_PREFIX = "org.ecg-monitor."


class Kind(StrEnum):
    """Everything that an event can be."""

    BEAT_MORPHOLOGY = "beat.morphology"
    BEAT_EARLY = "beat.early"
    BEAT_LATE = "beat.late"
    RUN = "run"
    RHYTHM_CHAOTIC = "rhythm.chaotic"
    RHYTHM_PAUSE = "rhythm.pause"
    SIGNAL_LOST = "signal.lost"
    SIGNAL_POOR = "signal.poor"
    SIGNAL_RESTORED = "signal.restored"
    STREAM_CONFLICT = "stream.conflict"


# 1 is looked at first. Technical kinds speak of the measurement, the others of the patient.
PRIORITY = {
    Kind.RHYTHM_CHAOTIC: 1,
    Kind.RHYTHM_PAUSE: 1,
    Kind.RUN: 1,
    Kind.BEAT_MORPHOLOGY: 2,
    Kind.BEAT_EARLY: 2,
    Kind.BEAT_LATE: 3,
    Kind.SIGNAL_LOST: 2,
    Kind.SIGNAL_POOR: 3,
    Kind.SIGNAL_RESTORED: 4,
    Kind.STREAM_CONFLICT: 2,
}
TECHNICAL = frozenset({Kind.SIGNAL_LOST, Kind.SIGNAL_POOR, Kind.SIGNAL_RESTORED, Kind.STREAM_CONFLICT})


# Whoever may write to the topic may write anything: what is read is what a page can reckon with.
_Whole = Annotated[int, Meta(ge=-(1 << 53), le=1 << 53)]


class Phase(StrEnum):
    """Where in an episode an event stands; a beat event has no phase."""

    ONSET = "onset"
    UPDATE = "update"
    END = "end"


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One finding. Samples are the stream's own input sample numbers; times are µs since the epoch."""

    stream: str
    session: str
    kind: Kind
    r_peak_sample: _Whole  # for fixed windows and gaps: the first sample concerned
    time_us: _Whole  # of r_peak_sample
    first_sample: _Whole  # of the window or episode that was judged
    last_sample: _Whole
    rate_hz: Annotated[float, Meta(ge=MIN_RATE_HZ, le=MAX_RATE_HZ)]
    model: str  # name
    model_version: str
    score: float | None = None  # minus log10 of the fused p-value's argument; higher is stranger
    p_value: float | None = None
    threshold: float | None = None  # the p-value in force below which a window is anomalous
    why: str = ""  # in words: "morphology: most in the QRS", "2.60 s without a beat", "flat", ...
    leads: tuple[str, ...] = ()  # those with the largest error first
    part_s: tuple[float, float] | None = None  # part of the window with the largest error, s from the R peak
    part: str | None = None  # the same by name: "P wave", "QRS", "ST-T", ...
    rr_s: float | None = None  # interval to the beat before
    usual_rr_s: float | None = None  # median of the stream's recent ones
    phase: Phase | None = None
    beats: int | None = None  # of a run so far
    learning: bool = False  # judged against the population alone: the usual beat is not yet known
    late: bool = False  # the beat was found by search-back
    muted: bool = False  # a person muted the stream: for the record, not for a pager
    paced: bool = False  # a person said that the patient has a pacemaker
    latent: tuple[float, ...] | None = None

    @property
    def id(self) -> str:
        """Deterministic: the same input and model give the same id, however often it is sent."""
        # Updates of one episode share its first sample; their last one tells them apart.
        episode = () if self.phase is None else (self.phase, self.last_sample)
        parts = (self.stream, self.session, self.r_peak_sample, self.kind, *episode, self.model_version)
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]

    @property
    def priority(self) -> int:
        """1 (look now) to 4 (for the record)."""
        return PRIORITY[self.kind]

    @property
    def technical(self) -> bool:
        """True if the event speaks of the measurement rather than of the patient."""
        return self.kind in TECHNICAL

    @property
    def begins(self) -> bool:
        """True if the event is an alarm of its own, not the course or the end of one."""
        return self.phase in (None, Phase.ONSET) and self.kind is not Kind.SIGNAL_RESTORED


def rfc3339(time_us: int) -> str:
    """UTC time with microseconds, as CloudEvents wants it."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def event_data(event: Event) -> dict[str, Any]:
    """The `data` of its CloudEvent: the event with its window's times; OverflowError without a date."""
    data: dict[str, Any] = msgspec.to_builtins(event)
    return data | {
        "priority": event.priority,
        "technical": event.technical,
        "first_time": rfc3339(_time_of(event, event.first_sample)),
        "last_time": rfc3339(_time_of(event, event.last_sample)),
    }


def encode_event(event: Event) -> bytes:
    """A CloudEvents 1.0 JSON record; `data` is `event_data`."""
    envelope = {
        "specversion": "1.0",
        "id": event.id,
        "source": f"/ecg-monitor/{event.model}",
        "type": TYPE_PREFIX + event.kind,
        "subject": event.stream,
        "time": rfc3339(event.time_us),
        "datacontenttype": "application/json",
        "dataschema": f"urn:ecg-monitor:event:{EVENT_SCHEMA}",
        "data": event_data(event),
    }
    return msgspec.json.encode(envelope)


def _time_of(event: Event, sample: int) -> int:
    return event.time_us + round((sample - event.r_peak_sample) * 1e6 / event.rate_hz)


def decode_event(value: bytes) -> Event:
    """The event in a record of `ecg.events`; raises msgspec.MsgspecError if it is none of ours."""
    envelope = msgspec.json.decode(value, type=dict[str, Any])
    return msgspec.convert(envelope.get("data"), Event)
