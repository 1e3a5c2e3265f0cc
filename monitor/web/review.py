"""Verdicts and settings as the page sends them: checked, written, and known here at once."""

from __future__ import annotations

import time
import uuid
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from monitor.formats.chunks import LeadName, StreamId
from monitor.formats.events import Kind
from monitor.formats.profiles import MAX_MUTE_US, Budget, Person, Profile, TimeUs
from monitor.formats.reviews import Opinion, RecordId, Review, standing
from monitor.web.held.store import Store
from monitor.web.requests import Refused
from monitor.web.writer import Writer

Reviewer = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S")]
_OF_A_KIND = (Opinion.OTHER, Opinion.MISSED)


class NewReview(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of a request for a verdict."""

    event_id: RecordId | None = None
    stream: StreamId
    time_us: TimeUs
    verdict: Opinion
    kind: Kind | None = None
    by: Reviewer


class Undo(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request to take a verdict back."""

    by: Reviewer


class NewProfile(msgspec.Struct, kw_only=True):
    """The body of a request for a stream's settings; what is left out is not set."""

    by: Person = ""
    muted_until_us: TimeUs | None = None
    false_alarm_budget_per_hour: Budget | None = None
    paced: bool = False
    lead_names: Annotated[tuple[LeadName, ...], Meta(min_length=1, max_length=12)] | None = None


def record_review(store: Store, writer: Writer, new: NewReview) -> Review:
    """Write what a person says of an event or of a missed one; raises Refused or BrokerError."""
    if (new.event_id is None) != (new.verdict is Opinion.MISSED):
        raise Refused(400, f"verdict is {new.verdict}, but event_id is {new.event_id}")
    if new.kind is not None and new.verdict not in _OF_A_KIND:
        raise Refused(400, f"verdict is {new.verdict}, which has no kind; got {new.kind}")
    if not store.knows(new.stream):
        raise Refused(404, "there is no such stream")
    time_us = new.time_us
    if new.event_id is not None:
        held = store.event(new.event_id)
        if held is None or held.event.stream != new.stream:
            raise Refused(404, "the stream has no such event, or it is too long ago")
        time_us = held.event.time_us
    review = Review(
        id=uuid.uuid4().hex,
        event_id=new.event_id,
        stream=new.stream,
        time_us=time_us,
        verdict=new.verdict,
        kind=new.kind,
        by=new.by.strip(),
        at_us=_now_us(),
    )
    return _written(store, writer, review)


def undo_review(store: Store, writer: Writer, review_id: str, undo: Undo) -> Review:
    """Write that a verdict is taken back, or that an undo is; raises Refused or BrokerError."""
    review = store.review(review_id)
    if review is None:
        raise Refused(404, "there is no such verdict")
    if review_id in _undone(store, review.stream):
        raise Refused(409, "the verdict is taken back already")
    changes: dict[str, Any] = {"id": uuid.uuid4().hex, "undoes": review_id}
    again = msgspec.structs.replace(review, by=undo.by.strip(), at_us=_now_us(), **changes)
    return _written(store, writer, again)


def reviews_of(store: Store, stream: str) -> list[dict[str, Any]]:
    """A stream's verdicts, the newest first, with whether each stands."""
    own = store.reviews(stream)
    left = {review.id for review in standing(own)}
    return [msgspec.to_builtins(review) | {"stands": review.id in left} for review in reversed(own)]


def profile_of(store: Store, stream: str) -> Profile:
    """A stream's settings, the unset ones where nobody has set any; raises Refused."""
    found = store.profile(stream)
    if found is None and not store.knows(stream):
        raise Refused(404, "there is no such stream")
    return found or Profile(stream=stream, at_us=0)


def record_profile(store: Store, writer: Writer, stream: str, new: NewProfile) -> Profile:
    """Write a stream's settings in place of those before; raises Refused or BrokerError."""
    if not store.knows(stream):
        raise Refused(404, "there is no such stream")
    names = new.lead_names or ()
    if len(set(names)) != len(names):
        raise Refused(400, "lead names repeat")
    at_us = _now_us()
    if new.muted_until_us is not None and new.muted_until_us > at_us + MAX_MUTE_US:
        raise Refused(400, "a mute ends within a day")
    profile = Profile(
        stream=stream,
        at_us=at_us,
        by=new.by.strip(),
        muted_until_us=new.muted_until_us,
        false_alarm_budget_per_hour=new.false_alarm_budget_per_hour,
        paced=new.paced,
        lead_names=new.lead_names,
    )
    writer.profile(profile)
    store.take_profile(stream, profile)
    return profile


def _written(store: Store, writer: Writer, review: Review) -> Review:
    writer.review(review)
    store.take_review(review)  # the feed will bring it, too: known by its id, it is taken once
    return review


def _undone(store: Store, stream: str) -> set[str]:
    """Verdicts that a standing undo names."""
    undone: set[str] = set()
    for review in reversed(store.reviews(stream)):
        if review.id not in undone and review.undoes is not None:
            undone.add(review.undoes)
    return undone


def _now_us() -> int:
    return time.time_ns() // 1000
