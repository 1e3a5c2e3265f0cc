"""Whatever a record holds: it is taken or counted, and the page answers all the same."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka import TopicPartition

from monitor.config import load_settings
from monitor.formats.beats import encode_beats
from monitor.formats.events import encode_event
from monitor.formats.profiles import Profile, encode_profile
from monitor.formats.reviews import Opinion, Review, encode_review
from monitor.web.feed import Feed
from monitor.web.held.store import Store
from monitor.web.metrics import WebMetrics, new_web_metrics
from monitor.web.views.rows import rows
from tests.support.daemon.poison import NESTS
from tests.support.predecessor import Written
from tests.support.web.made import START_US, chunk_value, event, limits, store_of, windows
from tests.support.web.pages import client, page

PACKED = ("ecg.signal", "ecg.beats")
REVIEW = Review(
    id=uuid.UUID(int=7).hex,
    event_id=event(100).id,
    stream="a",
    time_us=1,
    verdict=Opinion.CONFIRMED,
    by="A",
    at_us=1,
)
VALID = {
    "ecg.signal": chunk_value(4),
    "ecg.beats": encode_beats(windows([(100, "beat", False, "good"), (200, "fixed", True, "good")])),
    "ecg.events": encode_event(event(100, phase="onset")),
    "ecg.feedback": encode_review(REVIEW),
    "ecg.profiles": encode_profile(Profile(stream="a", at_us=1, lead_names=("I", "II"))),
}
# What a program may write in place of anything: wrong types, huge numbers, words without end, deep nests.
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 1 << 53, 1 << 63, -(1 << 63), (1 << 64) - 1, 1e308, -1e308, 5e-324]),
    st.sampled_from(
        ["", "x" * 1000, "\x00", "run", "onset", b"", b"\xff" * 9, [], {}, [[[]]], {"a": 1}, ["a", 1]]
    ),
)


@dataclass
class Record:
    """What the feed looks at of a consumer's record."""

    value: bytes | None
    key: bytes | None = b"a"
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    offset: int = 0
    timestamp: int = START_US // 1000


def feed_into(store: Store) -> tuple[Feed, WebMetrics]:
    """A feed that nobody has started."""
    settings_, metrics = load_settings(None), new_web_metrics()
    return Feed(settings_.kafka, settings_.web, store, metrics, lambda fresh: None), metrics


def mutated(topic: str, draw: st.DataObject) -> bytes:
    """The topic's valid record with something odd in one or two places."""
    record = (msgspec.msgpack if topic in PACKED else msgspec.json).decode(VALID[topic])
    parts = [each for each in (record, record.get("data"), record.get("columns")) if each is not None]
    for _ in range(draw.draw(st.integers(1, 2))):
        at = draw.draw(st.sampled_from(parts))
        at[draw.draw(st.sampled_from(sorted(at)))] = draw.draw(ODD)
    return msgspec.msgpack.encode(record) if topic in PACKED else msgspec.json.encode(record)


def answers(store: Store) -> None:
    """Everything that a browser asks for is answered, and rows are made and can be sent."""
    browser = client(page(store)[0])
    for path in ("events", "verdicts?stream=a", "agreement", "profiles/a"):
        assert browser.get(f"/api/{path}").status_code == 200, path
    span = {"from_us": START_US, "to_us": START_US + 5_000_000}
    for path in ("strip/a", "overview/a", "wfdb/a"):
        assert browser.get(f"/api/{path}", params=span).status_code == 200, path
    msgspec.json.encode(rows(store, time.time_ns() // 1000))


@pytest.mark.parametrize("topic", VALID)
@settings(max_examples=30, deadline=None)
@given(draw=st.data())
def test_a_mutated_record_is_taken_or_counted(topic: str, draw: st.DataObject) -> None:
    """And the one after it is read, and every address answers."""
    store = store_of(4)
    feed, metrics = feed_into(store)
    bad = Record(mutated(topic, draw), draw.draw(st.sampled_from([b"a", b"\xff", b"", None])))
    feed._take_in({TopicPartition(topic, 0): [bad, Record(VALID[topic], offset=1)]})
    assert metrics.bad_records.labels(topic)._value.get() <= 1
    assert feed._next[TopicPartition(topic, 0)] == 2
    answers(store)


@pytest.mark.parametrize("topic", VALID)
@settings(max_examples=30, deadline=None)
@given(value=st.none() | st.binary(max_size=200), key=st.none() | st.binary(max_size=5))
def test_random_bytes_are_counted(topic: str, value: bytes | None, key: bytes | None) -> None:
    """None of them is taken for a record, except that a setting without a value takes one back."""
    store = store_of(4)
    feed, metrics = feed_into(store)
    feed._take_in({TopicPartition(topic, 0): [Record(value, key), Record(VALID[topic], offset=1)]})
    taken_back = topic == "ecg.profiles" and value is None
    assert taken_back or metrics.bad_records.labels(topic)._value.get() == 1


@pytest.mark.parametrize("topic", VALID)
@pytest.mark.parametrize("value", NESTS.values(), ids=NESTS)
def test_a_nest_without_end_does_not_end_the_feed(topic: str, value: bytes) -> None:
    """A decoder's RecursionError is one record's."""
    feed, metrics = feed_into(Store(limits()))
    feed._take_in({TopicPartition(topic, 0): [Record(value), Record(VALID[topic], offset=1)]})
    assert metrics.bad_records.labels(topic)._value.get() == 1


@pytest.mark.parametrize(
    ("key", "value"), [(b"\xff", None), (None, None), (b"", None), (None, b"valid"), (b"b", b"valid")]
)
def test_a_setting_without_its_streams_key_is_counted(key: bytes | None, value: bytes | None) -> None:
    """It would else be that of a stream without a name."""
    store = Store(limits())
    feed, metrics = feed_into(store)
    feed._take_in({TopicPartition("ecg.profiles", 0): [Record(value and VALID["ecg.profiles"], key)]})
    assert metrics.bad_records.labels("ecg.profiles")._value.get() == 1
    assert store.profile("") is None


def test_a_fault_of_our_own_is_one_records_as_well() -> None:
    """Whatever is raised, the feed goes on, and the record is counted."""
    feed, metrics = feed_into(Store(limits()))

    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    feed._take["ecg.events"] = fail
    feed._take_in({TopicPartition("ecg.events", 0): [Record(VALID["ecg.events"])]})
    assert metrics.bad_records.labels("ecg.events")._value.get() == 1


@pytest.mark.parametrize("topic", ["signal", "beats", "events"])
def test_what_the_release_before_has_written_is_shown(topic: str) -> None:
    """The topics hold it for days after an upgrade."""
    feed, metrics = feed_into(store := Store(limits()))
    written = Written.by("f2233cd")
    for name in ("signal", topic):
        records = [Record(each.value, each.key, each.headers, each.offset) for each in getattr(written, name)]
        feed._take_in({TopicPartition(f"ecg.{name}", 0): records})
        assert metrics.bad_records.labels(f"ecg.{name}")._value.get() == 0
    shown = {row["stream"]: row for row in rows(store, time.time_ns() // 1000)}
    assert set(shown) == {"bed-1", "bed-2", "bed-3"}
    assert {row["judged"] for row in shown.values()} == {topic == "beats"}
    assert all((row["event"] is not None) == (topic == "events") for row in shown.values())
