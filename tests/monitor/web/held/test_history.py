"""The last minutes of one stream's signal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from monitor.formats.chunks import JSON, MSGPACK, decode_chunk
from monitor.web.held.frames import FrameMaker
from monitor.web.held.history import Held, SignalHistory
from monitor.web.views.cuts import cut_of
from monitor.web.views.strips import Stretch, stretch
from tests.support.project import ROOT
from tests.support.web.made import CHUNK, LEADS, START_US, chunk_value, ramp


def add(history: SignalHistory, value: bytes) -> Held | None:
    """Put a record in."""
    return history.add(decode_chunk(value), value, MSGPACK)


def of(numbers: list[int], keep_s: float = 60.0) -> SignalHistory:
    """A history of these chunks."""
    history = SignalHistory(keep_s)
    for number in numbers:
        add(history, chunk_value(number))
    return history


def test_no_more_signal_is_kept_than_asked_for() -> None:
    """The oldest records give way, and the bytes that are counted with them."""
    history = of(list(range(100)), keep_s=10.0)
    assert [held.first_sample // CHUNK for held in history] == list(range(90, 100))
    assert history.bytes == sum(held.bytes for held in history)


def test_a_record_sent_twice_is_kept_once() -> None:
    """A gateway's retry adds nothing."""
    history = of([0, 1, 2])
    assert add(history, chunk_value(1)) is None
    assert len(history) == 3


def test_samples_are_counted_on_from_the_first_start_time() -> None:
    """A clock that jitters moves nothing: the axis is the worker's own."""
    history = of([0])
    late = add(history, chunk_value(1, start_us=START_US + 1_030_000))
    assert late is not None
    assert late.time_us == START_US + 1_000_000


def test_a_clock_that_was_set_moves_the_axis() -> None:
    """From half a second on the device's own time counts."""
    history = of([0])
    moved = add(history, chunk_value(1, start_us=START_US + 3_000_000))
    after = add(history, chunk_value(2, start_us=START_US + 4_100_000))
    assert moved is not None
    assert after is not None
    assert (moved.time_us, after.time_us) == (START_US + 3_000_000, START_US + 4_000_000)


def test_a_new_session_has_its_own_axis() -> None:
    """Its samples begin anew."""
    history = of([0, 1])
    other = add(history, chunk_value(0, session="t", start_us=START_US + 9_000_123))
    assert other is not None
    assert other.time_us == START_US + 9_000_123
    assert history.time_of("t", 25) == START_US + 9_100_123
    assert history.time_of("s", 250) == START_US + 1_000_000
    assert history.time_of("s", 5000) is None


def test_records_between_two_times_touch_them() -> None:
    """Those that only border on the stretch are left out."""
    history = of(list(range(10)))
    found = history.between(START_US + 2_000_000, START_US + 4_000_001)
    assert [held.first_sample // CHUNK for held in found] == [2, 3, 4]
    assert (history.earliest_us, history.latest_us) == (START_US, START_US + 10_000_000)


def read(history: SignalHistory) -> Stretch:
    """All that is held, as one strip."""
    found = stretch(list(history), 0, history.latest_us)
    assert found is not None
    return found


def test_a_rate_as_just_measured_is_the_streams() -> None:
    """Within 0.1 % of that of the first record the strip goes on, and a rate that creeps begins anew."""
    history = SignalHistory(600.0)
    for number, rate_hz in enumerate((250.0, 250.2, 249.8, 250.25)):
        add(history, chunk_value(number, rate_hz=rate_hz))
    assert [held.rate_hz for held in history] == [250.0] * 4
    assert len(read(history)) == 4 * CHUNK
    assert {held.chunk().rate_hz for held in history} == {250.0}
    add(history, chunk_value(4, rate_hz=250.3))
    assert history.last.rate_hz == 250.3


def test_names_say_which_lead_is_which() -> None:
    """Columns in another order are put in that of the first record; so are a device's own integers."""
    history, turned = SignalHistory(600.0), SignalHistory(600.0)
    for number in range(4):
        add(history, chunk_value(number))
        changes: dict[str, Any] = {"leads": LEADS[::-1], "adc": ramp(number)[:, ::-1]} if number % 2 else {}
        add(turned, chunk_value(number, **changes))
    assert [held.leads for held in turned] == [("II", "V1")] * 4
    assert np.array_equal(read(turned).ecg_mv, read(history).ecg_mv)
    cuts = [cut_of("a", list(each)).recording for each in (history, turned)]
    assert np.array_equal(cuts[0].adc, cuts[1].adc)
    assert cuts[0].leads == cuts[1].leads


def test_other_leads_begin_anew() -> None:
    """A subset of names is another set."""
    history = of([0])
    add(history, chunk_value(1, leads=LEADS[:1], adc=ramp(1, 1)))
    assert not history.last.continues(next(iter(history)))


@pytest.mark.parametrize("name", ["stream_rate/rate_as_measured", "stream_leads/leads_change_places"])
def test_field_streams_are_one_unbroken_strip(name: str) -> None:
    """Forty seconds each, as devices sent them; the same samples as of the stream that is plain."""
    file = ROOT.parent / "shared" / "field" / f"{name}.jsonl"
    if not file.exists():
        pytest.skip("the recordings from the field are not there")
    history, maker, frames = SignalHistory(600.0), FrameMaker(), 0
    for line in file.read_bytes().splitlines():
        chunk = decode_chunk(line, JSON)
        held = history.add(chunk, line, JSON)
        assert held is not None
        frames += maker.push(held, chunk) is not None
    found = read(history)
    assert (len(found), bool(found.valid.all()), frames) == (40 * 125, True, 40)
    first = decode_chunk(file.read_bytes().splitlines()[0], JSON)
    assert (found.leads, found.rate_hz) == (first.leads, first.rate_hz)


def test_a_rate_that_changes_each_time_costs_no_more_than_its_samples() -> None:
    """Nothing is made for a rate: its records are held as any others are, and no buffer beside them."""
    history, plain, maker = SignalHistory(600.0), SignalHistory(600.0), FrameMaker()
    for number in range(300):
        value = chunk_value(number, rate_hz=250.0 + 0.7123 * (number + 1))
        chunk = decode_chunk(value)
        held = history.add(chunk, value, MSGPACK)
        assert held is not None
        maker.push(held, chunk)
        add(plain, chunk_value(number))
    assert history.bytes < 1.2 * plain.bytes
    assert maker.bytes < 50_000


def test_a_padded_record_is_shortened() -> None:
    """Spaces are valid JSON, too; what is left says the same."""
    samples = b"[" + b",".join([b"[0.125," + b" " * 5000 + b"null]"] * 20) + b"]"
    value = (
        b'{"schema":1,"stream":"a","session":"s","first_sample":0,"start_us":1,"rate_hz":250,'
        b'"leads":[{"name":"I"},{"name":"II"}],"samples":' + samples + b"}"
    )
    chunk, history = decode_chunk(value, JSON), SignalHistory(600.0)
    held = history.add(chunk, value, JSON)
    assert held is not None
    assert len(held.value) < 1000
    again = held.chunk()
    assert np.array_equal(again.ecg_mv, chunk.ecg_mv)
    assert np.array_equal(again.valid, chunk.valid)


def test_a_recording_is_no_longer_than_an_hour() -> None:
    """Lone samples with gaps between them that the worker would fill must not make one of days."""
    history = SignalHistory(600.0)
    for number in range(4000):
        start_us = START_US + 4_000_000 * number
        add(history, chunk_value(0, first_sample=1000 * number, start_us=start_us, adc=ramp(number)[:1]))
    assert len(cut_of("a", list(history)).recording) <= 3600 * 250
