"""Where a partition is taken up, and the state that is found there."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterable
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaConnectionError
from kafka.structs import OffsetAndMetadata

from monitor.broker.clients import open_consumer, open_producer
from monitor.broker.topics import create_topics, signal_id
from monitor.config import KafkaSettings, Topics
from monitor.errors import BrokerError
from monitor.worker.positions import Mark, Snapshot, StartPoint, commit_entry, snapshot_headers
from monitor.worker.recovery import StateReading, start_points
from tests.support.daemon.topics import own_topics
from tests.support.kafka_fakes import Record, kept_states, place, run


class FakeOffsets:
    """A consumer that knows a beginning, an end and a commit."""

    def __init__(self, first: int, committed: OffsetAndMetadata | None, end: int = 50) -> None:
        self.first, self.entry, self.end = first, committed, end

    def beginning_offsets(self, places: list[TopicPartition], timeout_ms: float) -> dict[TopicPartition, int]:
        """As set."""
        return dict.fromkeys(places, self.first)

    def end_offsets(self, places: list[TopicPartition], timeout_ms: float) -> dict[TopicPartition, int]:
        """As set."""
        return dict.fromkeys(places, self.end)

    def committed(self, where: TopicPartition, metadata: bool, timeout_ms: float) -> Any:
        """As set."""
        return self.entry


@pytest.fixture(autouse=True)
def _no_ids(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker of the tests without one gives no ids."""
    if "integration" not in request.keywords:
        monkeypatch.setattr("monitor.worker.recovery.signal_id", lambda _: None)


@pytest.mark.parametrize(
    ("first", "committed", "start"),
    [
        (0, None, StartPoint(0, 0)),
        (40, None, StartPoint(40, 40)),
        (0, commit_entry(9, 5), StartPoint(5, 9)),
        (7, commit_entry(9, 5), StartPoint(7, 9)),
        (12, commit_entry(9, 5), StartPoint(12, 12, lost=3)),
        (0, commit_entry(9, 5, None, Mark(5, 6), {6: 2}), StartPoint(5, 9, mark=Mark(5, 6), deaths={6: 2})),
        (12, commit_entry(9, 5, None, Mark(5, 6), {6: 2}), StartPoint(12, 12, lost=3)),
    ],
)
def test_where_a_partition_goes_on(
    monkeypatch: pytest.MonkeyPatch, first: int, committed: OffsetAndMetadata | None, start: StartPoint
) -> None:
    """At the replay offset, but not before what retention has left; what was lost is counted."""
    points = _points(monkeypatch, FakeOffsets(first, committed))
    assert points == {place(): start}


def _points(
    monkeypatch: pytest.MonkeyPatch,
    offsets: FakeOffsets,
    settings: KafkaSettings | None = None,
    exactly_once: bool = True,
    **snapshots: int,
) -> dict[TopicPartition, StartPoint]:
    """Where the partition is taken up if `ecg.state` has these streams' snapshots."""
    settings = settings or KafkaSettings()
    records = [_state(at, stream, offset) for at, (stream, offset) in enumerate(snapshots.items())]
    state = _reading(monkeypatch, FakeState(records))
    return run(start_points(offsets, settings, [place()], state, 1.0, exactly_once))


def _state(at: int, stream: str, offset: int) -> Record:
    headers: Any = snapshot_headers("ecg-monitor", offset)
    return Record(b"%d" % offset, at, stream.encode(), topic="ecg.state", headers=headers)


class FakeState:
    """A reader of one partition of `ecg.state`, a record a poll; `away`: polls that the broker refuses."""

    def __init__(self, records: list[Record], away: Iterable[int] = ()) -> None:
        self.records, self.away = records, set(away)
        self.at = self.polls = self.opened = self.closed = 0

    def end_offsets(self, places: list[TopicPartition], timeout_ms: float) -> dict[TopicPartition, int]:
        """After the last record."""
        return dict.fromkeys(places, len(self.records))

    def assign(self, places: list[TopicPartition]) -> None:
        """There is but one."""
        (self.place,) = places
        self.opened += 1

    def seek_to_beginning(self, *_: TopicPartition) -> None:
        """Stand at the first record."""
        self.at = 0

    def seek(self, _: TopicPartition, offset: int) -> None:
        """Stand there."""
        self.at = offset

    def position(self, _: TopicPartition, timeout_ms: float) -> int:
        """Where it stands."""
        return self.at

    def poll(self, timeout_ms: float) -> dict[TopicPartition, list[Record]]:
        """The next record."""
        self.polls += 1
        if self.polls in self.away:
            raise KafkaConnectionError("gone")
        found = self.records[self.at : self.at + 1]
        self.at += len(found)
        return {self.place: found}

    def close(self) -> None:
        """Note it."""
        self.closed += 1


def _reading(monkeypatch: pytest.MonkeyPatch, reader: FakeState) -> StateReading:
    monkeypatch.setattr("monitor.worker.recovery.open_reader", lambda *_, **__: reader)
    return StateReading(KafkaSettings(), kept_states())


def test_state_that_was_read_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often the broker goes away in the midst of it, the topic is read in the end."""
    reader = FakeState([_state(at, f"s{at}", at) for at in range(9)], away=[4, 6, 8])
    state = _reading(monkeypatch, reader)
    for _ in range(3):
        with pytest.raises(BrokerError, match="gone"):
            run(state.read([0], 1.0))
    run(state.read([0], 1.0))
    found = StartPoint(0, 9)
    state.give(0, found)
    assert list(found.snapshots) == [f"s{at}" for at in range(9)]
    assert (reader.polls, reader.opened) == (12, 4)


def test_what_was_read_of_a_partition_that_went_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of one whose topic was made anew: it is read from its beginning."""
    reader = FakeState([_state(at, f"s{at}", at) for at in range(3)])
    state = _reading(monkeypatch, reader)
    run(state.read([0], 1.0))
    run(state.read([0], 1.0))
    assert reader.polls == 3
    state.forget([0])
    run(state.read([0], 1.0))
    assert reader.polls == 6
    reader.records = [_state(0, "new", 0)]
    run(state.read([0], 1.0))
    found = StartPoint(0, 9)
    state.give(0, found)
    assert list(found.snapshots) == ["new"]


@pytest.mark.parametrize(("answer", "begin"), [("earliest", 2), ("latest", 8)])
def test_a_commit_past_the_topics_end_has_an_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, answer: str, begin: int
) -> None:
    """The topic was made anew: its state goes, too, and both are said."""
    settings = KafkaSettings.model_validate({"on_lost_position": answer})
    points = _points(monkeypatch, FakeOffsets(2, commit_entry(9, 5), end=8), settings, a=9)
    assert points == {place(): StartPoint(begin, begin, refused=1, astray=True)}
    assert (
        f"commit is at 9, but the topic ends at 8: it was made anew or has lost records; beginning at {begin}"
        in caplog.text
    )
    assert "1 streams start afresh" in caplog.text


@pytest.mark.parametrize(("exactly_once", "kept"), [(True, ["a"]), (False, ["a", "b"])])
def test_state_ahead_of_the_commit_is_another_lifes(
    monkeypatch: pytest.MonkeyPatch, exactly_once: bool, kept: list[str]
) -> None:
    """Unless the two are written one after the other; past the topic's end it is in any case."""
    offsets = FakeOffsets(0, commit_entry(9, 5))
    points = _points(monkeypatch, offsets, exactly_once=exactly_once, a=9, b=10, c=51)
    assert list(points[place()].snapshots) == kept


def _states(monkeypatch: pytest.MonkeyPatch, topic_id: str, **snapshots: Snapshot) -> StateReading:
    """What is found in `ecg.state`, beside a topic of this id."""
    monkeypatch.setattr("monitor.worker.recovery.signal_id", lambda _: topic_id)
    records = []
    for at, each in enumerate(snapshots.values()):
        headers: Any = snapshot_headers("ecg-monitor", each.offset, topic_id=each.topic_id)
        records.append(Record(b"", at, each.stream.encode(), topic="ecg.state", headers=headers))
    return _reading(monkeypatch, FakeState(records))


@pytest.mark.parametrize(("answer", "begin"), [("earliest", 2), ("latest", 50)])
def test_a_commit_of_another_topic_has_an_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, answer: str, begin: int
) -> None:
    """Though the topic has grown past it since; its state goes, and so does state that names no topic."""
    reader = _states(monkeypatch, "new", a=Snapshot("a", 1, 0, None, "old"), b=Snapshot("b", 1, 0))
    settings = KafkaSettings.model_validate({"on_lost_position": answer})
    points = run(start_points(FakeOffsets(2, commit_entry(9, 5, "old")), settings, [place()], reader, 1.0))
    assert points == {place(): StartPoint(begin, begin, topic_id="new", astray=True)}
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "ecg.signal[0]: the topic was made anew: the commit at 9 and the state are of the one before; "
        f"beginning at {begin} (kafka.on_lost_position)"
    ]


@pytest.mark.parametrize(("answer", "begin"), [("earliest", 2), ("latest", 50)])
def test_state_of_another_topic_without_a_commit_has_an_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, answer: str, begin: int
) -> None:
    """A broker drops a group's commits with the topic, and nothing but the state is left to tell."""
    reader = _states(monkeypatch, "new", a=Snapshot("a", 1, 0, None, "old"))
    settings = KafkaSettings.model_validate({"on_lost_position": answer})
    points = run(start_points(FakeOffsets(2, None), settings, [place()], reader, 1.0, exactly_once=False))
    assert points == {place(): StartPoint(begin, begin, topic_id="new", astray=True)}
    assert f"state of 1 streams is of the one before, and nothing is committed; beginning at {begin}" in (
        caplog.text
    )


def test_old_state_beside_a_commit_of_this_topic_is_dropped(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of streams that have not come again it stays there for good, which is nothing to tell each time."""
    mine = Snapshot("b", 8, 1, None, "new")
    reader = _states(monkeypatch, "new", a=Snapshot("a", 1, 0, None, "old"), b=mine)
    points = run(
        start_points(FakeOffsets(0, commit_entry(9, 5, "new")), KafkaSettings(), [place()], reader, 1.0)
    )
    assert points == {place(): StartPoint(5, 9, 0, {"b": mine}, topic_id="new")}
    assert caplog.text == ""


@pytest.mark.parametrize("told", [None, "new"])
def test_a_commit_that_names_no_topic_is_taken(monkeypatch: pytest.MonkeyPatch, told: str | None) -> None:
    """It is an earlier release's, or the broker gave no ids; so is its state."""
    states = {"a": Snapshot("a", 8, 0), "b": Snapshot("b", 8, 1, None, told)}
    reader = _states(monkeypatch, "new", **states)
    points = run(start_points(FakeOffsets(0, commit_entry(9, 5)), KafkaSettings(), [place()], reader, 1.0))
    assert points == {place(): StartPoint(5, 9, 0, states, topic_id="new")}


@pytest.fixture
def settings(broker: str) -> KafkaSettings:
    """Topics of the test's own."""
    return own_topics(broker, 2)


def _write(settings: KafkaSettings, *records: tuple[str, bytes | None, int, str]) -> None:
    producer = open_producer(settings)
    for key, value, offset, group in records:
        headers = snapshot_headers(group, offset)
        producer.send(settings.topics.state, value, key=key.encode(), headers=headers, partition=1)
    headers = [("group", settings.group_id.encode())]
    producer.send(settings.topics.state, b"no snapshot", key=b"a", headers=headers, partition=1)
    producer.flush(timeout=10)
    producer.close(timeout=5)


@pytest.mark.integration
def test_the_last_snapshot_of_each_stream_is_found(settings: KafkaSettings) -> None:
    """Another group's is not ours, a deleted one is gone, one that is none is passed over."""
    mine = settings.group_id
    _write(
        settings,
        ("a", b"old", 3, mine),
        ("b", b"state", 4, mine),
        ("a", b"new", 8, mine),
        ("a", b"theirs", 9, "another"),
        ("c", b"state", 5, mine),
        ("c", None, 6, mine),
    )
    found = {number: StartPoint(0, 9) for number in (0, 1)}
    kept = kept_states()
    state = StateReading(settings, kept)
    run(state.read([0, 1]))
    for number, point in found.items():
        state.give(number, point)
    assert (found[0], found[1].refused) == (StartPoint(0, 9), 1)
    snapshots = found[1].snapshots
    assert {name: (each.offset, each.at) for name, each in snapshots.items()} == {"a": (8, 2), "b": (4, 1)}
    assert kept.read({("a", 1): 2, ("b", 1): 1}) == {("a", 1): b"new", ("b", 1): b"state"}


@pytest.mark.integration
def test_a_commit_is_read_back(settings: KafkaSettings) -> None:
    """What one member commits in a transaction, the next finds."""
    where = TopicPartition(settings.topics.signal, 1)
    producer = open_producer(settings, f"{settings.group_id}-one")
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(settings.topics.signal, b"x", key=b"k", partition=1)
    producer.send_offsets_to_transaction({where: commit_entry(1, 0)}, settings.group_id)
    producer.commit_transaction()
    producer.close(timeout=5)
    consumer = open_consumer(settings)
    try:
        points = run(start_points(consumer, settings, [where], StateReading(settings, kept_states())))
    finally:
        consumer.close(timeout_ms=1000)
    assert points == {where: StartPoint(0, 1, topic_id=signal_id(settings))}


@pytest.mark.integration
@pytest.mark.kafka
def test_a_killed_workers_open_transaction_is_waited_for(kafka_broker: str) -> None:
    """It hides what its successor committed after it; reading on without would find older state."""
    own = uuid.uuid4().hex[:8]
    names = {name: f"{own}.{name}" for name in Topics.model_fields}
    settings = KafkaSettings(
        bootstrap_servers=kafka_broker, topics=Topics(**names), group_id=own, transaction_timeout_s=2.0
    )
    create_topics(settings, 2)
    _write(settings, ("a", b"old", 1, own))
    zombie = open_producer(settings, f"{own}-zombie")
    zombie.init_transactions()
    zombie.begin_transaction()
    headers = snapshot_headers(own, 2)
    zombie.send(settings.topics.state, b"never", key=b"a", headers=headers, partition=1)
    zombie.flush(timeout=10)
    _write(settings, ("a", b"new", 3, own))
    with pytest.raises(BrokerError, match=r"state\[1\] cannot be read to the end"):
        run(StateReading(settings, kept_states()).read([1], 0.3))
    kept, found = kept_states(), StartPoint(0, 9)
    state = StateReading(settings, kept)
    reader = threading.Thread(target=lambda: run(state.read([1])))
    began = time.monotonic()
    reader.start()
    reader.join(30)
    state.give(1, found)
    assert kept.read({("a", 1): found.snapshots["a"].at}) == {("a", 1): b"new"}
    assert time.monotonic() - began < 15
    zombie.close(timeout=1)
