"""Events as CloudEvents."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.formats.events import (
    PRIORITY,
    TECHNICAL,
    Event,
    Kind,
    Phase,
    decode_event,
    encode_event,
    rfc3339,
)
from tests.support.daemon.poison import UNRECKONABLE, changed_event

BASE = Event(
    stream="bed-1",
    session="s",
    kind=Kind.BEAT_MORPHOLOGY,
    r_peak_sample=1000,
    time_us=1_700_000_000_000_000,
    first_sample=900,
    last_sample=1100,
    rate_hz=250.0,
    model="default",
    model_version="abc",
)

finite = st.floats(allow_nan=False, allow_infinity=False)
events = st.builds(
    Event,
    stream=st.text(min_size=1, max_size=10),
    session=st.text(min_size=1, max_size=10),
    kind=st.sampled_from(Kind),
    r_peak_sample=st.integers(0, 1 << 40),
    time_us=st.integers(0, 1 << 53),
    first_sample=st.integers(0, 1 << 40),
    last_sample=st.integers(0, 1 << 40),
    rate_hz=st.floats(100, 1000),
    model=st.text(max_size=5),
    model_version=st.text(max_size=5),
    score=st.none() | finite,
    p_value=st.none() | st.floats(0, 1),
    threshold=st.none() | st.floats(0, 1),
    why=st.text(max_size=9),
    leads=st.lists(st.text(max_size=5), max_size=3).map(tuple),
    part_s=st.none() | st.tuples(finite, finite),
    phase=st.none() | st.sampled_from(Phase),
    beats=st.none() | st.integers(0, 1000),
    learning=st.booleans(),
    late=st.booleans(),
    latent=st.none() | st.lists(finite, max_size=4).map(tuple),
)


@given(event=events)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_events_come_back_as_they_were(event: Event) -> None:
    """Encoding loses nothing, and the id is the same on both sides."""
    back = decode_event(encode_event(event))
    assert back == event
    assert back.id == event.id


def test_the_record_is_a_cloudevent() -> None:
    """Envelope and data say what, when and by what, in RFC 3339 and sample numbers."""
    record = json.loads(encode_event(BASE))
    assert record["specversion"] == "1.0"
    assert record["id"] == BASE.id
    assert record["type"] == "org.ecg-monitor.beat.morphology"
    assert record["subject"] == "bed-1"
    assert record["source"] == "/ecg-monitor/default"
    assert record["time"] == "2023-11-14T22:13:20.000000Z"
    assert record["data"]["first_time"] == "2023-11-14T22:13:19.600000Z"
    assert record["data"]["last_time"] == "2023-11-14T22:13:20.400000Z"
    assert record["data"]["priority"] == 2
    assert record["data"]["technical"] is False


@pytest.mark.parametrize(
    "change",
    [
        {"stream": "bed-2"},
        {"session": "t"},
        {"r_peak_sample": 1001},
        {"kind": Kind.BEAT_EARLY},
        {"model_version": "abd"},
        {"phase": Phase.ONSET},
    ],
)
def test_the_id_tells_events_apart(change: dict[str, object]) -> None:
    """Stream, session, sample, kind, phase and model version make another id."""
    assert msgspec.structs.replace(BASE, **change).id != BASE.id


@pytest.mark.parametrize(
    "change", [{"score": 3.0}, {"time_us": 5}, {"why": "x"}, {"leads": ("II",)}, {"last_sample": 1101}]
)
def test_the_id_does_not_depend_on_the_rest(change: dict[str, object]) -> None:
    """What is said of a beat does not change which beat it is."""
    assert msgspec.structs.replace(BASE, **change).id == BASE.id


def test_updates_of_an_episode_differ() -> None:
    """Two updates share kind and first sample, but not their last one."""
    update = msgspec.structs.replace(BASE, kind=Kind.RUN, phase=Phase.UPDATE)
    assert update.id != msgspec.structs.replace(update, last_sample=2000).id


def test_ids_cannot_be_forged_by_joining() -> None:
    """Stream "a" with session "bc" is not stream "ab" with session "c"."""
    first = msgspec.structs.replace(BASE, stream="a", session="bc")
    assert first.id != msgspec.structs.replace(BASE, stream="ab", session="c").id


def test_the_vocabulary_is_whole() -> None:
    """Every kind has a priority, and technical is what speaks of the signal and its sender."""
    assert set(PRIORITY) == set(Kind)
    assert {kind for kind in Kind if kind.startswith(("signal.", "stream."))} == TECHNICAL
    assert all(1 <= priority <= 4 for priority in PRIORITY.values())
    assert BASE.priority == PRIORITY[BASE.kind]
    assert msgspec.structs.replace(BASE, kind=Kind.SIGNAL_LOST).technical


def test_time_has_microseconds() -> None:
    """The epoch, and a time beyond a float's exact range."""
    assert rfc3339(0) == "1970-01-01T00:00:00.000000Z"
    assert rfc3339(1_700_000_000_123_457) == "2023-11-14T22:13:20.123457Z"


@pytest.mark.parametrize("value", [b"[]", b'{"data": {}}', b'{"data": {"kind": "x"}}', b"{", b"null"])
def test_what_is_no_event_is_refused(value: bytes) -> None:
    """Other JSON raises msgspec's error."""
    with pytest.raises(msgspec.MsgspecError):
        decode_event(value)


@pytest.mark.parametrize("change", UNRECKONABLE)
def test_what_nobody_can_reckon_with_is_no_event(change: dict[str, Any]) -> None:
    """A page divides by the rate; others may have written the record."""
    with pytest.raises(msgspec.ValidationError):
        decode_event(changed_event(encode_event(BASE), change))


def test_an_envelope_without_data_is_refused() -> None:
    """A CloudEvent of somebody else may carry no data at all."""
    with pytest.raises(msgspec.MsgspecError):
        decode_event(b'{"specversion": "1.0"}')


def test_what_begins_is_told_from_its_course() -> None:
    """Single events and onsets begin something; updates, ends and a restored signal do not."""
    replace = msgspec.structs.replace
    phases = [replace(BASE, kind=Kind.RUN, phase=phase) for phase in Phase]
    assert BASE.begins
    assert [event.phase for event in phases if event.begins] == [Phase.ONSET]
    assert not replace(BASE, kind=Kind.SIGNAL_RESTORED).begins
