"""Offsets of one partition: muted, held by snapshots, and from where a restart reads."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config import StateSettings
from monitor.worker.partition import Partition
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
    assert part.replay_after([])[0] == 0
    assert part.replay_after(["a"])[0] == 1
    assert part.replay_after(["a", "b"])[0] == 4


def test_snapshots_are_due_once_an_interval() -> None:
    """The first within the interval, at the stream's own phase; the next a whole interval later."""
    part = partition()
    part.note("a", 0, now_s=0)
    part.advance(0)
    assert part.due(5.0) == ["a"]
    part.commit(["a"], now_s=5.0, at={"a": 7})
    assert part.due(100.0) == []  # no input since
    part.note("a", 1, now_s=6.0)
    assert (part.due(9.9), part.due(10.1), part.due(6.0, everything=True)) == ([], ["a"], ["a"])


def test_a_commit_hands_over_what_was_pending() -> None:
    """The next one begins empty."""
    part = partition()
    part.pending.inputs = 3
    part.note("a", 0, now_s=0)
    part.advance(0)
    assert part.commit([], 1.0, {}).inputs == 3
    assert (part.pending.inputs, part.committed, part.dirty) == (0, 1, False)


DAY_MS = 86_400_000


def _sent(part: Partition, *records: tuple[str, float]) -> None:
    """Records of these streams, at days after the first, are noted and processed."""
    for stream, days in records:
        part.reach(1_700_000_000_000 + round(days * DAY_MS))
        part.note(stream, part.next_offset, now_s=100.0 * days)
        part.advance(part.next_offset)


def test_one_wrong_clock_moves_a_partitions_time_little() -> None:
    """By a minute a record, and never back."""
    part = partition()
    _sent(part, ("a", 0), ("b", 9000))
    assert part.reached_ms == 1_700_000_060_000
    _sent(part, ("a", 0))
    assert part.reached_ms == 1_700_000_060_000


def test_a_stream_is_stale_by_its_own_records_times() -> None:
    """However little the partition's time has moved."""
    part = partition(state=StateSettings(forget_after_days=2))
    _sent(part, ("a", 0), ("b", 1))
    part.reach(1_700_000_000_000 + 2 * DAY_MS + 1)
    assert (part.stale("a"), part.stale("b"), part.stale("c")) == (True, False, False)


def test_a_predecessors_stream_is_not_stale() -> None:
    """Its state does not tell when it last sent; it is kept until it does."""
    part = partition(a=0)
    part.reach(1_700_000_000_000)
    assert not part.stale("a")
    _sent(part, ("b", 0), ("b", 30))
    assert part.forgettable(9) == []
    _sent(part, ("a", 30))
    part.reach(1_700_000_000_000 + 60 * DAY_MS)
    assert part.stale("a")


def test_what_may_be_forgotten_stays_stale_whatever_comes() -> None:
    """By the partition's time, the oldest first, so many at once; not what has input that no state holds."""
    part = partition(state=StateSettings(forget_after_days=0.01))  # 14.4 minutes
    _sent(part, ("a", 0), ("b", 0), ("c", 0), ("d", 0.01))
    part.commit(["a", "b", "d"], 0, {"a": 0, "b": 1, "d": 2})
    _sent(part, *([("e", 1)] * 20))
    assert (part.forgettable(1), part.forgettable(9)) == (["a"], ["a", "b", "d"])
    part.reach(0)  # a record from before all others
    assert [part.stale(name) for name in "abde"] == [True, True, True, False]


def test_nobody_is_crowded_out_during_a_replay() -> None:
    """After it those who have not sent for longest; their states go with the next commit, if they had any."""
    part = partition(replay=0, committed=3, state=StateSettings(max_streams=1), a=0)
    _sent(part, ("b", 0), ("c", 0), ("b", 0))
    assert (part.crowded_out(2), part.crowded_out(3)) == ([], ["a", "c"])
    assert (part.streams, part.pending.crowded_out) == (["b"], {"a"})


def test_streams_fall_asleep_when_all_they_sent_is_committed() -> None:
    """Then their state lies in `ecg.state`; one that was never taken in has none."""
    part = partition()
    _sent(part, ("a", 0), ("b", 1), ("c", 2))
    assert part.sleepers(math.inf) == []
    part.commit(["a", "b", "c"], 0, {"a": 7, "c": 9})
    assert (part.sleepers(100.0), part.awake) == (["a", "b"], 3)
    for name in ("a", "b"):
        part.sleep(name)
    assert ([part.asleep(name) for name in "abc"], part.awake) == ([7, None, None], 1)
    assert part.sleepers(math.inf) == ["c"]
    part.awaken("a", 300.0)
    assert part.asleep("a") is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=40))
def test_a_restart_anywhere_sees_every_input_that_no_snapshot_holds(moves: list[tuple[str, bool]]) -> None:
    """From the replay offset on, a stream's input after its snapshot is complete."""
    part, held, seen = partition(), dict.fromkeys("abc", 0), []
    for offset, (stream, snapshot) in enumerate(moves):
        part.note(stream, offset, now_s=0)
        part.advance(offset)
        seen.append(stream)
        due = [stream] if snapshot else []
        replay, _ = part.replay_after(due)
        part.commit(due, 0, {})
        held.update(dict.fromkeys(due, offset + 1))
        lacking = [at for at, name in enumerate(seen) if at >= held[name]]
        assert all(at >= replay for at in lacking)


def test_a_partition_is_gone_through_carefully_until_it_gets_on() -> None:
    """Past what an earlier process was judging, and with a commit beyond the one that it began with."""
    part = partition(replay=5, committed=7, mark=Mark(6, 8))
    for offset, careful in ((5, True), (6, True), (7, True), (8, False)):
        part.advance(offset)
        part.commit([], 0.0, {})
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
    part.commit([], 0.0, {}, Mark(0, 1))
    part.advance(0)
    assert not part.passed
    part.advance(1)
    assert part.passed
    part.commit([], 0.0, {}, Mark(2))
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
    part.commit([], 0.0, {}, Mark(6, 6))
    assert (part.committed, part.next_offset, part.deaths) == (9, 6, {6: 3})
