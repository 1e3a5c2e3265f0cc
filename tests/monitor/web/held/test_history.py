"""The last minutes of one stream's signal."""

from __future__ import annotations

from monitor.formats.chunks import MSGPACK, decode_chunk
from monitor.web.held.history import Held, SignalHistory
from tests.support.web.made import CHUNK, START_US, chunk_value


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
