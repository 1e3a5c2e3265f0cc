"""Topics read to where they ended when it was asked."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaConnectionError, KafkaTimeoutError, TopicAuthorizationFailedError

from monitor.broker.reading import offsets_of, partitions_of, place_name, poll_once, read_to
from monitor.errors import BrokerError

FIRST, SECOND = TopicPartition("t", 0), TopicPartition("t", 1)


class FakeReader:
    """Gives its records in polls; `stuck`: a partition that gives none."""

    def __init__(
        self, polls: list[dict[TopicPartition, list[int]]], stuck: TopicPartition | None = None
    ) -> None:
        self.polls, self.stuck = polls, stuck
        self.at = {FIRST: 0, SECOND: 0}

    def poll(self, timeout_ms: int) -> dict[TopicPartition, list[int]]:
        """The next ones."""
        found = self.polls.pop(0) if self.polls else {}
        for place, records in found.items():
            self.at[place] += len(records)
        return {place: records for place, records in found.items() if place != self.stuck}

    def position(self, place: TopicPartition, timeout_ms: int) -> int | None:
        """Of the next record; unknown to a broker that has not answered."""
        return None if place == self.stuck else self.at[place]


def test_partitions_are_listed_in_order() -> None:
    """None of a topic that does not exist."""
    consumer = SimpleNamespace(partitions_for_topic={"t": {1, 0}}.get)
    assert partitions_of(consumer, "t") == [FIRST, SECOND]
    assert partitions_of(consumer, "other") == []


def test_records_come_until_every_end_is_passed() -> None:
    """Poll by poll, those of the last one that lie beyond, too; nothing is polled for what is empty."""
    reader = FakeReader([{FIRST: [1, 2]}, {SECOND: [3]}, {FIRST: [4], SECOND: [5]}, {FIRST: [9]}])
    found = list(read_to(reader, {FIRST: 3, SECOND: 1}, 5.0))
    assert found == [[(FIRST, 1), (FIRST, 2)], [(SECOND, 3)], [(FIRST, 4), (SECOND, 5)]]
    assert list(read_to(FakeReader([{FIRST: [1]}]), {FIRST: 0}, 5.0)) == []


def test_a_partition_that_gives_nothing_is_named() -> None:
    """After the time that it was given."""
    reader = FakeReader([{FIRST: [1]}], stuck=SECOND)
    with pytest.raises(BrokerError, match=r"^t\[1\] cannot be read to the end: nothing came in 0 s"):
        list(read_to(reader, {FIRST: 1, SECOND: 1}, 0.01))
    assert place_name(SECOND) == "t[1]"


def test_what_gets_on_may_take_long() -> None:
    """The time is that of a standstill, not of the whole."""
    reader = FakeReader([{FIRST: [number]} for number in range(30)])
    began, count = time.monotonic(), 0
    for _ in read_to(reader, {FIRST: 30}, 0.05):
        time.sleep(0.005)
        count += 1
    assert (count, time.monotonic() - began > 0.1) == (30, True)


def test_offsets_wait_for_a_partition_whose_leader_is_not_known() -> None:
    """The library has asked for it by then, and raises KeyError meanwhile."""
    known = {FIRST: 3}

    def ask(places: list[TopicPartition], timeout_ms: float) -> dict[TopicPartition, int]:
        assert timeout_ms == 5000
        try:
            return {place: known[place] for place in places}
        finally:
            known[SECOND] = 0

    assert offsets_of(ask, [FIRST, SECOND], 5.0) == {FIRST: 3, SECOND: 0}


def test_offsets_are_not_waited_for_without_an_end() -> None:
    """What is not known in the time given is the broker's fault, not ours."""
    with pytest.raises(KafkaTimeoutError, match="no leader is known"):
        offsets_of(lambda places, timeout_ms: {}[places[0]], [FIRST], 0.01)


class _Away:
    """A consumer whose poll raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def poll(self, **_: object) -> None:
        """As the library does."""
        raise self.error


def test_a_poll_in_which_the_broker_goes_away_gives_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is asked again; what does not pass is raised."""
    assert poll_once(_Away(KafkaConnectionError("111 ECONNREFUSED"))) is None
    assert "a poll failed, and is made again" in caplog.text
    with pytest.raises(TopicAuthorizationFailedError):
        poll_once(_Away(TopicAuthorizationFailedError("no")))
