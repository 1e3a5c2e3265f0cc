"""Events of all streams, and what is open."""

from __future__ import annotations

import msgspec
import pytest

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
    with pytest.raises(msgspec.MsgspecError):
        read_event(value, 0)


def test_an_event_is_kept_once() -> None:
    """Ids make duplicates visible."""
    events = EventsHeld()
    assert events.add(held(event(500)))
    assert not events.add(held(event(500)))
    assert len(events) == 1


def test_the_oldest_events_give_way() -> None:
    """Those of the stream first, then those of all."""
    events = EventsHeld(max_events=5, max_of_stream=3)
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
