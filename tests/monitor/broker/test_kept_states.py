"""States from memory, or read again where they lie."""

from __future__ import annotations

import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaConnectionError

from monitor.broker.clients import open_producer
from monitor.broker.kept_states import KeptStates
from monitor.broker.topics import create_topics
from monitor.config import KafkaSettings, Topics
from monitor.errors import BrokerError


class FakeReader:
    """Gives the records of each partition that are there, a few a poll, from where it was put."""

    def __init__(self, topic: dict[int, dict[int, bytes | None]], a_poll: int = 3) -> None:
        self.topic, self.a_poll = topic, a_poll
        self.at: dict[TopicPartition, int] = {}
        self.paused: set[TopicPartition] = set()
        self.seeks = self.closed = 0
        self.fails = False

    def assign(self, places: list[TopicPartition]) -> None:
        """Others are left."""
        self.at = dict.fromkeys(places, 0)

    def resume(self, *places: TopicPartition) -> None:
        """Note it."""
        self.paused -= set(places)

    def pause(self, *places: TopicPartition) -> None:
        """Note it."""
        self.paused |= set(places)

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Go there."""
        self.seeks += 1
        self.at[place] = offset

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        """The next ones, of those not paused."""
        if self.fails:
            raise KafkaConnectionError("gone")
        found = {}
        for place, at in self.at.items():
            there = sorted(offset for offset in self.topic[place.partition] if offset >= at)[: self.a_poll]
            if there and place not in self.paused:
                values = self.topic[place.partition]
                found[place] = [SimpleNamespace(offset=offset, value=values[offset]) for offset in there]
                self.at[place] = there[-1] + 1
        return found

    def close(self, timeout_ms: int) -> None:
        """Note it."""
        self.closed += 1


def _kept(monkeypatch: pytest.MonkeyPatch, reader: FakeReader, most_bytes: int = 0) -> KeptStates:
    monkeypatch.setattr("monitor.broker.kept_states.open_reader", lambda *_, **__: reader)
    return KeptStates(KafkaSettings(), most_bytes)


def test_states_are_read_where_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those near one another in one go; one that is gone, or has no value, is left out."""
    values = {at: b"%d" % at for at in range(100)}
    reader = FakeReader({0: {**values, 5: None}, 3: {1: b"one", 7: b"seven"}})
    kept = _kept(monkeypatch, reader)
    steps: list[int] = []
    wanted = {("a", 0): 2, ("b", 0): 3, ("none", 0): 5, ("far", 0): 90, ("gone", 3): 4, ("c", 3): 7}
    assert kept.read(wanted, lambda: steps.append(1)) == {
        ("a", 0): b"2", ("b", 0): b"3", ("far", 0): b"90", ("c", 3): b"seven",
    }  # fmt: skip
    assert reader.seeks == 3  # to each partition's first, and to the far one
    assert len(steps) > 1


def test_what_is_in_memory_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest states, as many bytes as there is room for; a state is given once."""
    reader = FakeReader({0: dict.fromkeys(range(4), b"read")})
    kept = _kept(monkeypatch, reader, most_bytes=10)
    for at, name in enumerate(("a", "b", "b", "c")):
        kept.put((name, 0), at, b"%d...." % at)
    assert kept.read({("b", 0): 2, ("c", 0): 3}) == {("b", 0): b"2....", ("c", 0): b"3...."}
    assert reader.seeks == 0
    kept.put(("b", 0), 2, b"old")
    assert kept.read({("a", 0): 0, ("b", 0): 3, ("c", 0): 1}) == {
        ("a", 0): b"read", ("b", 0): b"read", ("c", 0): b"read",
    }  # fmt: skip


def test_a_broker_that_is_away_is_an_operators_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another reader is opened next time; what was in memory stays there."""
    reader = FakeReader({0: {0: b"a"}})
    kept = _kept(monkeypatch, reader, most_bytes=10)
    kept.put(("b", 0), 1, b"b")
    reader.fails = True
    with pytest.raises(BrokerError, match="gone"):
        kept.read({("a", 0): 0, ("b", 0): 1})
    assert reader.closed == 1
    reader.fails = False
    assert kept.read({("a", 0): 0, ("b", 0): 1}) == {("a", 0): b"a", ("b", 0): b"b"}


def test_a_topic_that_gives_nothing_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop has other things to do."""
    monkeypatch.setattr("monitor.broker.kept_states.STILL_S", 0.01)
    kept = _kept(monkeypatch, FakeReader({0: {}}))
    with pytest.raises(BrokerError, match=r"ecg.state\[0\]: no state could be read"):
        kept.read({("a", 0): 0})
    kept.close()
    kept.close()


@pytest.mark.integration
def test_states_are_read_from_a_broker(broker: str) -> None:
    """One after the other, forth and back."""
    own = uuid.uuid4().hex[:8]
    topics = Topics(**{name: f"{own}.{name}" for name in Topics.model_fields})
    settings = KafkaSettings(bootstrap_servers=broker, topics=topics)
    create_topics(settings, 2)
    producer = open_producer(settings)
    for at in range(300):
        producer.send(settings.topics.state, b"%d" % at * 2000, key=b"s%d" % at, partition=1)
    producer.flush(timeout=20)
    producer.close(timeout=5)
    kept = KeptStates(settings, 0)
    try:
        for at in (250, 3, 299, 0):
            assert kept.read({("s", 1): at}) == {("s", 1): b"%d" % at * 2000}
        assert len(kept.read({(f"s{at}", 1): at for at in range(0, 300, 7)})) == 43
    finally:
        kept.close()
