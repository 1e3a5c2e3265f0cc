"""Strips and overviews: the very samples and numbers that were sent."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.formats.chunks import INVALID
from monitor.formats.events import Kind, Phase
from monitor.web.views.strips import number, overview, strip
from tests.support.web.made import (
    CHUNK,
    RATE_HZ,
    START_US,
    chunk_value,
    event,
    held,
    ramp,
    send,
    store_of,
    windows,
)


def samples(lead: dict[str, Any]) -> NDArray[np.int16]:
    """µV as the page decodes them."""
    return np.frombuffer(base64.b64decode(lead["samples"]), "<i2")


def sent_uv(first: int, last: int, lead: int = 0) -> NDArray[np.int64]:
    """µV of the samples that were sent, 200 ADC units a mV."""
    whole = np.concatenate([ramp(number) for number in range(20)]).astype(np.int64)
    return 5 * whole[first:last, lead]


def test_a_strip_is_the_signal_as_it_was_sent() -> None:
    """Each lead, from the first sample at or after the beginning to the last before the end."""
    found = strip(store_of(20), "a", START_US + 2_001_000, START_US + 5_000_000)
    assert found is not None
    assert found["start_us"] == START_US + 2_004_000
    assert (found["rate_hz"], found["session"]) == (RATE_HZ, "s")
    for index, name in enumerate(("II", "V1")):
        assert found["leads"][index]["name"] == name
        assert np.array_equal(samples(found["leads"][index]), sent_uv(501, 1250, index))
    assert (found["earliest_us"], found["latest_us"]) == (START_US, START_US + 20_000_000)


def test_a_gap_is_a_gap() -> None:
    """What was not sent is not drawn."""
    store = store_of(5)
    for at in (7, 8):
        send(store, chunk_value(at))
    found = strip(store, "a", START_US, START_US + 9_000_000)
    assert found is not None
    got = samples(found["leads"][0])
    assert (got[5 * CHUNK : 7 * CHUNK] == INVALID).all()
    assert np.array_equal(got[7 * CHUNK :], sent_uv(7 * CHUNK, 9 * CHUNK))


def test_chunks_out_of_order_come_to_their_places() -> None:
    """Of two for one time, the first counts."""
    store = store_of(1)
    for at in (2, 1):
        send(store, chunk_value(at))
    send(store, chunk_value(1, adc=np.zeros((CHUNK, 2), np.int16)))
    found = strip(store, "a", START_US, START_US + 3_000_000)
    assert found is not None
    assert np.array_equal(samples(found["leads"][0]), sent_uv(0, 3 * CHUNK))


def test_the_last_session_in_a_strip_is_shown() -> None:
    """Two devices' samples are not put on one line."""
    store = store_of(3)
    send(store, chunk_value(0, session="t", start_us=START_US + 3_500_000))
    found = strip(store, "a", START_US, START_US + 10_000_000)
    assert found is not None
    assert (found["session"], found["start_us"]) == ("t", START_US + 3_500_000)
    before = strip(store, "a", START_US, START_US + 3_000_000)
    assert before is not None
    assert before["session"] == "s"


def test_a_time_without_signal_is_empty_and_an_unknown_stream_is_none() -> None:
    """The page says the one as "no signal", the other as an error."""
    store = store_of(3)
    found = strip(store, "a", START_US + 60_000_000, START_US + 70_000_000)
    assert found is not None
    assert (found["leads"], found["session"], found["beats"]) == ([], None, [])
    assert strip(store, "b", START_US, START_US + 1) is None


def test_beats_are_those_of_the_topic() -> None:
    """Their numbers are the record's float32, in the shortest decimals."""
    store = store_of(5)
    read = windows(
        [(300, "beat", False, "good"), (600, "beat.early", True, "good"), (650, "fixed", False, "good")]
    )
    store.take_windows(read)
    found = strip(store, "a", START_US + 1_000_000, START_US + 3_000_000)
    assert found is not None
    assert [(beat["sample"], beat["kind"], beat["anomalous"]) for beat in found["beats"]] == [
        (300, "beat", False),
        (600, "beat.early", True),
    ]
    for beat, index in zip(found["beats"], (0, 1), strict=True):
        assert np.float32(beat["score"]) == read.score[index]
        assert np.float32(beat["p_value"]) == read.p_value[index]
        assert beat["time_us"] == read.time_us[index]
        assert beat["rr_s"] == pytest.approx(0.8)


def test_a_beat_stands_on_its_sample_though_the_clock_strays() -> None:
    """The worker began before the page: its axis may be another by up to half a second."""
    store = store_of(5)
    read = windows([(600, "beat", False, "good")])
    read.time_us = read.time_us + 300_000
    store.take_windows(read)
    found = strip(store, "a", START_US, START_US + 5_000_000)
    assert found is not None
    assert found["beats"][0]["time_us"] == START_US + 2_400_000


def test_events_that_reach_into_a_strip_are_in_it() -> None:
    """An episode's as far as it lasted."""
    store = store_of(20)
    run = event(500, Kind.RUN, phase=Phase.END, first_sample=500, last_sample=2500)
    for made in (event(1100), run, event(4800)):
        store.take_event(held(made))
    found = strip(store, "a", START_US + 4_000_000, START_US + 6_000_000)
    assert found is not None
    assert [each["id"] for each in found["events"]] == [run.id, event(1100).id]


def test_an_overview_holds_every_extreme() -> None:
    """No spike is lost between columns, and a column without signal is empty."""
    store = store_of(4)
    adc = ramp(4)
    adc[100, 0] = 6000
    send(store, chunk_value(4, adc=adc))
    found = overview(store, "a", START_US, START_US + 10_000_000, 10)
    assert found is not None
    assert (found["start_us"], found["step_us"]) == (START_US, 1_000_000)
    assert found["high"][4] == 30_000
    assert found["low"][0] == sent_uv(0, 250).min()
    assert found["high"][5:] == [None] * 5
    assert overview(store, "b", START_US, START_US + 1, 10) is None


def test_a_number_that_is_none_is_null() -> None:
    """A gated window has no score."""
    assert number(np.float32("nan")) is None
    assert number(np.float32(0.1)) == 0.1
