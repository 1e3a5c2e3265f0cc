"""What release f2233cd has written is taken up, and goes on as it would have gone on there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np
import pytest
from kafka.structs import OffsetAndMetadata

from monitor.broker.kept_states import KeptStates
from monitor.config import DeliverySettings, Topics, load_settings
from monitor.detect.detector import Detector
from monitor.formats.beats import ScoredWindows, decode_beats
from monitor.formats.events import Event, decode_event
from monitor.model.model import load_model
from monitor.worker.batches import Batches
from monitor.worker.delivery import Outgoing
from monitor.worker.metrics import new_metrics
from monitor.worker.partition import Partition
from monitor.worker.positions import (
    LastRecord,
    Mark,
    StartPoint,
    commit_entry,
    replay_offset,
    snapshot_headers,
)
from monitor.worker.settings import SettingsInForce
from tests.support.kafka_fakes import STABLE, Record, place, streams_of
from tests.support.predecessor import (
    Written,
    beats_schema_of,
    identity_of,
    replay_offset_of,
    snapshot_of,
)

WRITTEN = Written.by("f2233cd")
ROUNDING, LEAST = 1e-3, 1e-5  # kernels round otherwise on another processor


def _start() -> StartPoint:
    """Where its last commit and its state let a partition begin."""
    offset, metadata = WRITTEN.commits[-1]
    start = StartPoint(replay_offset(OffsetAndMetadata(offset, metadata, -1)), offset)
    for record in WRITTEN.state:
        start.take(record, WRITTEN.group)
    return start


@lru_cache
def _went_on() -> Sequence[Outgoing]:
    """What this release makes of the input from there on."""
    start, settings, metrics = _start(), load_settings(), new_metrics()
    detector, in_force = Detector(load_model()), SettingsInForce(metrics)
    kept = KeptStates(settings.kafka, 1 << 20)
    streams = streams_of(detector, in_force, metrics, kept)
    batches = Batches(detector, metrics, settings.kafka.topics, settings.delivery, in_force, streams)
    states = {(record.key or b"").decode(): record.value or b"" for record in WRITTEN.state}
    for stream, snapshot in start.snapshots.items():
        in_force.take_up(stream, snapshot.setting)
        kept.put((stream, 0), snapshot.at, states[stream])
    delivery = DeliverySettings(snapshot_interval_s=1e6)
    part = Partition(place(), start, delivery, settings.state, STABLE.member_id)
    left = [each for each in WRITTEN.signal if each.offset >= start.replay]
    records = [
        Record(each.value, each.offset, each.key, timestamp=each.timestamp, headers=[*each.headers])
        for each in left
    ]
    for at in range(0, len(records), 5):
        batches.process({part: records[at : at + 5]})
    return part.pending.records


def _by_stream(beats: Sequence[Any], stream: str) -> ScoredWindows:
    whole = ScoredWindows.joined([decode_beats(each.value) for each in beats])
    return whole.of(stream, "first").in_time_order()


def test_its_commits_say_where_to_read_again() -> None:
    """The metadata is that of this release, or this release knows it."""
    entries = [OffsetAndMetadata(offset, metadata, -1) for offset, metadata in WRITTEN.commits]
    assert [(entry.offset, replay_offset(entry)) for entry in entries] == [(84, 84), (90, 84)]


def test_its_state_is_of_the_offsets_that_it_names() -> None:
    """The last of each stream, with the profile in force there."""
    found = {stream: (each.offset, each.setting is not None) for stream, each in _start().snapshots.items()}
    assert found == {"bed-1": (84, False), "bed-2": (84, True), "bed-3": (90, False)}


@pytest.mark.parametrize("record", WRITTEN.state, ids=lambda record: record.key.decode())
def test_a_state_of_its_is_restored(record: Any) -> None:
    """One that holds an early chunk is, too."""
    detector, stream = Detector(load_model()), record.key.decode()
    detector.restore(stream, record.value)
    assert detector.streams() == [stream]


def test_going_on_gives_the_same_events() -> None:
    """None is missing, extra or twice, and all say the same of the same time."""
    sent = [each for each in _went_on() if each.topic == Topics().events]
    found = {event.id: event for event in (decode_event(each.value or b"") for each in sent)}
    wanted = {event.id: event for event in (decode_event(each.value or b"") for each in WRITTEN.events)}
    assert len(sent) == len(WRITTEN.events) == len(wanted) == 15
    assert found.keys() == wanted.keys()
    for name, event in wanted.items():
        _alike(found[name], event)


def _alike(found: Event, wanted: Event) -> None:
    for name in ("stream", "session", "kind", "r_peak_sample", "time_us", "learning", "paced", "phase"):
        assert getattr(found, name) == getattr(wanted, name), name
    for name in ("score", "p_value", "threshold"):
        first, second = getattr(found, name), getattr(wanted, name)
        assert (first is None) == (second is None)
        assert first is None or first == pytest.approx(second, rel=ROUNDING)


@pytest.mark.parametrize("stream", ["bed-1", "bed-2", "bed-3"])
def test_going_on_gives_the_same_windows(stream: str) -> None:
    """Every window that the other release went on to score, with its score and verdict."""
    sent = [each for each in _went_on() if each.topic == Topics().beats]
    found, wanted = _by_stream(sent, stream), _by_stream(WRITTEN.beats, stream)
    assert len(wanted) > 10
    for name in ("sample", "time_us", "anomalous"):
        assert np.array_equal(getattr(found, name), getattr(wanted, name)), name
    assert (found.kind, found.quality) == (wanted.kind, wanted.quality)
    for name in ("rr_s", "score", "p_value"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), ROUNDING, LEAST)


def test_nothing_is_dead_lettered_on_the_way() -> None:
    """Its input is of the formats that this release reads."""
    assert {each.topic for each in _went_on()} == {Topics().events, Topics().beats}


def test_its_beats_are_columns_with_ids_in_every_row() -> None:
    """What the topic holds for days is of its schema; the page reads it."""
    assert {msgspec.msgpack.decode(each.value or b"")["schema"] for each in WRITTEN.beats} == {1}
    assert {stream for each in WRITTEN.beats for stream in decode_beats(each.value).stream} == {
        *("bed-1", "bed-2", "bed-3")
    }


def test_it_reads_this_releases_commits() -> None:
    """In a group of both, and when somebody goes back: what was added it passes over."""
    entry = commit_entry(9, 5, "0f9c1d3a-52d2-4b43-8d0c-6f5f6a3c2b11", Mark(5), {5: 1}, 8)
    assert replay_offset_of(entry.offset, entry.metadata) == 5


def test_it_reads_this_releases_headers_of_state() -> None:
    """Whether it can read the state itself is a matter of its schema."""
    headers = snapshot_headers("us", 7, b"setting", "id", LastRecord(6, 8, 9))
    assert snapshot_of(headers) == (b"us", 7, b"setting")


def test_it_refuses_this_releases_state_by_its_schema() -> None:
    """And by nothing else, so that it says so, counts it, and lets the stream begin afresh."""
    record = WRITTEN.state[-1]
    detector, stream = Detector(load_model()), (record.key or b"").decode()
    detector.restore(stream, record.value or b"")
    assert identity_of(detector.snapshot(stream)) == (2, *identity_of(record.value or b"")[1:])
    assert identity_of(record.value or b"")[0] == 1


def test_it_reads_the_setting_that_a_state_names() -> None:
    """What it wrote goes back as it was: what a replay mutes is decided under the same settings."""
    (named,) = {dict(each.headers).get("setting") for each in WRITTEN.state} - {None}
    in_force = SettingsInForce(new_metrics())
    in_force.take_up("bed-2", named)
    assert in_force.name("bed-2") == named


def test_its_page_reads_this_releases_events() -> None:
    """They have the fields of its own, and no others."""
    found, wanted = (
        {name for each in events for name in msgspec.json.decode(each.value or b"")["data"]}
        for events in ([each for each in _went_on() if each.topic == Topics().events], WRITTEN.events)
    )
    assert found == wanted


def test_its_page_knows_this_releases_beats_by_their_schema() -> None:
    """It leaves them out, and counts them."""
    sent = [each.value or b"" for each in _went_on() if each.topic == Topics().beats]
    assert set(map(beats_schema_of, sent)) == {2}
    assert {beats_schema_of(each.value or b"") for each in WRITTEN.beats} == {1}
