"""When a commit is made, what it holds, and what follows when it fails."""

from __future__ import annotations

import json
from typing import Any

import pytest
from prometheus_client import generate_latest

from monitor.config import load_settings
from monitor.formats.events import Kind
from monitor.formats.profiles import Profile, encode_profile
from monitor.worker.commits import Committer
from monitor.worker.delivery import OutcomeUnknownError
from monitor.worker.metrics import Metrics, new_metrics
from monitor.worker.positions import Mark, replay_offset, topic_id_of, unclean_end
from monitor.worker.settings import SettingsInForce
from tests.support.kafka_fakes import (
    REBALANCING,
    STABLE,
    STRANGER,
    FakeConsumer,
    FakeDelivery,
    Record,
    partition,
    place,
    streams_of,
)
from tests.support.stub_detector import Memory, StubDetector


class Bench:
    """A committer on a clock that only the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refuse: int = 0, **settings: Any) -> None:
        self.now_s = 1000.0
        monkeypatch.setattr("monitor.worker.commits.time.monotonic", lambda: self.now_s)
        monkeypatch.setattr("monitor.worker.commits.time.sleep", lambda _: None)
        self.consumer, self.delivery = FakeConsumer(), FakeDelivery(refuse)
        self.detector, self.metrics = StubDetector(), new_metrics()
        self.in_force = SettingsInForce(self.metrics)
        self.committer = Committer(
            load_settings(None, settings),
            self.detector,
            self.metrics,
            self.consumer,
            self.delivery,
            self.in_force,
            streams_of(self.detector, self.in_force, self.metrics),
        )
        self.part = partition()
        self.owned = {place(): self.part}

    def take_in(self, stream: str = "s", event: bool = False) -> None:
        """Process a record."""
        offset = self.part.next_offset
        self.detector.memory.setdefault((stream, 0), Memory())
        self.part.note(stream, offset, self.now_s)
        self.part.pending.inputs += 1
        if event:
            self.part.pending.events.append((Kind.RUN, 1, False))
            self.part.pending.alarms.append(Kind.RUN)
        self.part.advance(offset)

    def step(self, seconds: float = 0.0) -> int:
        """Let time pass, commit if due; the number of parcels so far."""
        self.now_s += seconds
        self.committer.commit_if_due(self.owned)
        return len(self.delivery.parcels)


def _value(metrics: Metrics, line: str) -> bool:
    return line in generate_latest(metrics.registry).decode().splitlines()


def test_an_event_is_committed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one the interval is waited for."""
    bench = Bench(monkeypatch)
    bench.take_in()
    assert bench.step(0.1) == 0
    bench.take_in(event=True)
    assert bench.step() == 1
    bench.take_in()
    assert (bench.step(0.4), bench.step(0.1)) == (1, 2)
    assert _value(bench.metrics, 'ecg_monitor_events_total{kind="run"} 1.0')
    assert _value(bench.metrics, 'ecg_monitor_alarms_total{kind="run"} 1.0')


def test_muted_events_are_counted_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are written as the others are."""
    bench = Bench(monkeypatch)
    bench.take_in()
    bench.part.pending.events.append((Kind.RUN, 1, True))
    assert bench.step() == 1
    assert _value(bench.metrics, 'ecg_monitor_muted_events_total{kind="run"} 1.0')
    assert _value(bench.metrics, 'ecg_monitor_events_total{kind="run"} 0.0')


def test_state_names_the_setting_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is written at the next commit where one has just taken effect."""
    bench = Bench(monkeypatch)
    value = encode_profile(Profile(stream="s", at_us=0, paced=True))
    bench.in_force.learn(Record(value, 7, b"s", timestamp=0))
    bench.in_force.change("s", 5000, replayed=False)
    bench.take_in()
    bench.part.hasten("s")
    bench.step(0.5)
    (state,) = bench.delivery.parcels[0].snapshots
    assert json.loads(dict(state.headers)["setting"])["offset"] == 7


def test_nothing_new_makes_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it takes."""
    assert Bench(monkeypatch).step(100.0) == 0


def test_offsets_travel_with_the_replay_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held back by a stream without a snapshot, at the end once all are written."""
    bench = Bench(monkeypatch)
    bench.take_in()
    bench.take_in()
    bench.step(0.5)
    bench.take_in()
    bench.step(6.0)
    first, last = (parcel.offsets[place()] for parcel in bench.delivery.parcels)
    assert (first.offset, replay_offset(first)) == (2, 0)
    assert (last.offset, replay_offset(last)) == (3, 3)
    (state,) = bench.delivery.parcels[-1].snapshots
    assert (state.key, dict(state.headers)["input-offset"], state.partition) == (b"s", b"3", 0)


def test_commit_and_state_name_the_topic_that_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Offsets are good for no other, though it may have the same name."""
    bench = Bench(monkeypatch)
    bench.part.topic_id = "id"
    bench.take_in(event=True)
    bench.part.hasten("s")
    bench.step()
    parcel = bench.delivery.parcels[0]
    assert topic_id_of(parcel.offsets[place()]) == "id"
    assert [("topic-id", b"id") in record.headers for record in parcel.snapshots] == [True]


def test_a_stream_that_fell_silent_still_gets_its_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a restart would read its last input for ever."""
    bench = Bench(monkeypatch)
    bench.take_in()
    assert (bench.step(0.5), bench.step(6.0)) == (1, 2)
    assert len(bench.delivery.parcels[-1].snapshots) == 1
    assert bench.step(60.0) == 2


def test_a_stream_whose_chunks_were_all_refused_has_no_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """The detector does not know it, and the replay offset moves on."""
    bench = Bench(monkeypatch)
    bench.take_in("refused")
    bench.detector.forget("refused")
    bench.step(10.0)
    (parcel,) = bench.delivery.parcels
    assert (len(parcel.snapshots), replay_offset(parcel.offsets[place()])) == (0, 1)


def test_no_commit_without_a_settled_membership(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in a rebalance, and never without a generation: the broker could not fence us."""
    bench = Bench(monkeypatch)
    bench.take_in(event=True)
    for member in (REBALANCING, STRANGER):
        bench.consumer.member = member
        assert bench.step(1.0) == 0


def test_a_failed_commit_is_tried_again_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a pause, with what came in since; nothing of it was lost."""
    bench = Bench(monkeypatch, refuse=1)
    bench.take_in(event=True)
    assert (bench.step(), bench.committer.healthy) == (0, False)
    bench.take_in()
    assert bench.step(0.1) == 0
    assert (bench.step(0.2), bench.committer.healthy) == (1, True)
    assert bench.delivery.parcels[0].offsets[place()].offset == 2
    assert _value(bench.metrics, 'ecg_monitor_commits_total{outcome="aborted"} 1.0')


def test_commits_are_tried_for_any_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker may be away for hours; meanwhile the worker says that it is not ready."""
    bench = Bench(monkeypatch, refuse=3)
    bench.take_in(event=True)
    for wait_s in (0.0, 600.0, 36_000.0):
        assert (bench.step(wait_s), bench.committer.healthy) == (0, False)
    assert (bench.step(36_000.0), bench.committer.healthy) == (1, True)


def test_partitions_of_an_earlier_membership_are_not_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that stood still beyond its session is a new member: others may have gone on meanwhile."""
    bench = Bench(monkeypatch)
    bench.take_in(event=True)
    bench.consumer.member = STABLE._replace(member_id="another")
    with pytest.raises(OutcomeUnknownError, match="by another id"):
        bench.step()
    assert bench.delivery.parcels == []


def test_input_is_held_while_commits_do_not_get_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetching stops at the limit and goes on after the commit; nothing is dropped."""
    bench = Bench(monkeypatch, refuse=1, **{"delivery.max_pending_records": 2})
    bench.consumer.owned = {place()}
    bench.take_in()
    bench.step()
    assert bench.consumer.paused == set()
    bench.take_in()
    bench.step()
    assert bench.consumer.paused == {place()}
    assert _value(bench.metrics, "ecg_monitor_paused 1.0")
    assert bench.step(0.3) == 1
    assert bench.consumer.paused == set()


def test_the_last_commit_snapshots_every_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the next owner replays nothing; a refusal is tried again."""
    bench = Bench(monkeypatch, refuse=2)
    bench.take_in("a")
    bench.take_in("b")
    bench.committer.commit_all(bench.owned)
    (parcel,) = bench.delivery.parcels
    assert {record.key for record in parcel.snapshots} == {b"a", b"b"}
    assert replay_offset(parcel.offsets[place()]) == 2


def test_a_worker_leaves_even_if_its_last_commit_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next owner does the last records again."""
    bench = Bench(monkeypatch, refuse=1000)
    bench.take_in()
    bench.committer.commit_all(bench.owned)
    assert bench.delivery.parcels == []


def test_a_partition_being_replayed_is_not_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its offset would go back."""
    bench = Bench(monkeypatch)
    bench.part = partition(replay=0, committed=5)
    bench.owned = {place(): bench.part}
    bench.take_in()
    assert bench.step(10.0) == 0


def test_what_is_judged_next_is_committed_with_what_is_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it is judged the mark goes at once, so that it is blamed for nothing that comes later."""
    bench = Bench(monkeypatch)
    bench.take_in()
    assert bench.committer.note(bench.owned, {place(): Mark(1, 1)})
    assert bench.step() == 1
    bench.take_in()
    assert bench.step() == 2
    first, last = (parcel.offsets[place()] for parcel in bench.delivery.parcels)
    assert (first.offset, unclean_end(first)) == (1, (Mark(1, 1), {}))
    assert (last.offset, unclean_end(last)) == (2, (None, {}))


def test_nothing_is_judged_before_it_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """While commits are refused, or the group settles."""
    bench = Bench(monkeypatch, refuse=1)
    assert not bench.committer.note(bench.owned, {place(): Mark(0)})
    assert not bench.committer.note(bench.owned, {place(): Mark(0)})  # not yet again
    bench.now_s += 0.3
    bench.consumer.member = REBALANCING
    assert not bench.committer.note(bench.owned, {place(): Mark(0)})
    bench.now_s += 0.3
    bench.consumer.member = STABLE
    assert bench.committer.note(bench.owned, {place(): Mark(0)})
    assert len(bench.delivery.parcels) == 1


def test_the_last_commit_bears_no_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though no record came after it: a stop in order is no end that anything is to blame for."""
    bench = Bench(monkeypatch)
    bench.committer.note(bench.owned, {place(): Mark(0)})
    bench.committer.commit_all(bench.owned)
    assert [unclean_end(parcel.offsets[place()])[0] for parcel in bench.delivery.parcels] == [Mark(0), None]


def test_stale_states_end_in_an_ordinary_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many at once; what is forgotten leaves memory, and what is written tells the last record."""
    monkeypatch.setattr("monitor.worker.commits.MOST_FORGOTTEN", 2)
    bench = Bench(monkeypatch)
    bench.part.forget_ms = 600_000
    for name in ("a", "b", "c"):
        bench.part.reach(1_700_000_000_000)
        bench.take_in(name)
    assert bench.step(6) == 1
    assert dict(bench.delivery.parcels[0].snapshots[0].headers)["last-record"] == (
        b"0,1700000000000,1700000000000"
    )
    for _ in range(20):
        bench.part.reach(1_800_000_000_000)
        bench.take_in("d")
    ended: list[list[bytes | None]] = []
    for _ in range(3):
        bench.take_in("d")
        bench.step(0.5)
        ended.append([record.key for record in bench.delivery.parcels[-1].records])
    assert ended == [[b"a", b"b"], [b"c"], []]
    tombstone = bench.delivery.parcels[1].records[0]
    assert (tombstone.topic, tombstone.value, tombstone.partition) == ("ecg.state", None, 0)
    assert (bench.detector.streams(), bench.part.streams) == (["d"], ["d"])
    assert _value(bench.metrics, 'ecg_monitor_streams_forgotten_total{why="silent"} 3.0')


def test_a_stream_that_was_crowded_out_and_came_back_keeps_its_new_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The end of the old one goes before it."""
    bench = Bench(monkeypatch)
    bench.take_in("a")
    bench.step(6)
    bench.part.pending.crowded_out.add("a")
    bench.take_in("a")
    bench.step(6)
    parcel = bench.delivery.parcels[-1]
    assert [(each.key, each.value is None) for each in [*parcel.records, *parcel.snapshots]] == [
        (b"a", True),
        (b"a", False),
    ]
    assert bench.part.streams == ["a"]
