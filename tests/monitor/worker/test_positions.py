"""Both offsets of a partition in its commit, and snapshots by their headers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kafka.structs import OffsetAndMetadata

from monitor.worker.positions import Snapshot, commit_entry, keep, replay_offset, snapshot_headers


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


def test_the_last_snapshot_of_a_stream_counts() -> None:
    """Of our own group alone; a record without a value ends its stream."""
    kept: dict[str, Snapshot] = {}
    for key, value, group in (("a", b"1", "us"), ("a", b"2", "us"), ("a", b"3", "them"), ("b", b"4", "us")):
        headers = snapshot_headers(group, 7, b"setting")
        keep(kept, SimpleNamespace(key=key.encode(), value=value, headers=headers), "us")
    keep(kept, SimpleNamespace(key=b"b", value=None, headers=snapshot_headers("us", 9)), "us")
    assert kept == {"a": Snapshot("a", 7, b"2", b"setting")}
