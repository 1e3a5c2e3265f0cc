"""Both offsets of a partition in its commit, and snapshots by their headers."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from kafka.structs import OffsetAndMetadata

from monitor.broker.unreadable import Fault
from monitor.errors import StateError
from monitor.worker.positions import (
    LastRecord,
    Mark,
    Snapshot,
    StartPoint,
    commit_entry,
    reached_ms,
    replay_offset,
    snapshot_headers,
    topic_id_of,
    unclean_end,
)
from tests.support.daemon.poison import no_snapshots
from tests.support.kafka_fakes import Record

ID = "0f9c1d3a-52d2-4b43-8d0c-6f5f6a3c2b11"


def test_both_offsets_travel_in_a_commit() -> None:
    """The committed one as Kafka knows it, the other in the metadata."""
    entry = commit_entry(120, 80)
    assert (entry.offset, replay_offset(entry)) == (120, 80)
    assert len(entry.metadata) < 100


def test_the_topics_id_travels_in_a_commit() -> None:
    """Where the broker gives one; whoever does not know the field passes over it."""
    entry = commit_entry(120, 80, ID)
    assert (replay_offset(entry), topic_id_of(entry)) == (80, ID)
    assert json.loads(entry.metadata) == {"schema": 1, "replay": 80, "topic_id": ID}
    assert topic_id_of(commit_entry(120, 80)) is None


def test_a_later_releases_commit_is_read() -> None:
    """Fields that it has added are nothing to us."""
    entry = OffsetAndMetadata(9, '{"schema":1,"replay":7,"later":[1],"topic_id":null}', -1)
    assert (replay_offset(entry), topic_id_of(entry)) == (7, None)


@pytest.mark.parametrize("metadata", ["", None, "by hand", '{"schema": 1}', '{"schema":1,"replay":"x"}'])
def test_a_commit_of_somebody_else_replays_nothing(metadata: str | None) -> None:
    """An operator may have reset the group's offsets."""
    assert replay_offset(OffsetAndMetadata(7, metadata, -1)) == 7
    assert topic_id_of(OffsetAndMetadata(7, metadata, -1)) is None


def test_a_replay_offset_never_lies_beyond_the_commit() -> None:
    """Input between the two would be lost."""
    assert replay_offset(commit_entry(5, 9)) == 5


@pytest.mark.parametrize("mark", [None, Mark(0), Mark(5), Mark(5, 9)])
@pytest.mark.parametrize("deaths", [{}, {7: 2, 300: 3}])
def test_what_is_judged_next_travels_in_a_commit(mark: Mark | None, deaths: dict[int, int]) -> None:
    """Beside both offsets."""
    entry = commit_entry(5, 3, None, mark, deaths)
    assert (entry.offset, replay_offset(entry), unclean_end(entry)) == (5, 3, (mark, deaths))


def test_an_ordinary_commit_is_as_it_was() -> None:
    """Byte for byte what a release without marks has written."""
    assert commit_entry(120, 80).metadata == '{"schema":1,"replay":80}'


@pytest.mark.parametrize("metadata", ["", None, "by hand", '{"schema":1,"replay":3}'])
def test_a_commit_without_marks_tells_of_no_end(metadata: str | None) -> None:
    """An older release's, or somebody else's."""
    assert unclean_end(OffsetAndMetadata(7, metadata, -1)) == (None, {})


def test_an_older_release_reads_a_commit_with_marks() -> None:
    """It passes over what it does not know: this is how it is read at commit f2233cd."""

    class Metadata(msgspec.Struct):
        schema: int
        replay: int

    entry = commit_entry(120, 80, None, Mark(100, 119), {101: 2})
    assert msgspec.json.decode(entry.metadata, type=Metadata) == Metadata(1, 80)


def test_a_commit_holds_all_deaths_that_are_kept() -> None:
    """Kafka refuses metadata of more than 4096 bytes."""
    entry = commit_entry(2**62, 2**62, ID, Mark(2**62, 2**62), dict.fromkeys(range(2**62, 2**62 + 22), 3))
    assert len(entry.metadata) < 1000


def _state(key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]) -> SimpleNamespace:
    return SimpleNamespace(key=key, value=value, headers=headers, offset=len(value or b""))


def test_the_last_snapshot_of_a_stream_counts() -> None:
    """Of our own group alone; a record without a value ends its stream."""
    start = StartPoint(0, 9)
    for key, value, group in (("a", b"1", "us"), ("a", b"22", "us"), ("a", b"3", "them"), ("b", b"4", "us")):
        start.take(_state(key.encode(), value, snapshot_headers(group, 7, b"setting")), "us")
    start.take(_state(b"b", None, snapshot_headers("us", 9)), "us")
    assert start.snapshots == {"a": Snapshot("a", 7, 2, b"setting")}


def test_the_topics_id_travels_with_state() -> None:
    """As a header; state of another topic is refused, and what names none is taken."""
    start = StartPoint(0, 9, topic_id=ID)
    for key, topic_id in ((b"a", ID), (b"b", "another"), (b"c", None)):
        start.take(_state(key, b"1", snapshot_headers("us", 7, topic_id=topic_id)), "us")
    assert start.refuse_foreign() == ["b"]
    assert [(each.stream, each.topic_id) for each in start.snapshots.values()] == [("a", ID), ("c", None)]


def test_without_an_id_of_the_topic_nothing_is_foreign() -> None:
    """The broker gives none any more: nothing can be said."""
    start = StartPoint(0, 9, 0, {"b": Snapshot("b", 7, 0, None, "another"), "c": Snapshot("c", 7, 0)})
    start.astray = True
    assert start.refuse_foreign() == []


@pytest.mark.parametrize(
    ("key", "headers"),
    [
        *no_snapshots("us"),
        (b"a", [*snapshot_headers("us", 7), ("last-record", b"7,8")]),
        (b"a", [*snapshot_headers("us", 7), ("last-record", b"7,8,nine")]),
    ],
)
def test_what_is_no_snapshot_is_refused(key: bytes, headers: Any) -> None:
    """And what was there before stays."""
    start = StartPoint(0, 9)
    start.take(_state(b"a", b"good", snapshot_headers("us", 5)), "us")
    with pytest.raises(StateError, match="no snapshot"):
        start.take(_state(key, b"bad", headers), "us")
    assert start.snapshots == {"a": Snapshot("a", 5, 4)}


def test_a_snapshot_tells_its_streams_last_record() -> None:
    """A predecessor's does not."""
    start, last = StartPoint(0, 9), LastRecord(6, 1_700_000_000_000, 1_700_000_060_000)
    start.take(_state(b"a", b"1", snapshot_headers("us", 7, last=last)), "us")
    start.take(_state(b"b", b"2", snapshot_headers("us", 7)), "us")
    assert [each.last for each in start.snapshots.values()] == [last, None]


def test_a_commit_tells_its_partitions_time() -> None:
    """At the replay offset; a predecessor's, or nobody's, does not."""
    assert reached_ms(commit_entry(120, 80, reached_ms=1_700_000_000_000)) == 1_700_000_000_000
    assert reached_ms(OffsetAndMetadata(7, '{"schema":1,"replay":5}', -1)) == 0
    assert reached_ms(OffsetAndMetadata(7, "by hand", -1)) == 0


def test_what_could_not_be_read_is_no_snapshot() -> None:
    """Nor the end of its stream, though it may have no value."""
    start = StartPoint(0, 9)
    start.take(_state(b"a", b"good", snapshot_headers("us", 5)), "us")
    with pytest.raises(StateError, match="unreadable: spoilt"):
        start.take(
            Record(None, 1, b"a", headers=[*snapshot_headers("us", 7)], checksum=Fault("spoilt")), "us"
        )
    assert start.snapshots == {"a": Snapshot("a", 5, 4)}


def test_records_of_others_are_left_alone() -> None:
    """Without our group's name, or without a key."""
    start = StartPoint(0, 9)
    start.take(_state(b"a", b"1", []), "us")
    start.take(_state(None, b"1", snapshot_headers("us", 1)), "us")
    assert start == StartPoint(0, 9)


def test_state_of_input_beyond_an_offset_is_dropped() -> None:
    """Up to it is right: that is where the commit stands."""
    start = StartPoint(0, 9, 0, {stream: Snapshot(stream, at, 0) for stream, at in (("a", 9), ("b", 10))})
    assert start.refuse_beyond(9) == ["b"]
    assert (list(start.snapshots), start.refused) == (["a"], 1)
