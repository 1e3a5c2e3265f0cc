"""The loop: partitions come and go, batches are processed, signals end it."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from kafka.errors import KafkaConnectionError
from prometheus_client import generate_latest

from monitor.broker.topic_watch import TopicsSeen
from monitor.config import load_settings
from monitor.detect.interface import Detection, Source
from monitor.errors import BrokerError
from monitor.formats.chunks import Chunk
from monitor.formats.events import decode_event
from monitor.formats.profiles import Profile
from monitor.worker.delivery import Parcel
from monitor.worker.health import Health
from monitor.worker.metrics import new_metrics
from monitor.worker.positions import Mark, Snapshot, StartPoint, topic_id_of, unclean_end
from monitor.worker.settings import ProfileRecord
from monitor.worker.worker import Worker
from tests.support.daemon.harness import CHUNK, chunk
from tests.support.kafka_fakes import FakeConsumer, FakeDelivery, Record, place
from tests.support.stub_detector import StubDetector

Step = Callable[[Any], None]
COUNTS = {"ecg.signal": 4, "ecg.profiles": 4}


def _nothing(*_: Any) -> tuple[()]:
    """No profile was ever set."""
    return ()


def _noted(calls: list[str], name: str) -> tuple[()]:
    """A call is noted; nothing comes of it."""
    calls.append(name)
    return ()


class Bench:
    """A worker between fakes; `steps` are called in order, one a poll, then the worker is stopped."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.consumer, self.delivery, self.detector = FakeConsumer(), FakeDelivery(), StubDetector()
        self.starts: dict[Any, StartPoint] = {}
        self.states: dict[Source, bytes] = {}  # each at offset 0
        self.taking: list[list[int]] = []  # partitions, by attempts to take them up
        self.reading: Iterable[None] = ()  # a step for each thing waited for
        self.profiles: dict[str, Callable[..., Any]] = dict.fromkeys(
            ("open", "catch_up", "cover", "follow", "close"), _nothing
        )
        self.watch = SimpleNamespace(
            start=_nothing,
            stop=_nothing,
            ready=self._ready,
            take=self._take,
        )
        self.seen: list[TopicsSeen] = []  # taken by the loop one by one
        self.mirrored, self.hurries = 12, 0
        self.metrics, self.health = new_metrics(), Health(60)
        monkeypatch.setattr("monitor.worker.worker.check_topics", lambda _: COUNTS)
        monkeypatch.setattr("monitor.worker.worker.TopicWatch", self._watch)
        monkeypatch.setattr("monitor.worker.worker.open_consumer", lambda _: self.consumer)
        monkeypatch.setattr("monitor.worker.worker.open_delivery", lambda *_: self.delivery)
        monkeypatch.setattr("monitor.worker.worker.start_points", self._start_points)
        monkeypatch.setattr(
            "monitor.worker.worker.ProfileReader", lambda *_: SimpleNamespace(**self.profiles)
        )
        self.worker = self.new_worker()

    def new_worker(self) -> Worker:
        """One that has not started."""
        return Worker(load_settings(), self.detector, self.metrics, self.health)

    def _watch(self, settings: Any, counts: Any) -> Any:
        assert counts == COUNTS
        return self.watch

    def _take(self) -> TopicsSeen | None:
        return self.seen.pop(0) if self.seen else None

    def _ready(self, places: set[Any]) -> set[Any]:
        ready = {each for each in places if each.partition < self.mirrored}
        self.hurries += ready != places
        return ready

    def _start_points(
        self, consumer: Any, settings: Any, places: list[Any], *_: Any
    ) -> Generator[None, None, dict[Any, StartPoint]]:
        for source, state in self.states.items():
            self.worker._kept.put(source, 0, state)
        self.taking.append([each.partition for each in places])
        yield from self.reading
        return {each: self.starts.get(each, StartPoint(0, 0)) for each in places}

    def run(self, *steps: Step) -> None:
        """Run through the steps and stop."""
        self.consumer.on_poll = [*steps, lambda _: self.worker.stop()]
        self.worker.run()

    def gain(self, *numbers: int) -> Step:
        """Partitions are assigned."""
        return lambda listener: listener.on_partitions_assigned([place(number) for number in numbers])

    def lose(self, *numbers: int) -> Step:
        """Partitions are revoked."""
        return lambda listener: listener.on_partitions_revoked([place(number) for number in numbers])

    def give(self, number: int, *records: Record) -> Step:
        """Records of a partition are polled."""
        return lambda _: self.consumer.polls.append({place(number): list(records)})

    @property
    def parcels(self) -> list[Parcel]:
        """What was committed, but for those that only say what comes next."""
        told = [[unclean_end(entry)[0] for entry in each.offsets.values()] for each in self.delivery.parcels]
        return [each for each, marks in zip(self.delivery.parcels, told, strict=True) if None in marks]

    def shows(self, line: str) -> bool:
        """Whether a metric has a value."""
        return f"ecg_monitor_{line}" in generate_latest(self.metrics.registry).decode().splitlines()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A fresh one."""
    return Bench(monkeypatch)


def _record(number: int, stream: str = "s", **options: Any) -> Record:
    return Record(chunk(stream, number, peak=True), number, stream.encode(), **options)


def test_a_partition_is_taken_up_where_it_was_left(bench: Bench) -> None:
    """Its streams are restored, the input is sought, and only then fetched."""
    bench.starts[place(1)] = StartPoint(2, 4, 0, {"s": Snapshot("s", 3, 0)})
    bench.states["s", 1] = b'{"chunks": 3}'
    found: list[bool] = []
    bench.run(
        bench.gain(1),
        lambda _: found.append("s" in bench.detector.streams()),
        bench.give(1, *(_record(number, partition=1) for number in range(2, 5))),
    )
    assert found == [False]  # not before it sends
    assert bench.detector.memory["s", 1].chunks == 5
    assert (bench.consumer.sought, bench.consumer.paused) == ({place(1): 2}, set())
    assert bench.shows('restores_total{outcome="restored"} 1.0')
    assert bench.health.assigned


def test_a_restored_stream_is_tuned_as_its_state_says(bench: Bench) -> None:
    """From its first record on; a partition that was given away takes the tuning with it."""
    setting = ProfileRecord(3, 1000, Profile(stream="s", at_us=0, paced=True))
    bench.starts[place(0)] = StartPoint(0, 0, 0, {"s": Snapshot("s", 0, 0, msgspec.json.encode(setting))})
    bench.states["s", 0] = b'{"chunks": 3}'
    tuned: list[bool] = []
    bench.run(
        bench.gain(0),
        bench.give(0, _record(0)),
        lambda _: tuned.append(bench.detector.tunings["s", 0].paced),
        bench.lose(0),
    )
    assert tuned == [True]
    assert bench.detector.tunings == {}
    assert decode_event(bench.parcels[0].records[0].value or b"").paced


def test_a_partition_without_its_mirrors_waits_alone(bench: Bench) -> None:
    """Others are taken up, the topics are looked at again, and the worker is not ready until it can be."""
    ready: list[bool] = []

    def mend(_: Any) -> None:
        ready.append(bench.health.assigned)
        bench.mirrored = 3

    bench.mirrored = 2
    bench.run(bench.gain(1, 2), mend, lambda _: None)
    assert (ready, bench.health.assigned, bench.consumer.paused) == ([False], True, set())
    assert bench.hurries == 1
    assert set(bench.consumer.sought) == {place(1), place(2)}


def test_what_the_watch_has_seen_is_acted_on(bench: Bench) -> None:
    """Readiness tells the problems, profiles are read everywhere, and who reads nothing is asked for."""
    covered: list[int] = []
    bench.profiles["cover"] = covered.append
    bench.worker = bench.new_worker()
    bench.seen = [
        TopicsSeen({"ecg.signal": 6, "ecg.profiles": 6}, ("ecg.state has too few",), frozenset({4, 5})),
        TopicsSeen({"ecg.signal": 6, "ecg.profiles": 6}, unread=frozenset({4}), insist=True),
        TopicsSeen({"ecg.signal": 6, "ecg.profiles": 6}),
    ]
    problems: list[tuple[str, ...]] = []
    insisted: list[int] = []
    (assignor,) = bench.consumer._coordinator._assignors.values()

    def look(_: object) -> None:
        problems.append(bench.health.topic_problems)
        insisted.append(assignor.insisted)

    bench.run(lambda _: None, look, look, lambda _: None)
    assert (problems, bench.health.topic_problems) == ([("ecg.state has too few",), ()], ())
    assert (insisted, covered, bench.consumer.rejoins) == ([0, 1], [6, 6, 6], 2)
    assert bench.shows('topic_partitions{topic="ecg.signal"} 6.0')


def test_a_topic_made_anew_is_taken_up_again(bench: Bench) -> None:
    """What is not committed is dropped; the start point says what is to be read of the new one."""
    bench.starts[place(0)] = StartPoint(0, 0, topic_id="old")
    bench.seen = [TopicsSeen(COUNTS, signal_id=name) for name in ("old", None, "new")]

    def made_anew(_: Any) -> None:
        bench.starts[place(0)] = StartPoint(7, 7, topic_id="new", astray=True)
        bench.consumer.owned = {place(0)}

    bench.run(bench.gain(0), bench.give(0, _record(0)), made_anew, lambda _: None)
    assert bench.consumer.sought == {place(0): 7}
    assert bench.shows("lost_positions_total 1.0")
    assert bench.shows('rebalances_total{change="again"} 1.0')


def test_nothing_of_a_topic_made_anew_is_taken_for_the_old_one(bench: Bench) -> None:
    """Its client has heard of it: what came with the same poll may be of either, and is read again."""
    bench.starts[place(0)] = StartPoint(0, 0, topic_id="old")
    bench.consumer.topic_id = "old"

    def made_anew(_: Any) -> None:
        bench.starts[place(0)] = StartPoint(0, 0, topic_id="new", astray=True)
        bench.consumer.owned, bench.consumer.topic_id = {place(0)}, "new"
        bench.consumer.polls.append({place(0): [_record(1)]})

    bench.run(bench.gain(0), bench.give(0, _record(0)), made_anew, bench.give(0, _record(0)))
    commits = [parcel.offsets[place(0)] for parcel in bench.parcels]
    assert {(each.offset, topic_id_of(each)) for each in commits} == {(1, "old"), (1, "new")}
    assert bench.detector.memory["s", 0].chunks == 1


def test_profiles_are_read_before_a_partition_is_taken_up(bench: Bench) -> None:
    """Its last owner may have known one that we have not seen; and they are followed in every round."""
    calls: list[str] = []
    bench.profiles = {name: lambda *_, name=name: _noted(calls, name) for name in bench.profiles}
    bench.worker = bench.new_worker()
    bench.run(bench.gain(0))
    assert calls == ["open", "follow", "catch_up", "follow", "close"]


def test_a_snapshot_that_does_not_fit_starts_the_stream_afresh(bench: Bench) -> None:
    """Then all its input since the commit counts, and the refusal is counted."""
    bench.starts[place(1)] = StartPoint(0, 0, 5, {"s": Snapshot("s", 9, 0)})
    bench.states["s", 1] = b"broken"
    bench.run(bench.gain(1), bench.give(1, _record(0, partition=1)))
    assert bench.detector.memory["s", 1].chunks == 1
    assert bench.shows('restores_total{outcome="refused"} 1.0')
    assert bench.shows("lost_records_total 5.0")


def test_a_stream_whose_state_does_not_fit_begins_at_the_commit(bench: Bench) -> None:
    """Begun in the replay, it would judge late, and aloud, what an earlier life has said."""
    bench.starts[place(1)] = StartPoint(0, 2, 0, {"s": Snapshot("s", 1, 0)})
    bench.states["s", 1] = b"broken"
    bench.run(bench.gain(1), bench.give(1, *(_record(number, partition=1) for number in range(3))))
    assert bench.detector.memory["s", 1].chunks == 1
    assert bench.shows('restores_total{outcome="refused"} 1.0')


def test_events_are_committed_with_their_input(bench: Bench) -> None:
    """One parcel holds both."""
    bench.run(bench.gain(0), bench.give(0, _record(0), _record(1)))
    parcel = bench.parcels[0]
    assert [record.topic for record in parcel.records] == ["ecg.events", "ecg.events", "ecg.beats"]
    assert parcel.offsets[place()].offset == 2
    assert bench.shows('events_total{kind="beat.morphology"} 2.0')


def test_what_is_too_much_for_a_turn_is_read_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its offset, in the next turn; records count once all the same."""
    monkeypatch.setattr("monitor.broker.polls.MAX_BYTES", 3 * len(_record(0).value or b"") - 1)
    records = [_record(number) for number in range(3)]
    bench.run(bench.gain(0), bench.give(0, *records), bench.give(0, *records[2:]))
    assert bench.consumer.sought[place(0)] == 2
    assert bench.delivery.parcels[-1].offsets[place()].offset == 3
    assert bench.shows("chunks_total 3.0")


def test_a_revoked_partitions_share_is_dropped(bench: Bench) -> None:
    """What is not committed is the next owner's to do; its streams are forgotten."""
    first, quiet = _record(0), Record(chunk("s", 1), 1, b"s")
    bench.run(bench.gain(0), bench.give(0, first), bench.give(0, quiet), bench.lose(0))
    assert [parcel.offsets[place()].offset for parcel in bench.parcels] == [1]
    assert bench.detector.streams() == []
    assert bench.shows('rebalances_total{change="revoked"} 1.0')


def test_records_of_a_partition_just_given_away_are_ignored(bench: Bench) -> None:
    """A poll may give both the news and the records."""

    def both(listener: Any) -> None:
        bench.lose(0)(listener)
        bench.give(0, _record(0))(listener)

    bench.run(bench.gain(0), both)
    assert (bench.delivery.parcels, bench.detector.streams()) == ([], [])


def test_the_end_is_in_order(bench: Bench) -> None:
    """What was processed is committed with a snapshot, then the clients are closed."""
    quiet = Record(chunk("s", 0), 0, b"s")
    bench.run(bench.gain(0), bench.give(0, quiet))
    assert len(bench.parcels[-1].snapshots) == 1
    assert (bench.consumer.closed, bench.delivery.closed) == (True, True)
    assert bench.shows("up 0.0")


def _fails_on(bench: Bench, monkeypatch: pytest.MonkeyPatch, bad: set[int]) -> None:
    """The detector raises for chunks of these numbers."""
    process = bench.detector.process

    def fail(chunks: Sequence[Chunk], partitions: Sequence[int] = ()) -> Detection:
        if bad & {chunk.first_sample // CHUNK for chunk in chunks}:
            raise RuntimeError("a bug")
        return process(chunks, partitions)

    monkeypatch.setattr(bench.detector, "process", fail)


def test_a_record_that_makes_us_fail_is_buried(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was half done is dropped and done again without it: every other record counts once."""
    bench.consumer.owned = {place(0)}
    _fails_on(bench, monkeypatch, {1})
    poll = bench.give(0, _record(0), _record(1), _record(2))
    bench.run(bench.gain(0), poll, poll, poll)  # together, one by one, and without it
    (parcel,) = (each for each in bench.delivery.parcels if each.records)
    assert [each.topic for each in parcel.records].count("ecg.events") == 2
    (letter,) = (each for each in parcel.records if each.topic == "ecg.deadletter")
    headers = dict(letter.headers)
    assert (headers["reason"], headers["source-offset"]) == (b"failed", b"1")
    assert parcel.offsets[place()].offset == 3
    assert bench.shows('rebalances_total{change="again"} 2.0')


def test_after_an_error_nothing_is_committed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where we fail at our own test, too, the process ends; the clients are closed all the same."""

    def broken() -> None:
        raise ZeroDivisionError

    bench.consumer.owned = {place(0)}
    monkeypatch.setattr("monitor.worker.suspects.MOST_IN_A_ROW", 0)
    monkeypatch.setattr(bench.detector, "self_test", broken)
    bench.worker = bench.new_worker()
    _fails_on(bench, monkeypatch, {1})
    with pytest.raises(ZeroDivisionError):
        bench.run(bench.gain(0), bench.give(0, Record(b"\xc1", 0), _record(1)), bench.give(0, _record(1)))
    assert bench.parcels == []
    assert (bench.consumer.closed, bench.delivery.closed) == (True, True)


def test_a_worker_that_cannot_start_closes_what_it_opened(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the reason is what the operator sees."""

    def refuse(*_: Any) -> None:
        raise BrokerError("no transactions here")

    monkeypatch.setattr("monitor.worker.worker.open_delivery", refuse)
    with pytest.raises(BrokerError, match="no transactions here"):
        bench.run()
    assert bench.consumer.closed


@pytest.mark.parametrize("call", [0, 1], ids=["before", "after"])
def test_an_unknown_outcome_is_begun_again_from_the_commit(bench: Bench, call: int) -> None:
    """What was pending is dropped, the state is built anew, and the input is read again from the commit."""
    bench.consumer.owned = {place(0)}
    bench.starts[place(0)] = StartPoint(0, 0)
    learned: list[int] = []
    bench.delivery.unknown = {call}
    bench.run(
        bench.gain(0),
        bench.give(0, _record(0), _record(1)),
        lambda _: learned.append(len(bench.detector.streams())),
        bench.give(0, _record(0), _record(1)),
    )
    assert learned == [0]
    assert bench.delivery.settled == 2  # each time before the commit was read
    first = bench.parcels[0]
    assert (len(first.records), first.offsets[place()].offset) == (3, 2)
    assert bench.shows('rebalances_total{change="again"} 1.0')
    assert bench.consumer.paused == set()


def test_a_poll_that_raises_ends_nothing(bench: Bench) -> None:
    """What it may have had is read again."""
    bench.consumer.owned = {place(0)}
    bench.starts[place(0)] = StartPoint(0, 0)

    def away(_: Any) -> None:
        raise KafkaConnectionError("111 ECONNREFUSED")

    bench.run(bench.gain(0), bench.give(0, _record(0), _record(1)), away, bench.give(0, _record(2)))
    assert bench.consumer.sought[place(0)] == 2
    assert bench.shows("chunks_total 3.0")


def test_records_wait_until_it_is_noted_that_they_are_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a commit does not get through they are read again, and nothing has been judged."""
    monkeypatch.setattr("monitor.worker.commits.RETRY_S", 0.0)
    bench.delivery.refuse = 1
    judged: list[int] = []
    bench.run(
        bench.gain(0),
        bench.give(0, _record(0), _record(1)),
        lambda _: judged.append(len(bench.detector.streams())),
        bench.give(0, _record(0), _record(1)),
    )
    assert (judged, bench.consumer.sought) == ([0], {place(0): 0})
    assert bench.parcels[0].offsets[place()].offset == 2


def test_what_goes_record_by_record_is_bounded_in_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn of the loop must not take so long that the group gives us up."""
    monkeypatch.setattr("monitor.worker.worker.TURN_S", 0.05)
    bench.detector.delay_s = 0.06
    bench.starts[place(0)] = StartPoint(0, 0, mark=Mark(0, 2))
    bench.run(bench.gain(0), bench.give(0, *map(_record, range(3))))
    assert bench.consumer.sought == {place(0): 1}
    assert bench.parcels[-1].offsets[place()].offset == 1


def test_taking_up_waits_for_the_broker(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop goes round, the partition stays paused, and the worker says that it is not ready."""
    monkeypatch.setattr("monitor.worker.worker.TAKE_UP_RETRY_S", 0.0)
    refused, seen = [BrokerError("not now")], list[tuple[bool, set[Any]]]()

    def catch_up(*_: Any) -> tuple[()]:
        if refused:
            raise refused.pop()
        return ()

    bench.profiles["catch_up"] = catch_up
    bench.worker = bench.new_worker()
    bench.run(bench.gain(0), lambda _: seen.append((bench.health.assigned, set(bench.consumer.paused))))
    assert seen == [(False, {place(0)})]
    assert (bench.health.assigned, bench.consumer.paused) == (True, set())


def test_a_broker_that_is_away_shows_without_work(bench: Bench) -> None:
    """Nothing is to be committed, and yet the worker says that it is not ready."""
    seen: list[list[str]] = []

    def away(_: Any) -> None:
        bench.consumer._coordinator.coordinator_id = None

    bench.run(bench.gain(0), away, lambda _: seen.append(bench.health.unready_reasons()))
    assert seen == [["broker not reachable"]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_worker_and_handlers_come_back(bench: Bench, number: int) -> None:
    """It finishes its batch; afterwards the signals are whose they were."""
    before = signal.getsignal(number)
    bench.consumer.on_poll = [bench.gain(0), lambda _: os.kill(os.getpid(), number)]
    bench.worker.run()
    assert bench.consumer.closed
    assert signal.getsignal(number) is before


def test_a_second_signal_exits_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a code of its own."""
    codes: list[int] = []
    monkeypatch.setattr("monitor.worker.worker.os._exit", codes.append)

    def twice(_: Any) -> None:
        for _number in range(2):
            os.kill(os.getpid(), signal.SIGTERM)

    bench.consumer.on_poll = [twice]
    bench.worker.run()
    assert codes == [130]


def test_a_signal_before_the_work_begins_ends_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order: nothing has been read that would have to be committed."""

    class LeftError(Exception):
        pass

    def leave(code: int) -> None:
        raise LeftError(code)

    monkeypatch.setattr("monitor.lifetime.os._exit", leave)
    monkeypatch.setattr("monitor.worker.worker.check_topics", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(LeftError, match="0"):
        bench.worker.run()


def test_taking_up_is_given_up_when_the_worker_is_to_stop(bench: Bench) -> None:
    """What is read then is for nobody; nothing of it is owned or committed."""
    bench.starts[place(0)] = StartPoint(0, 0, 0, {"s": Snapshot("s", 0, 0)})

    def reading() -> Iterator[None]:
        os.kill(os.getpid(), signal.SIGTERM)
        while True:
            yield

    bench.reading = reading()
    bench.run(bench.gain(0))
    assert (bench.consumer.closed, bench.consumer.sought, bench.delivery.parcels) == (True, {}, [])


def test_what_takes_long_shows_that_it_gets_on(bench: Bench) -> None:
    """Each thing that is waited for, so that the watchdog does not take it for a standstill."""
    bench.reading = itertools.repeat(None, 50)
    turns: list[int] = []
    bench.run(
        lambda _: turns.append(bench.health.turns), bench.gain(0), lambda _: turns.append(bench.health.turns)
    )
    assert turns[1] - turns[0] > 50


def _for_ever(monkeypatch: pytest.MonkeyPatch, bench: Bench) -> None:
    """Taking up takes a turn of the loop for each step, and never comes to its end."""
    monkeypatch.setattr("monitor.worker.worker.TAKE_UP_SLICE_S", 0.0)
    bench.reading = itertools.repeat(None)


def test_the_loop_turns_while_partitions_are_taken_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It polls, so that the group keeps us, and works on those that it has."""
    bench.run(
        bench.gain(0),
        lambda _: _for_ever(monkeypatch, bench),
        bench.gain(1),
        *([lambda _: None] * 5),
        bench.give(0, _record(0)),
    )
    assert bench.taking == [[0], [1]]  # one attempt each, however many turns
    assert bench.consumer.paused == {place(1)}
    assert not bench.health.assigned
    records = [each for parcel in bench.delivery.parcels for each in parcel.records]
    assert [each.topic for each in records] == ["ecg.events", "ecg.beats"]


def test_a_rebalance_amid_taking_up_is_heeded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What went is not taken up, what came is, with those that stay."""
    _for_ever(monkeypatch, bench)

    def end(_: Any) -> None:
        bench.reading = ()

    turn: Step = lambda _: None  # noqa: E731
    bench.run(bench.gain(0, 1), turn, bench.lose(0), turn, end, bench.gain(2), turn, turn)
    assert bench.taking == [[0, 1], [1], [1, 2]]
    assert set(bench.consumer.sought) == {place(1), place(2)}


def test_a_partition_that_comes_back_amid_taking_up_is_begun_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another may have had it for a moment."""
    _for_ever(monkeypatch, bench)

    def lose_and_gain(listener: Any) -> None:
        bench.lose(0)(listener)
        bench.gain(0)(listener)

    bench.run(bench.gain(0), lambda _: None, lose_and_gain)
    assert bench.taking == [[0], [0]]
