"""No verdict depends on when a stream fell asleep, left `ecg.state`, or a worker was restarted."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.config import DeliverySettings, StateSettings, Topics, load_settings
from monitor.worker.batches import Batches
from monitor.worker.commits import Committer
from monitor.worker.delivery import Outgoing
from monitor.worker.metrics import new_metrics
from monitor.worker.partition import Partition
from monitor.worker.positions import StartPoint, reached_ms, replay_offset
from monitor.worker.settings import SettingsInForce
from tests.support.daemon.harness import chunk
from tests.support.kafka_fakes import (
    STABLE,
    FakeConsumer,
    FakeDelivery,
    Record,
    kept_states,
    place,
    streams_of,
)
from tests.support.predecessor import kept_of, replay_offset_of
from tests.support.stub_detector import StubDetector

NAMES = "abcd"
HOUR_MS = 3_600_000
BEGAN_MS = 1_700_000_000_000
SETTINGS, METRICS = load_settings(), new_metrics()  # made once: they take long
STATE = StateSettings(forget_after_days=0.5, max_streams=3, max_awake=1, sleep_after_s=1e-9)


@dataclass
class Life:
    """One worker after another on one partition, and the topics that they leave."""

    state: list[Record] = field(default_factory=list)
    events: list[tuple[bytes | None, bytes | None]] = field(default_factory=list)
    entry: Any = None

    def start(self) -> None:
        """Take the partition up from what is committed."""
        start = StartPoint(0, 0)
        if self.entry is not None:
            start = StartPoint(replay_offset(self.entry), self.entry.offset)
            start.reached_ms = reached_ms(self.entry)
        for record in self.state:
            start.take(record, "ecg-monitor")
        self.detector, metrics = StubDetector(), METRICS
        in_force, self.delivery = SettingsInForce(metrics), FakeDelivery()
        kept = kept_states()
        for snapshot in start.snapshots.values():
            kept.put((snapshot.stream, 0), snapshot.at, self.state[snapshot.at].value or b"")
        setattr(kept, "_look_up", self._written)  # noqa: B010  what is not in memory
        self.streams = streams_of(self.detector, in_force, metrics, kept, **STATE.model_dump())
        self.batches = Batches(self.detector, metrics, Topics(), DeliverySettings(), in_force, self.streams)
        self.committer = Committer(
            SETTINGS, self.detector, metrics, FakeConsumer(), self.delivery, in_force, self.streams
        )
        self.part = Partition(place(), start, DeliverySettings(), STATE, STABLE.member_id)

    def _written(self, wanted: dict[Any, int], _: object) -> dict[Any, bytes | None]:
        return {owner: self.state[at].value for owner, at in wanted.items()}

    def process(self, records: list[Record]) -> None:
        """A batch, unless it is empty."""
        if records:
            self.batches.process({self.part: records})

    def commit(self, everything: bool, asleep: bool) -> None:
        """All that is pending, with the snapshots that are due, and let silent streams go."""
        before = len(self.delivery.parcels)
        self.delivery.state_end = len(self.state)
        self.committer._try_commit({place(): self.part}, everything)
        for parcel in self.delivery.parcels[before:]:
            for sent in [*parcel.records, *parcel.snapshots]:
                self._keep(sent)
            self.entry = parcel.offsets[place()]
        if asleep:
            self.streams.put_to_sleep([self.part])

    def _keep(self, sent: Outgoing) -> None:
        if sent.topic == "ecg.state":
            headers: Any = sent.headers
            at = len(self.state)
            self.state.append(Record(sent.value, at, sent.key, topic="ecg.state", headers=headers))
        elif sent.topic == "ecg.events":
            self.events.append((sent.key, sent.value))


@contextmanager
def _steps(step_ms: int) -> Iterator[None]:
    """A partition's time moves so far with a record: little, or as far as the record says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("monitor.worker.partition.STEP_MS", step_ms)
        yield


def _records(moves: list[tuple[str, int]]) -> list[Record]:
    """A chunk with a peak for each: of a stream, so many hours after the record before it."""
    hours = list(itertools.accumulate(later for _, later in moves))
    return [
        Record(chunk(name, at, peak=True), at, name.encode(), timestamp=BEGAN_MS + HOUR_MS * hours[at])
        for at, (name, _) in enumerate(moves)
    ]


MOVES = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from([0, 0, 1, 5, 13, -6])), max_size=25)
ENDS = st.sampled_from(["go on", "commit", "all", "sleep", "restart", "stop", "crash"])


# Dropped by the partition's time, and a record after it that bears an older one.
@example(moves=[("a", 0), ("b", 13), ("a", -6)], ends=["all", "commit", "commit"], step_ms=30 * HOUR_MS)
# A record that moves the partition's time is read again.
@example(
    moves=[("a", 0), ("b", 0), ("b", 13), ("c", 0), ("a", -6)],
    ends=["all", "commit", "commit", "restart", "commit"],
    step_ms=30 * HOUR_MS,
)
# Crowded out, while records from before that are read again.
@example(
    moves=[("a", 0), ("b", 0), ("c", 0), ("d", 0), ("b", 0), ("a", 0)],
    ends=["all", "all", "all", "go on", "restart", "commit"],
    step_ms=60_000,
)
@given(
    moves=MOVES,
    ends=st.lists(ENDS, min_size=25, max_size=25),
    step_ms=st.sampled_from([60_000, 30 * HOUR_MS]),
)
@settings(max_examples=60, deadline=None)
def test_events_are_those_of_an_undisturbed_worker(
    moves: list[tuple[str, int]], ends: list[str], step_ms: int
) -> None:
    """Whatever was committed, put to sleep, dropped or restarted between two records."""
    records = _records(moves)
    whole = Life()
    with _steps(step_ms):
        whole.start()
        for record in records:
            whole.process([record])
        whole.commit(everything=False, asleep=False)
        *_, life = _lives(records, ends)
    assert life.events == whole.events


def _lives(records: list[Record], ends: list[str]) -> Iterator[Life]:
    """One life on the records, as it is after each of them and its end."""
    life = Life()
    life.start()
    at = 0
    for end in ends:
        life.process(records[at : at + 1])
        at = life.part.next_offset
        if end not in {"go on", "crash"}:
            life.commit(everything=end in {"all", "stop"}, asleep=end in {"sleep", "all"})
        if end in {"restart", "stop", "crash"}:
            life.start()
            at = life.part.next_offset
        yield life
    life.process(records[at:])
    life.commit(everything=False, asleep=False)
    yield life


@example(moves=[("a", 0), ("b", 13), ("a", 0)], ends=["all", "all", "commit"])  # one of them is dropped
@given(moves=MOVES, ends=st.lists(ENDS, min_size=25, max_size=25))
@settings(max_examples=20, deadline=None)
def test_an_older_worker_would_take_up_the_same(moves: list[tuple[str, int]], ends: list[str]) -> None:
    """In a group of both, f2233cd finds the same place and state; of what was dropped it finds none."""
    with _steps(30 * HOUR_MS):
        for life in _lives(_records(moves), ends):
            start = StartPoint(0, 0)
            for record in life.state:
                start.take(record, "ecg-monitor")
            ours = {
                name: (found.offset, life.state[found.at].value) for name, found in start.snapshots.items()
            }
            assert kept_of(life.state, "ecg-monitor") == ours
            entry = life.entry
            assert entry is None or replay_offset_of(entry.offset, entry.metadata) == replay_offset(entry)
