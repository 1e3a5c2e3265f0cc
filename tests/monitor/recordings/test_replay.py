"""Recordings as live streams."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from monitor.formats.chunks import Chunk, decode_chunk
from monitor.recordings.replay import ReplayClock, ReplayPlan, replay
from tests.support.scan_fakes import fake_recording


class Wire:
    """Collects what is sent, on a clock that only waiting moves."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0
        self.sent: list[tuple[float, Chunk]] = []

    def now(self) -> float:
        """The time of this clock."""
        return self.now_s

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds

    def send(self, stream: str, value: bytes) -> None:
        """Note a chunk and when it came."""
        self.sent.append((self.now_s, decode_chunk(value, key=stream.encode())))


def _run(plan: ReplayPlan, limit: int | None = None) -> tuple[Wire, ReplayClock]:
    wire, recording = Wire(), fake_recording()
    clock = ReplayClock.begin(recording, plan, wire.now_s)
    run = replay(recording, plan, wire.send, clock=clock, now=wire.now, wait=wire.wait)
    assert list(islice(run, limit))
    return wire, clock


@pytest.mark.parametrize("speed", [1.0, 4.0, 0.5])
def test_a_chunk_is_sent_when_its_last_sample_is_measured(speed: float) -> None:
    """Chunks leave a chunk's length apart, the first one after a chunk's length."""
    wire, clock = _run(ReplayPlan(prefix="p", session="s", speed=speed))
    times = np.array([time_s for time_s, _ in wire.sent])
    np.testing.assert_allclose(times - clock.started_s, np.arange(1, 9) / speed, atol=1e-6)


def test_start_times_are_the_wall_clocks() -> None:
    """At speed 1 a chunk's start lies its own length before it is sent, so latency can be measured."""
    wire, _ = _run(ReplayPlan(prefix="p", session="s"))
    for time_s, chunk in wire.sent:
        assert time_s - chunk.start_us / 1e6 == pytest.approx(len(chunk) / chunk.rate_hz, abs=1e-5)


def test_streams_are_spread_over_a_chunks_time() -> None:
    """Four streams send a quarter of a second apart, each all the recording."""
    wire, _ = _run(ReplayPlan(prefix="p", session="s", streams=4))
    assert {chunk.stream for _, chunk in wire.sent} == {"p-0", "p-1", "p-2", "p-3"}
    gaps = np.diff([time_s for time_s, _ in wire.sent])
    np.testing.assert_allclose(gaps, 0.25, atol=1e-6)


def test_as_fast_as_possible_never_waits() -> None:
    """At speed 0 no time passes and the samples bear the times of a recording that has just ended."""
    wire, clock = _run(ReplayPlan(prefix="p", session="s", speed=0))
    assert {time_s for time_s, _ in wire.sent} == {wire.now_s}
    assert clock.measured_s(2000) == pytest.approx(wire.now_s)


def test_a_loop_goes_on_counting() -> None:
    """The second pass begins where the first ended, in the same session."""
    wire, _ = _run(ReplayPlan(prefix="p", session="s", loop=True), limit=12)
    ends = [chunk.first_sample + len(chunk) for _, chunk in wire.sent]
    starts = [chunk.first_sample for _, chunk in wire.sent]
    assert starts[1:] == ends[:-1]
    assert ends[-1] == 3000


def test_stream_numbers_have_equal_length() -> None:
    """Names sort as their numbers do."""
    plan = ReplayPlan(prefix="bed", session="s", streams=101)
    assert (plan.stream_id(7), plan.stream_id(100)) == ("bed-007", "bed-100")


def test_nonsense_is_refused() -> None:
    """A negative speed is the caller's mistake."""
    with pytest.raises(ValueError, match="speed >= 0"):
        ReplayPlan(prefix="p", session="s", speed=-1)
