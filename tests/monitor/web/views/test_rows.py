"""A tile's row and its urgency."""

from __future__ import annotations

import pytest

from monitor.formats.events import Kind, Phase
from monitor.formats.profiles import Profile
from monitor.web.held.store import Store
from monitor.web.views import rows
from tests.support.web.made import (
    RATE_HZ,
    START_US,
    chunk_value,
    event,
    held,
    limits,
    send,
    store_of,
    windows,
)

END_US = START_US + 30_000_000


def judged_store() -> Store:
    """Stream a with 30 s of signal, a beat every 0.75 s, and a fixed window a second."""
    store = store_of(30)
    beats = [(at, "beat", False, "good") for at in range(100, 7400, round(0.75 * RATE_HZ))]
    store.take_windows(windows(beats, rr_s=0.75))
    store.take_windows(windows([(at, "fixed", False, "good") for at in range(500, 7400, 250)]))
    return store


def row(store: Store, now_us: int = END_US) -> dict[str, object]:
    """Stream a's row."""
    return next(each for each in rows.rows(store, now_us) if each["stream"] == "a")


def test_a_row_says_how_the_stream_is() -> None:
    """Its heart rate is that of the intervals in `ecg.beats`."""
    found = row(judged_store())
    assert found["heart_rate"] == round(60 / 0.75)
    assert found["quality"] == "good"
    assert (found["judged"], found["learning"], found["stale"]) == (True, False, False)
    assert (found["leads"], found["rate_hz"], found["last_us"]) == (("II", "V1"), 250.0, END_US)
    assert (found["event"], found["open"], found["urgency"]) == (None, [], 0.0)


def test_a_stream_that_stops_is_stale_within_five_seconds() -> None:
    """With chunks of a second, and rows every second; its heart rate is not told any longer."""
    store = judged_store()
    assert row(store, END_US + 3_400_000)["stale"] is False
    late = row(store, END_US + 3_600_000)
    assert late["stale"] is True
    assert late["heart_rate"] is None
    assert late["urgency"] == rows.LOST_URGENCY


def test_long_chunks_are_waited_for() -> None:
    """A gateway that sends every 10 s is not stale in between."""
    assert not rows.stale(12_400_000, 0, 10.0)
    assert rows.stale(12_600_000, 0, 10.0)


def test_signal_that_nobody_judges_says_so() -> None:
    """Without a worker's windows there is no quality and no heart rate, rather than an old one."""
    store = judged_store()
    for number in range(30, 50):
        send(store, chunk_value(number))
    found = row(store, START_US + 50_000_000)
    assert (found["judged"], found["quality"], found["heart_rate"]) == (False, None, None)


@pytest.mark.parametrize(
    ("quality", "shown"),
    [("good", "good"), ("noise", "poor"), ("saturated", "poor"), ("flat", "off"), ("missing", "off")],
)
def test_quality_is_that_of_the_last_fixed_window(quality: str, shown: str) -> None:
    """In three words."""
    store = judged_store()
    store.take_windows(windows([(7400, "fixed", False, quality)]))
    found = row(store)
    assert found["quality"] == shown
    assert (found["heart_rate"] is None) == (shown == "off")


def test_no_beats_no_heart_rate() -> None:
    """After ten seconds of windows without one, the last rhythm is not the patient's any more."""
    store = store_of(30)
    store.take_windows(windows([(at, "beat", False, "good") for at in range(100, 2000, 200)]))
    store.take_windows(windows([(at, "fixed", False, "good") for at in range(500, 7400, 250)]))
    assert row(store)["heart_rate"] is None


def test_a_stream_learns_until_its_usual_beat_is_known() -> None:
    """Twelve good beats that were not flagged."""
    store = store_of(5)
    store.take_windows(windows([(at, "beat", at % 3 == 0, "good") for at in range(800, 811)]))
    assert row(store, START_US + 5_000_000)["learning"] is True
    store.take_windows(windows([(at, "beat", False, "good") for at in range(900, 912)]))
    assert row(store, START_US + 5_000_000)["learning"] is False


def test_a_new_event_fades() -> None:
    """By its priority, over a minute."""
    store = judged_store()
    store.take_event(held(event(7000), END_US))
    at = [row(store, END_US + seconds * 1_000_000)["urgency"] for seconds in (0, 3)]
    assert at == [70.0, pytest.approx(70 * 57 / 60, abs=0.1)]
    assert (
        rows.urgency(
            END_US + 60_000_000, is_stale=False, opened=[], last=held(event(7000), END_US), profile=None
        )
        == 0
    )


def test_an_open_episode_of_priority_1_is_first() -> None:
    """It stays above everything else until it ends."""
    store = judged_store()
    store.take_event(held(event(7000, Kind.RHYTHM_CHAOTIC, phase=Phase.ONSET), END_US))
    found = row(store)
    assert found["open"] == ["rhythm.chaotic"]
    assert found["urgency"] == 110.0
    store.take_event(held(event(7000, Kind.RHYTHM_CHAOTIC, phase=Phase.END, last_sample=7300), END_US))
    assert row(store)["open"] == []


def test_rows_come_most_urgent_first_and_muted_last() -> None:
    """Equal ones by their ids; muted ones keep their order below all others."""
    store = Store(limits())
    for stream in ("d", "c", "b", "a"):
        send(store, chunk_value(0, stream), END_US)
    for stream in ("c", "d"):
        store.take_event(held(event(10, Kind.RUN, stream, phase=Phase.ONSET), END_US))
    store.take_profile("d", Profile(stream="d", at_us=END_US, muted_until_us=END_US + 1))
    shown = rows.rows(store, END_US)
    assert [each["stream"] for each in shown] == ["c", "a", "b", "d"]
    assert shown[-1]["muted_until_us"] == END_US + 1
    assert [each["stream"] for each in rows.rows(store, END_US + 2)][:2] == ["c", "d"]


def test_a_profile_is_in_the_row() -> None:
    """Paced, budget, and no mute that is over."""
    store = judged_store()
    store.take_profile(
        "a", Profile(stream="a", at_us=1, paced=True, false_alarm_budget_per_hour=6.0, muted_until_us=END_US)
    )
    found = row(store)
    assert (found["paced"], found["budget"], found["muted_until_us"]) == (True, 6.0, None)


def test_intervals_that_were_not_measured_do_not_count() -> None:
    """The first beat of a stream has none."""
    store = store_of(5)
    store.take_windows(windows([(900, "beat", False, "good")], rr_s=float("nan")))
    assert row(store, START_US + 5_000_000)["heart_rate"] is None
