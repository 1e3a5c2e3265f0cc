"""Both offsets of a partition in its commit, and snapshots by their headers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kafka.structs import OffsetAndMetadata

from monitor.broker.unreadable import Fault
from monitor.errors import StateError
from monitor.worker.positions import Snapshot, StartPoint, commit_entry, replay_offset, snapshot_headers
from tests.support.kafka_fakes import Record


def test_both_offsets_travel_in_a_commit() -> None:
    """The committed one as Kafka knows it, the other in the metadata."""
    entry = commit_entry(120, 80)
    assert (entry.offset, replay_offset(entry)) == (120, 80)
    assert len(entry.metadata) < 100


@pytest.mark.parametrize("metadata", ["", None, "by hand", '{"schema": 1}', '{"schema":1,"replay":"x"}'])
def test_a_commit_of_somebody_else_replays_nothing(metadata: str | None) -> None:
    """An operator may have reset the group's offsets."""
    assert replay_offset(OffsetAndMetadata(7, metadata, -1)) == 7


def test_a_replay_offset_never_lies_beyond_the_commit() -> None:
    """Input between the two would be lost."""
    assert replay_offset(commit_entry(5, 9)) == 5


def _state(key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> SimpleNamespace:
    return SimpleNamespace(key=key, value=value, headers=headers)


def test_the_last_snapshot_of_a_stream_counts() -> None:
    """Of our own group alone; a record without a value ends its stream."""
    start = StartPoint(0, 9)
    for key, value, group in (("a", b"1", "us"), ("a", b"2", "us"), ("a", b"3", "them"), ("b", b"4", "us")):
        start.take(_state(key.encode(), value, snapshot_headers(group, 7, b"setting")), "us")
    start.take(_state(b"b", None, snapshot_headers("us", 9)), "us")
    assert start.snapshots == {"a": Snapshot("a", 7, b"2", b"setting")}


@pytest.mark.parametrize(
    ("key", "headers"),
    [
        (b"\xff", snapshot_headers("us", 7)),
        (b"a", [("group", b"us")]),
        (b"a", [("group", b"us"), ("input-offset", b"seven")]),
        (b"a", [("group", b"us"), ("input-offset", b"\xff")]),
        (b"a", [("group", b"us"), ("input-offset", None)]),
    ],
)
def test_what_is_no_snapshot_is_refused(key: bytes, headers: Any) -> None:
    """And what was there before stays."""
    start = StartPoint(0, 9)
    start.take(_state(b"a", b"good", snapshot_headers("us", 5)), "us")
    with pytest.raises(StateError, match="no snapshot"):
        start.take(_state(key, b"bad", headers), "us")
    assert start.snapshots == {"a": Snapshot("a", 5, b"good")}


def test_what_could_not_be_read_is_no_snapshot() -> None:
    """Nor the end of its stream, though it may have no value."""
    start = StartPoint(0, 9)
    start.take(_state(b"a", b"good", snapshot_headers("us", 5)), "us")
    with pytest.raises(StateError, match="unreadable: spoilt"):
        start.take(
            Record(None, 1, b"a", headers=[*snapshot_headers("us", 7)], checksum=Fault("spoilt")), "us"
        )
    assert start.snapshots == {"a": Snapshot("a", 5, b"good")}


def test_records_of_others_are_left_alone() -> None:
    """Without our group's name, or without a key."""
    start = StartPoint(0, 9)
    start.take(_state(b"a", b"1", []), "us")
    start.take(_state(None, b"1", snapshot_headers("us", 1)), "us")
    assert start == StartPoint(0, 9)


def test_state_of_input_beyond_an_offset_is_dropped() -> None:
    """Up to it is right: that is where the commit stands."""
    start = StartPoint(0, 9, 0, {stream: Snapshot(stream, at, b"") for stream, at in (("a", 9), ("b", 10))})
    assert start.refuse_beyond(9) == ["b"]
    assert (list(start.snapshots), start.refused) == (["a"], 1)
