"""Processes that end without an exception, life after life: one record is found, no other buried."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from kafka.structs import OffsetAndMetadata

from monitor.detect.interface import Detection
from monitor.formats.chunks import Chunk
from monitor.formats.events import decode_event
from monitor.worker.delivery import Parcel
from monitor.worker.positions import StartPoint, replay_offset, unclean_end
from monitor.worker.suspects import DEADLY
from tests.monitor.worker.test_worker import Bench
from tests.support.daemon.harness import CHUNK, chunk
from tests.support.kafka_fakes import Record, place

Kill = Callable[[], bool]


class Death(BaseException):
    """The process is gone."""


def never() -> bool:
    """Nobody kills it."""
    return False


@dataclass
class Lives:
    """A partition's input and all that was committed of it, whoever was alive."""

    monkeypatch: pytest.MonkeyPatch
    count: int
    bad: set[int] = field(default_factory=set)  # offsets at which the process ends
    poll: int = 5
    parcels: list[Parcel] = field(default_factory=list)
    entry: OffsetAndMetadata | None = None
    judged: list[list[int]] = field(default_factory=list)  # offsets of each batch, in this life

    def live(self, kill: Kill = never, polls: int = 6) -> bool:
        """One process's life, up to so many polls and a stop in order; False if it ended before."""
        self.monkeypatch.setattr("monitor.worker.worker.IDLE_S", 0.0)
        bench = Bench(self.monkeypatch)
        bench.consumer.owned = {place()}
        bench.starts[place()] = self._start()
        states = [state for parcel in self.parcels for state in parcel.snapshots]
        bench.states = {((state.key or b"").decode(), 0): state.value or b"" for state in states}
        self.judged = []
        self.monkeypatch.setattr(bench.detector, "process", self._judging(bench, kill))
        at = [0]

        def give(_: Any) -> None:
            at[0] = bench.consumer.sought.pop(place(), at[0])
            records = [_record(offset) for offset in range(at[0], min(at[0] + self.poll, self.count))]
            at[0] += len(records)
            bench.consumer.polls.append({place(): records} if records else {})

        try:
            bench.run(bench.gain(0), *[give] * polls)
        except Death:
            return False
        finally:
            self._keep(bench.delivery.parcels)
        return True

    def _judging(self, bench: Bench, kill: Kill) -> Callable[..., Detection]:
        process = bench.detector.process

        def judge(chunks: Sequence[Chunk], partitions: Sequence[int] = ()) -> Detection:
            self.judged.append([chunk.first_sample // CHUNK for chunk in chunks])
            self._keep(bench.delivery.parcels)
            bench.delivery.parcels.clear()
            if self.bad.intersection(self.judged[-1]) or kill():
                raise Death
            return process(chunks, partitions)

        return judge

    def _keep(self, parcels: list[Parcel]) -> None:
        for parcel in parcels:
            entry = parcel.offsets[place()]
            assert self.entry is None or entry.offset >= self.entry.offset
            self.entry = entry
        self.parcels += parcels

    def _start(self) -> StartPoint:
        if self.entry is None:
            return StartPoint(0, 0)
        mark, deaths = unclean_end(self.entry)
        start = StartPoint(replay_offset(self.entry), self.entry.offset, mark=mark, deaths=deaths)
        for parcel in self.parcels:
            for state in parcel.snapshots:
                start.take(Record(state.value, key=state.key, headers=list(state.headers)), "ecg-monitor")
        return start

    def buried(self) -> list[int]:
        """Offsets of dead letters, in order."""
        headers = [
            dict(each.headers)
            for parcel in self.parcels
            for each in parcel.records
            if each.topic == "ecg.deadletter"
        ]
        assert {each["reason"] for each in headers} <= {b"failed"}
        return [int(each["source-offset"]) for each in headers]

    def events(self) -> Counter[int]:
        """How often each record's event was committed."""
        return Counter(
            decode_event(each.value or b"").first_sample // CHUNK
            for parcel in self.parcels
            for each in parcel.records
            if each.topic == "ecg.events"
        )

    def whole(self) -> bool:
        """Whether each good record was judged once and each bad one buried once."""
        good = Counter(set(range(self.count)) - self.bad)
        return self.events() == good and self.buried() == sorted(self.bad)


def _record(offset: int) -> Record:
    return Record(chunk(f"s{offset % 2}", offset, peak=True), offset, f"s{offset % 2}".encode())


@pytest.mark.parametrize("bad", [0, 3, 4, 7, 11])
def test_a_record_that_ends_the_process_is_found(monkeypatch: pytest.MonkeyPatch, bad: int) -> None:
    """Within a few deaths, wherever it lies; every other record is judged once, before it and after it."""
    lives = Lives(monkeypatch, 12, {bad})
    deaths = 0
    while not lives.live():
        deaths += 1
        assert deaths <= DEADLY + 3
    assert lives.whole()
    assert unclean_end(lives.entry or OffsetAndMetadata(0, "", -1)) == (None, {})


def test_two_such_records_are_found_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first is not forgotten meanwhile."""
    lives = Lives(monkeypatch, 12, {3, 4})
    deaths = sum(not lives.live() for _ in range(12))
    assert (lives.whole(), deaths) == (True, 2 * DEADLY + 1)


def test_many_on_end_do_not_hold_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device may send nothing else; each is buried in its turn."""
    lives = Lives(monkeypatch, 50, set(range(3, 48, 2)), poll=50)
    while not lives.live(polls=10):
        assert len(lives.buried()) < 23
    assert lives.whole()


def test_one_in_the_muted_part_of_a_replay_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a release that cannot bear what the last one has judged: no letter, and no event a second time."""
    lives = Lives(monkeypatch, 6, poll=2)
    assert not lives.live(_after(3))
    committed = lives.entry.offset if lives.entry else 0
    lives.bad = {1}
    assert committed > 1
    lives.count = 12
    deaths = sum(not lives.live() for _ in range(8))
    assert (lives.buried(), deaths <= DEADLY + 3) == ([], True)
    assert lives.events() == Counter(range(12))


def _after(calls: int) -> Kill:
    left = [calls]

    def kill() -> bool:
        left[0] -= 1
        return left[0] <= 0

    return kill


@pytest.mark.parametrize("seed", range(12))
def test_kills_at_random_bury_nothing(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """However many; the output is whole."""
    chance = random.Random(seed)
    lives = Lives(monkeypatch, 60, poll=chance.choice([1, 5, 20]))
    for _ in range(10):
        lives.live(_after(chance.randint(1, 12)), polls=10)
    lives.live(polls=100)
    assert lives.whole()


@pytest.mark.parametrize("seed", range(4))
def test_kills_at_random_do_not_hide_a_bad_record(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """It is found among them all the same."""
    chance = random.Random(seed)
    lives = Lives(monkeypatch, 40, {chance.randrange(40)}, poll=5)
    for _ in range(10):
        lives.live(_after(chance.randint(1, 12)), polls=10)
    for _ in range(10):
        lives.live(polls=50)
    assert lives.whole()


def test_ordinary_life_makes_one_commit_more_at_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what is judged first; none after it bears a mark, and records are judged a poll at a time."""
    lives = Lives(monkeypatch, 30)
    assert lives.live()
    marks = [unclean_end(parcel.offsets[place()])[0] is not None for parcel in lives.parcels]
    assert (marks[0], any(marks[1:])) == (True, False)
    assert [len(batch) for batch in lives.judged] == [5] * 6


def test_a_kill_makes_the_next_life_slow_only_where_it_fell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Record by record up to the end of the poll in which it fell; then as ever."""
    lives = Lives(monkeypatch, 20)
    assert not lives.live(_after(1))
    assert lives.live()
    assert [len(batch) for batch in lives.judged] == [1, 1, 1, 1, 1, 5, 5, 5]


def test_a_stop_in_order_leaves_no_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it comes before there was anything to commit beyond the beginning."""
    lives = Lives(monkeypatch, 6, poll=2)
    assert not lives.live(_after(3))
    assert lives.live(polls=1)
    assert lives.entry is not None
    assert unclean_end(lives.entry) == (None, {})
