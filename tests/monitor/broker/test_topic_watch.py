"""What the watch makes of the broker's answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError

from monitor.broker.topic_watch import TopicIdentity, TopicWatch
from monitor.config import Settings, load_settings
from tests.support.daemon.harness import wait_until

COUNTS = {
    "ecg.signal": 4,
    "ecg.state": 4,
    "ecg.profiles": 4,
    "ecg.beats": 4,
    "ecg.events": 4,
    "ecg.deadletter": 1,
}


class FakeAdmin:
    """Topics and a group as set."""

    def __init__(self, counts: dict[str, int], *shares: list[int], state: str = "Stable") -> None:
        self.counts, self.shares, self.state = counts, shares, state
        self.signal_id: str | None = None
        self.closed = False
        self.fails = 0

    def list_topics(self) -> list[str]:
        """All, or no answer."""
        if self.fails:
            self.fails -= 1
            raise KafkaTimeoutError
        return [*self.counts, "another"]

    def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
        """By their partitions."""
        ids = {"ecg.signal": self.signal_id}
        return [
            {"name": name, "topic_id": ids.get(name, "another"), "partitions": [None] * self.counts[name]}
            for name in names
        ]

    def describe_groups(self, groups: list[str]) -> dict[str, Any]:
        """Its members' shares; one that has none has no assignment."""
        members = [
            {"member_assignment": {"assigned_partitions": [{"topic": "ecg.signal", "partitions": share}]}}
            for share in self.shares
        ]
        description = {
            "error": None,
            "group_state": self.state,
            "members": [*members, {"member_assignment": b""}],
        }
        return {groups[0]: description}

    def close(self) -> None:
        """Note it."""
        self.closed = True


def _watch(monkeypatch: pytest.MonkeyPatch, admin: FakeAdmin, settings: Settings | None = None) -> TopicWatch:
    monkeypatch.setattr("monitor.broker.topic_watch.listens", lambda _: True)
    monkeypatch.setattr("monitor.broker.topic_watch.open_admin", lambda _: admin)
    monkeypatch.setattr("monitor.broker.topic_watch.HURRY_S", 0.01)
    return TopicWatch(settings or load_settings(), COUNTS)


def _looks(watch: TopicWatch, times: int = 1) -> Any:
    for _ in range(times):
        watch._try_look()
    return watch.take()


def test_a_group_that_reads_everything_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once seen, it is not told again."""
    watch = _watch(monkeypatch, FakeAdmin(COUNTS, [0, 1], [2, 3]))
    seen = _looks(watch)
    assert (dict(seen.counts), seen.problems, seen.unread) == (COUNTS, (), frozenset())
    assert watch.take() is None


def test_partitions_that_nobody_reads_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are a problem when they still are at the next look."""
    watch = _watch(monkeypatch, FakeAdmin(COUNTS | {"ecg.signal": 6}, [0, 1], [2, 3]))
    first, second = _looks(watch), _looks(watch)
    assert first.unread == second.unread == {4, 5}
    assert not any("reads" in problem for problem in first.problems)
    assert "no worker of group ecg-monitor reads ecg.signal[4, 5]" in second.problems


def test_a_group_that_leaves_partitions_unread_is_asked_ever_more_rarely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not at the first look, as it may be settling; each time every worker joins."""
    watch = _watch(monkeypatch, FakeAdmin(COUNTS | {"ecg.signal": 6}, [0, 1], [2, 3]))
    assert [_looks(watch).insist for _ in range(9)] == [number in {1, 2, 4, 8} for number in range(9)]


@pytest.mark.parametrize("topic_id", [None, "an id"])
def test_the_inputs_id_is_told(monkeypatch: pytest.MonkeyPatch, topic_id: str | None) -> None:
    """A topic made anew has another one; some brokers give none."""
    admin = FakeAdmin(COUNTS, [0, 1, 2, 3])
    admin.signal_id = topic_id
    assert _looks(_watch(monkeypatch, admin)).signal_id == topic_id


def test_a_group_that_settles_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two rounds of a rebalance partitions are nobody's."""
    watch = _watch(monkeypatch, FakeAdmin(COUNTS, [0], state="PreparingRebalance"))
    assert _looks(watch).unread == frozenset()


def test_mirrors_are_those_that_were_last_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """State, profiles and beats; the last only where they are written."""
    uneven = FakeAdmin(COUNTS | {"ecg.signal": 6, "ecg.state": 6, "ecg.profiles": 5}, [0, 1, 2, 3, 4, 5])
    watch = _watch(monkeypatch, uneven)
    assert (watch.mirrored(3), watch.mirrored(4)) == (True, False)
    assert any("ecg.profiles has 5 partitions, wanted 6" in problem for problem in _looks(watch).problems)
    assert not watch.mirrored(4)
    without = _watch(monkeypatch, uneven, load_settings(None, {"delivery.write_beats": False}))
    _looks(without)
    assert (without.mirrored(4), without.mirrored(5)) == (True, False)


def test_a_broker_that_is_away_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was seen last stands; the thread goes on and ends when it is told."""
    admin = FakeAdmin(COUNTS, [0, 1, 2, 3])
    admin.fails = 1
    watch = _watch(monkeypatch, admin)
    watch.start()
    watch.hurry()
    wait_until(lambda: admin.fails == 0, 5, "a look that fails")
    assert watch.take() is None
    watch.hurry()
    wait_until(lambda: watch.take() is not None, 5, "a look that succeeds")
    watch.stop()
    assert admin.closed


def test_one_that_never_started_is_stopped_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker may fail between the two."""
    watch = _watch(monkeypatch, FakeAdmin(COUNTS))
    monkeypatch.setattr("monitor.broker.topic_watch.listens", lambda _: False)
    assert _looks(watch) is None
    watch.stop()


def _client(topic_id: str | None) -> Any:
    return SimpleNamespace(_cluster=SimpleNamespace(topic_id=lambda _: topic_id))


def test_a_client_that_hears_of_another_topic_tells_it_once() -> None:
    """While the topic is away it knows none."""
    identity = TopicIdentity("ecg.signal")
    told = [identity.is_another(_client(known), ["old"]) for known in ("old", "old", None, "new", "new")]
    assert told == [False, False, False, True, False]


def test_a_client_that_is_behind_is_not_believed() -> None:
    """The watch has told of the new one, which is read by now; the client still knows the one before."""
    identity = TopicIdentity("ecg.signal")
    assert not identity.is_another(_client("old"), ["old"])
    identity.tell("new")
    assert identity.is_another(_client("old"), ["old"])
    assert not identity.is_another(_client("old"), ["new"])
    assert not identity.is_another(_client("new"), ["new"])


def test_where_the_broker_gives_no_ids_nothing_is_another() -> None:
    """Nor where nothing is read yet."""
    identity = TopicIdentity("ecg.signal")
    identity.tell("new")
    assert not identity.is_another(_client(None), [None])
    assert not identity.is_another(_client("new"), [])
