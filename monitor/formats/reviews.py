"""A person's verdicts on events ↔ bytes: the records of `ecg.feedback`, JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Annotated

import msgspec
from kafka.partitioner.default import murmur2
from msgspec import Meta

from monitor.errors import DecodeError
from monitor.formats.chunks import StreamId
from monitor.formats.events import Kind
from monitor.formats.profiles import Person, TimeUs
from monitor.formats.versioned import decode_versioned

FEEDBACK_SCHEMA = 1
RecordId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]


class Opinion(StrEnum):
    """What a person says of an event, or of a moment without one."""

    CONFIRMED = "confirmed"
    FALSE_ALARM = "false_alarm"
    OTHER = "other"  # an event, but of another kind
    MISSED = "missed"  # an event that the monitor did not raise


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """One verdict; never changed or deleted: an undo is a new record that names it."""

    id: RecordId  # uuid4, hex
    event_id: RecordId | None  # None for a missed event
    stream: StreamId
    time_us: TimeUs  # of the event, or of what was missed
    verdict: Opinion
    kind: Kind | None = None  # what it is, where the verdict is `other` or `missed`
    by: Person
    at_us: TimeUs  # when it was said
    undoes: RecordId | None = None  # the verdict that this one takes back; the other fields repeat it
    schema: int = FEEDBACK_SCHEMA

    @property
    def key(self) -> bytes:
        """Of the record: the event that it speaks of, or itself."""
        return (self.event_id or self.id).encode()


def encode_review(review: Review) -> bytes:
    """A record's value."""
    return msgspec.json.encode(review)


def decode_review(value: bytes | None) -> Review:
    """The verdict in a record's value; raises DecodeError: empty, malformed, schema_version or field."""
    review = decode_versioned(value, Review, FEEDBACK_SCHEMA)
    if (review.event_id is None) != (review.verdict is Opinion.MISSED):
        raise DecodeError("field", f"verdict is {review.verdict}, but event_id is {review.event_id}")
    return review


def standing(reviews: Iterable[Review]) -> list[Review]:
    """Those that nobody has taken back, in the order given (that of the topic); undos are not among them."""
    undone: set[str] = set()
    left: list[Review] = []
    for review in reversed(list(reviews)):
        if review.id in undone:
            continue  # an undo that was undone takes nothing back
        if review.undoes is None:
            left.append(review)
        else:
            undone.add(review.undoes)
    return left[::-1]


def partition_of(stream: str, partitions: Sequence[int]) -> int:
    """Where a stream's records lie: Kafka's default partitioner over the stream id, whatever the key."""
    number = int(murmur2(stream.encode())) & 0x7FFFFFFF
    return sorted(partitions)[number % len(partitions)]
