"""Events of all streams, and what is open."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import DecodeError
from monitor.formats.events import Kind, Phase, encode_event
from monitor.web.held.events import EventsHeld, read_event
from tests.support.web.made import event, held


def test_an_event_is_the_clouds_without_its_latent_vector() -> None:
    """The page gets the record's own data, and the record's own id."""
    made = event(500)
    data = msgspec.json.decode(encode_event(made))["data"]
    found = read_event(encode_event(made), 7)
    assert found.id == made.id
    assert found.data == {key: value for key, value in data.items() if key != "latent"}
    assert found.event == msgspec.structs.replace(made, latent=None)


@pytest.mark.parametrize("value", [b"", b"{}", b'{"id":"a","data":{"kind":"beat.new"}}', b"\xff"])
def test_what_is_no_event_is_refused(value: bytes) -> None:
    """By an error that the feed counts."""
    with pytest.raises(DecodeError):
        read_event(value, 0)


def test_an_event_is_kept_once() -> None:
    """Ids make duplicates visible."""
    events = EventsHeld()
    assert events.add(held(event(500)))
    assert not events.add(held(event(500)))
    assert len(events) == 1


def test_the_oldest_events_give_way() -> None:
    """Those of the stream first, then those of all."""
    events = EventsHeld(max_bytes=5 * held(event(100)).bytes + 500, max_of_stream=3)
    for sample in range(4):
        events.add(held(event(sample)))
    assert [each.event.r_peak_sample for each in events.of("a")] == [1, 2, 3]
    for sample in range(3):
        events.add(held(event(sample, stream="b")))
    assert [each.event.r_peak_sample for each in events.of("a")] == [2, 3]
    assert len(events) == len(list(events)) == 5
    for sample in range(3, 9):
        events.add(held(event(sample, stream="c")))
    assert events.of("a") == []
    assert events.last("a") is None


def test_the_patient_comes_before_the_measurement() -> None:
    """A stream's last event is the last about its patient, if there was one."""
    events = EventsHeld()
    lost = held(event(900, Kind.SIGNAL_LOST, phase=Phase.ONSET))
    events.add(lost)
    assert events.last("a") is lost
    beat = held(event(500))
    events.add(beat)
    events.add(held(event(1500, Kind.SIGNAL_RESTORED)))
    assert events.last("a") is beat


def test_an_episode_is_open_from_its_onset_to_its_end() -> None:
    """With its last word; of another session it is over."""
    events = EventsHeld()
    events.add(held(event(500, Kind.RUN, phase=Phase.ONSET)))
    update = held(event(500, Kind.RUN, phase=Phase.UPDATE, last_sample=3000))
    events.add(update)
    assert events.open("a", "s") == [update]
    assert events.open("a", "t") == []
    events.add(held(event(500, Kind.RUN, phase=Phase.END, last_sample=4000)))
    assert events.open("a", "s") == []


def test_lost_signal_is_open_until_it_is_restored() -> None:
    """And takes the place of poor signal."""
    events = EventsHeld()
    events.add(held(event(500, Kind.SIGNAL_POOR, phase=Phase.ONSET)))
    events.add(held(event(900, Kind.SIGNAL_LOST, phase=Phase.ONSET)))
    assert [each.event.kind for each in events.open("a", "s")] == [Kind.SIGNAL_LOST]
    events.add(held(event(900, Kind.SIGNAL_RESTORED)))
    assert events.open("a", "s") == []


def padded(**data: object) -> bytes:
    """An event with more than it needs."""
    record = msgspec.json.decode(encode_event(event(500)))
    record["data"] |= data
    return msgspec.json.encode(record | {"pad": "x" * 100_000})


@pytest.mark.parametrize("name", ["why", "model", "model_version", "part", "nobody_knows_it"])
def test_an_events_words_are_cut(name: str) -> None:
    """It is shown all the same: an alarm is none the less one for what else it says."""
    found = read_event(padded(**{name: "x" * 900_000}), 7)
    assert found.event.kind is Kind.BEAT_MORPHOLOGY
    assert found.bytes < 2 * held(event(500)).bytes
    assert len(msgspec.json.encode(found.data)) < 2000


def test_leads_and_the_latent_vector_are_cut() -> None:
    """Twelve names, and no vector."""
    found = read_event(padded(leads=["x" * 5000] * 5000, latent=[0.5] * 100_000), 7)
    assert list(found.data["leads"]) == ["x" * 40] * 12
    assert found.bytes < 3 * held(event(500)).bytes


NO_DATE = {"time_us": 1 << 53, "rate_hz": 100.0, "first_sample": -(1 << 53)}


@pytest.mark.parametrize("data", [{"stream": "x" * 201}, {"stream": ""}, {"session": "x" * 201}, NO_DATE])
def test_what_can_be_no_streams_event_is_refused(data: dict[str, object]) -> None:
    """By name and by a date that there is not."""
    with pytest.raises(DecodeError):
        read_event(padded(**data), 7)


MADE = st.tuples(
    st.sampled_from("abc"), st.integers(0, 500), st.sampled_from(Kind), st.none() | st.sampled_from(Phase)
)


@given(st.lists(MADE, max_size=60))
def test_all_events_are_bounded_in_bytes(made: list[tuple[str, int, Kind, Phase | None]]) -> None:
    """And an index holds nothing of what has given way, last words and open episodes included."""
    room = 6 * held(event(500)).bytes
    events = EventsHeld(max_bytes=room, max_of_stream=4)
    for sample, (stream, length, kind, phase) in enumerate(made):
        events.add(held(event(sample, kind, stream, phase=phase, why="x" * length)))
        assert events.bytes == sum(each.bytes for each in events) <= room
    known = {each.event.stream for each in events}
    assert set(events._of) == known
    assert {stream for stream, _ in events._last} <= known
    assert set(events._open) <= known
