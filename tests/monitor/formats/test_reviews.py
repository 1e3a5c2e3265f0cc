"""Verdicts to bytes and back, what stands of them, and where they lie."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from kafka.partitioner.default import DefaultPartitioner

from monitor.errors import DecodeError
from monitor.formats.events import Kind
from monitor.formats.reviews import Opinion, Review, decode_review, encode_review, partition_of, standing

FALSE = Review(
    id="0" * 32,
    event_id="e" * 32,
    stream="bed-1",
    time_us=1_700_000_000_000_000,
    verdict=Opinion.FALSE_ALARM,
    by="Anna",
    at_us=1_700_000_060_000_000,
)
MISSED = msgspec.structs.replace(
    FALSE, id="1" * 32, event_id=None, verdict=Opinion.MISSED, kind=Kind.RHYTHM_PAUSE
)


def undo(of: Review, name: str) -> Review:
    """The record that takes `of` back."""
    return msgspec.structs.replace(of, id=name * 32, undoes=of.id)


def written(**changes: Any) -> bytes:
    """The false alarm's record with some fields changed."""
    return json.dumps(json.loads(encode_review(FALSE)) | changes).encode()


@pytest.mark.parametrize("review", [FALSE, MISSED, undo(FALSE, "2")])
def test_a_verdict_survives_its_encoding(review: Review) -> None:
    """A missed event and an undo, too."""
    assert decode_review(encode_review(review)) == review


def test_the_key_is_the_event() -> None:
    """A missed one has no event, so its own id is."""
    assert (FALSE.key, MISSED.key) == (b"e" * 32, b"1" * 32)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "empty"),
        (b"{", "malformed"),
        (written(schema=9), "schema_version"),
        (written(verdict="maybe"), "field"),
        (written(kind="cough"), "field"),
        (written(id="not hex"), "field"),
        (written(event_id=None), "field"),
        (written(verdict="missed"), "field"),
    ],
)
def test_a_bad_verdict_is_refused(value: bytes | None, reason: str) -> None:
    """A verdict speaks of an event, unless it says that there is none."""
    with pytest.raises(DecodeError) as caught:
        decode_review(value)
    assert caught.value.reason == reason


def test_what_was_undone_does_not_stand() -> None:
    """The others stay in the topic's order."""
    assert standing([FALSE, MISSED]) == [FALSE, MISSED]
    assert standing([FALSE, MISSED, undo(FALSE, "2")]) == [MISSED]


def test_an_undone_undo_restores() -> None:
    """As in an editor."""
    taken_back = undo(FALSE, "2")
    assert standing([FALSE, taken_back, undo(taken_back, "3")]) == [FALSE]


class _Cluster:
    """What the partitioner asks of the broker's metadata."""

    def topics(self) -> set[str]:
        return {"t"}

    def partitions_for_topic(self, topic: str) -> set[int]:
        del topic
        return set(range(7))

    available_partitions_for_topic = partitions_for_topic


@pytest.mark.parametrize("stream", ["bed-1", "a", "Bett 3 \N{LATIN SMALL LETTER U WITH DIAERESIS}", "208"])
def test_a_verdict_lies_beside_its_stream(stream: str) -> None:
    """In the partition that Kafka's own partitioner gives a record with the stream id as key."""
    theirs = DefaultPartitioner().partition("t", stream, stream.encode(), b"", b"", _Cluster())
    assert partition_of(stream, range(7)) == theirs
