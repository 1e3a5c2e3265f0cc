"""Frames of one lead: decimated without aliases, on time, and honest about what is missing."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.formats.chunks import INVALID, MSGPACK, Chunk, Lead, decode_chunk
from monitor.web.held.frames import CATCH_UP_S, FrameMaker, offset_of, to_microvolts
from monitor.web.held.history import SignalHistory
from monitor.web.held.limits import FRAME_BYTES, FRAME_S
from tests.support.web.made import START_US, chunk_value


def read(frame: bytes) -> tuple[dict[str, Any], NDArray[np.int16]]:
    """A frame's header and samples, as the page reads them."""
    (size,) = struct.unpack("<I", frame[:4])
    return json.loads(frame[4 : 4 + size]), np.frombuffer(frame[4 + size :], "<i2")


def frames_of(adc: NDArray[np.int16], rate_hz: float, sizes: list[int]) -> list[bytes]:
    """What chunks of these sizes of one lead give."""
    maker, history, at, found = FrameMaker(), SignalHistory(600.0), 0, []
    for size in sizes:
        value = chunk_value(
            0,
            first_sample=at,
            start_us=START_US + round(at * 1e6 / rate_hz),
            rate_hz=rate_hz,
            leads=(Lead("II"),),
            adc=adc[at : at + size, None],
        )
        chunk = decode_chunk(value)
        held = history.add(chunk, value, MSGPACK)
        assert held is not None
        frame = maker.push(held, chunk)
        found += [] if frame is None else [frame]
        at += size
    return found


def sine(hz: float, rate_hz: float, seconds: float, amplitude: float = 200.0) -> NDArray[np.int16]:
    """ADC units of a sine, 200 a mV."""
    time_s = np.arange(round(rate_hz * seconds)) / rate_hz
    return np.rint(amplitude * np.sin(2 * np.pi * hz * time_s)).astype(np.int16)


@pytest.mark.parametrize(
    ("rate_hz", "sent_hz"), [(125.0, 125.0), (128.0, 128.0), (250.0, 125.0), (360.0, 120.0), (1000.0, 125.0)]
)
def test_a_tile_gets_no_more_samples_than_it_draws(rate_hz: float, sent_hz: float) -> None:
    """Rates come down to 130 Hz at most by a whole factor."""
    size = round(rate_hz)
    frames = frames_of(sine(5.0, rate_hz, 3), rate_hz, [size] * 3)
    headers, samples = zip(*map(read, frames), strict=True)
    assert {header["rate_hz"] for header in headers} == {sent_hz}
    assert sum(map(len, samples)) == 3 * sent_hz


def test_the_drawn_wave_is_the_measured_one_at_its_time() -> None:
    """A 5 Hz wave comes through within 2 %, and where it was measured."""
    frames = frames_of(sine(5.0, 360.0, 4), 360.0, [360] * 4)
    header, samples = read(frames[2])
    time_s = (header["start_us"] - START_US) / 1e6 + np.arange(len(samples)) / header["rate_hz"]
    wanted_uv = 1000 * np.sin(2 * np.pi * 5.0 * time_s)
    assert np.abs(samples - wanted_uv).max() < 20


def test_what_a_tile_can_not_draw_is_filtered_out() -> None:
    """A 110 Hz wave does not appear as one of 15 Hz."""
    frames = frames_of(sine(110.0, 250.0, 3), 250.0, [250] * 3)
    assert np.abs(read(frames[1])[1]).max() < 80


def test_frames_do_not_depend_on_the_chunks() -> None:
    """Chunks of any size give the same samples."""
    adc = np.random.default_rng(0).integers(-500, 500, 2000).astype(np.int16)
    whole = np.concatenate([read(frame)[1] for frame in frames_of(adc, 360.0, [2000])])
    parts = np.concatenate([read(f)[1] for f in frames_of(adc, 360.0, [7, 1, 360, 501, 31, 1100])])
    assert np.array_equal(whole, parts)


def test_what_was_not_measured_is_marked() -> None:
    """And nothing near it is drawn as a deflection."""
    adc = np.full(500, 100, np.int16)
    adc[200:300] = INVALID
    header, samples = read(frames_of(adc, 125.0, [500])[0])
    assert header["rate_hz"] == 125.0
    assert (samples[200:300] == INVALID).all()
    assert set(samples[:200]) | set(samples[300:]) == {500}


def test_a_late_chunk_gives_no_frame() -> None:
    """A tile sweeps on; the strip has what came out of order."""
    maker, history = FrameMaker(), SignalHistory(600.0)
    told = []
    for number in (0, 2, 1):
        value = chunk_value(number)
        chunk = decode_chunk(value)
        held = history.add(chunk, value, MSGPACK)
        assert held is not None
        told.append(maker.push(held, chunk) is not None)
    assert told == [True, True, False]


def test_a_new_watcher_gets_the_width_of_a_tile() -> None:
    """The last six seconds are kept as frames, and no more."""
    maker, history = FrameMaker(), SignalHistory(600.0)
    for number in range(20):
        value = chunk_value(number)
        chunk: Chunk = decode_chunk(value)
        held = history.add(chunk, value, MSGPACK)
        assert held is not None
        maker.push(held, chunk)
    seconds = sum(len(read(frame)[1]) / 125.0 for frame in maker.recent)
    assert CATCH_UP_S <= seconds <= CATCH_UP_S + 1


def test_an_electrodes_offset_is_taken_off() -> None:
    """300 mV of it leave the ECG within int16, and the header says how much went."""
    ecg_mv = np.float32(300) + np.sin(np.arange(500)).astype(np.float32)
    offset_uv = offset_of(ecg_mv)
    samples = to_microvolts(ecg_mv, np.ones(500, np.bool_), offset_uv)
    assert np.abs((samples.astype(np.float64) + offset_uv) / 1000 - ecg_mv).max() < 0.002
    assert offset_of(ecg_mv - 300) == 0


def test_a_streams_last_frames_are_bounded_in_bytes() -> None:
    """Sessions that go back in time would else be kept for ever, as would frames of a sample each."""
    maker, history = FrameMaker(), SignalHistory(600.0)
    for number in range(2000):
        value = chunk_value(0, session=f"{number}" * 20, start_us=START_US - 1_000_000 * number)
        chunk = decode_chunk(value)
        held = history.add(chunk, value, MSGPACK)
        assert held is not None
        maker.push(held, chunk)
    assert sum(map(len, maker.recent)) < maker.bytes <= FRAME_BYTES


def test_a_frame_is_the_last_minute_of_a_long_chunk() -> None:
    """At its time; a tile shows no more than seconds of it."""
    (frame,) = frames_of(np.arange(60_000).astype(np.int16), 125.0, [60_000])
    header, samples = read(frame)
    assert len(samples) == FRAME_S * 125
    assert header["start_us"] == START_US + round((60_000 - len(samples)) * 1e6 / 125)
