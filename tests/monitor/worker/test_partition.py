"""Offsets of one partition: muted, held by snapshots, and from where a restart reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.worker.positions import Mark, replay_offset, unclean_end
from tests.support.kafka_fakes import partition


def test_what_is_committed_is_muted() -> None:
    """Records before the committed offset are read for their effect on state only."""
    part = partition(replay=5, committed=10)
    assert [part.muted(offset) for offset in (5, 9, 10)] == [True, True, False]


def test_what_a_snapshot_holds_is_skipped() -> None:
    """A restored stream wants only what came after its snapshot; an unknown one wants all."""
    part = partition(replay=5, committed=10, a=8)
    assert [part.wants("a", offset) for offset in (7, 8)] == [False, True]
    assert part.wants("b", 5)


def test_replaying_ends_at_the_committed_offset() -> None:
    """Until then there is nothing to commit, and no snapshot is due."""
    part = partition(replay=5, committed=7)
    part.note("a", 5, now_s=0)
    part.advance(5)
    assert (part.replaying, part.dirty, part.due(100.0)) == (True, False, [])
    part.advance(6)
    assert (part.replaying, part.dirty, part.due(100.0)) == (False, False, ["a"])
    part.advance(7)
    assert part.dirty


def test_offsets_do_not_go_back() -> None:
    """A record that was processed cannot come again unnoticed."""
    part = partition(replay=5)
    part.advance(8)
    with pytest.raises(ValueError, match="went back from 9 to 9"):
        part.advance(8)


def test_replay_begins_at_the_first_input_that_no_snapshot_holds() -> None:
    """A stream without a snapshot holds the replay offset back; written snapshots let it go."""
    part = partition()
    for offset, stream in enumerate(["a", "b", "a", "b"]):
        part.note(stream, offset, now_s=0)
    part.advance(3)
    assert part.replay_after([]) == 0
    assert part.replay_after(["a"]) == 1
    assert part.replay_after(["a", "b"]) == 4


def test_snapshots_are_due_once_an_interval() -> None:
    """The first within the interval, at the stream's own phase; the next a whole interval later."""
    part = partition()
    part.note("a", 0, now_s=0)
    part.advance(0)
    assert part.due(5.0) == ["a"]
    part.commit(["a"], now_s=5.0)
    assert part.due(100.0) == []  # no input since
    part.note("a", 1, now_s=6.0)
    assert (part.due(9.9), part.due(10.1), part.due(6.0, everything=True)) == ([], ["a"], ["a"])


def test_a_commit_hands_over_what_was_pending() -> None:
    """The next one begins empty."""
    part = partition()
    part.pending.inputs = 3
    part.note("a", 0, now_s=0)
    part.advance(0)
    assert part.commit([], 1.0).inputs == 3
    assert (part.pending.inputs, part.committed, part.dirty) == (0, 1, False)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=40))
def test_a_restart_anywhere_sees_every_input_that_no_snapshot_holds(moves: list[tuple[str, bool]]) -> None:
    """From the replay offset on, a stream's input after its snapshot is complete."""
    part, held, seen = partition(), dict.fromkeys("abc", 0), []
    for offset, (stream, snapshot) in enumerate(moves):
        part.note(stream, offset, now_s=0)
        part.advance(offset)
        seen.append(stream)
        due = [stream] if snapshot else []
        replay = part.replay_after(due)
        part.commit(due, 0)
        held.update(dict.fromkeys(due, offset + 1))
        lacking = [at for at, name in enumerate(seen) if at >= held[name]]
        assert all(at >= replay for at in lacking)


def test_a_partition_is_gone_through_carefully_until_it_gets_on() -> None:
    """Past what an earlier process was judging, and with a commit beyond the one that it began with."""
    part = partition(replay=5, committed=7, mark=Mark(6, 8))
    for offset, careful in ((5, True), (6, True), (7, True), (8, False)):
        part.advance(offset)
        part.commit([], 0.0)
        assert part.careful is careful
        assert part.suspected is careful
    assert [part.alone(offset) for offset in (5, 6, 8, 9)] == [False, True, True, False]


def test_nothing_is_careful_in_ordinary_life() -> None:
    """No record goes alone."""
    part = partition(replay=5, committed=7)
    assert (part.careful, part.suspected, part.alone(5)) == (False, False, False)


def test_a_mark_is_over_once_all_of_it_is_judged() -> None:
    """One without an end never is; a stop in order clears that, too."""
    part = partition()
    part.commit([], 0.0, Mark(0, 1))
    part.advance(0)
    assert not part.passed
    part.advance(1)
    assert part.passed
    part.commit([], 0.0, Mark(2))
    assert (part.passed, part.changed(clean=False), part.changed(clean=True)) == (False, False, True)


def test_a_replay_leaves_a_mark_behind_it_until_it_gets_on() -> None:
    """Or its successor would not know of it; not where it is stopped in order."""
    part = partition(replay=5, committed=7)
    part.advance(5)
    assert (part.following_mark(last=False), part.following_mark(last=True)) == (Mark(6), None)
    part.advance(7)
    assert part.following_mark(last=False) is None


def test_a_commit_during_a_replay_keeps_both_offsets() -> None:
    """And the deaths that a restart may meet again, no others."""
    part = partition(replay=5, committed=9, deaths={4: 3, 6: 3})
    part.note("a", 5, now_s=0)
    part.advance(5)
    entry = part.entry([], Mark(6, 6))
    assert (entry.offset, replay_offset(entry), unclean_end(entry)) == (9, 5, (Mark(6, 6), {6: 3}))
    part.commit([], 0.0, Mark(6, 6))
    assert (part.committed, part.next_offset, part.deaths) == (9, 6, {6: 3})
