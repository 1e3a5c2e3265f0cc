"""Gaps, duplicates, order and clocks, before any signal processing."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.detect.order import CLOCK_S, MAX_FILL_S, REORDER_S, Stream, Stretch, join, new_stream, take
from monitor.ecg.samples import MISSING, SATURATED
from monitor.formats.chunks import Chunk
from tests.support.made_up import chunk_of

RATE_HZ = 100.0
HOLD = round(REORDER_S * RATE_HZ)
FILL = round(MAX_FILL_S * RATE_HZ)


def piece(first: int, n: int = 100, start_us: int | None = None) -> Chunk:
    """A chunk whose samples tell their own number."""
    ecg_mv = np.arange(first, first + n, dtype=np.float32)[:, None]
    return chunk_of(ecg_mv, first, rate_hz=RATE_HZ, start_us=start_us)


class Desk:
    """One stream and what was released of it."""

    def __init__(self, first: int = 0) -> None:
        self.stream: Stream = new_stream(piece(first))
        self.counts: Counter[str] = Counter()
        self.reasons: list[str] = []
        self.stretches: list[Stretch] = []

    def take(self, *chunks: Chunk) -> Desk:
        """Admit chunks one after the other."""
        for index, chunk in enumerate(chunks):
            released, refusal = take(self.stream, chunk, index, self.counts)
            self.stretches += released
            self.reasons += [refusal.reason] if refusal else []
        return self

    @property
    def samples(self) -> list[int]:
        """Sample numbers of all runs, as they say they are."""
        return [stretch.first_sample + i for stretch in self.stretches for i in range(len(stretch.ecg_mv))]

    @property
    def measured(self) -> list[int]:
        """Sample numbers of those that were measured, as their values tell."""
        found = [stretch.ecg_mv[(stretch.flags & MISSING) == 0] for stretch in self.stretches]
        return np.concatenate(found).astype(int).tolist() if found else []


def test_chunks_in_order_pass() -> None:
    """What follows on is released at once."""
    desk = Desk().take(piece(0), piece(100, 30), piece(130))
    assert desk.samples == desk.measured == list(range(230))
    assert not desk.counts
    assert not any(stretch.fresh for stretch in desk.stretches)


def test_flags_come_along() -> None:
    """Not measured and saturated samples are marked."""
    chunk = piece(0, 3)
    chunk.valid[1], chunk.saturated[2] = False, True
    assert Desk().take(chunk).stretches[0].flags[:, 0].tolist() == [0, MISSING, SATURATED]


def test_duplicates_are_ignored() -> None:
    """A chunk that was had, or the part of it that was, changes nothing."""
    desk = Desk().take(piece(0), piece(0), piece(20, 50), piece(50, 100))
    assert desk.samples == desk.measured == list(range(150))
    assert desk.counts["duplicates"] == 2
    assert not desk.reasons


def test_order_is_put_right() -> None:
    """An early chunk waits for the one before it."""
    desk = Desk().take(piece(0), piece(200, 50), piece(250, 50))
    assert desk.samples == list(range(100))
    desk.take(piece(100))
    assert desk.samples == desk.measured == list(range(300))
    assert desk.counts["reordered"] == 1
    assert not desk.counts["gaps"]
    assert not desk.stream.held


def test_a_hole_is_given_up_after_a_while() -> None:
    """When so much came after a short gap that nothing late will, it is filled with missing samples."""
    desk = Desk().take(piece(0), piece(150, HOLD - 1))
    assert len(desk.samples) == 100
    desk.take(piece(150 + HOLD - 1, 1))
    assert desk.samples == list(range(150 + HOLD))
    assert desk.measured == [*range(100), *range(150, 150 + HOLD)]
    assert desk.counts["gaps"] == 1
    assert not any(stretch.fresh for stretch in desk.stretches)


@pytest.mark.parametrize(("gap", "fresh"), [(FILL, False), (FILL + 1, True)])
def test_a_long_gap_begins_a_new_segment(gap: int, fresh: bool) -> None:
    """Up to MAX_FILL_S a gap is filled; a longer one is stepped over."""
    desk = Desk().take(piece(0), piece(100 + gap, HOLD))
    assert desk.stretches[-1].fresh is fresh
    assert desk.stretches[-1].first_sample == 100 + gap
    assert len(desk.samples) == 100 + HOLD + (0 if fresh else gap)


def test_what_comes_too_late_is_refused() -> None:
    """A chunk of a gap that was given up is reported, not put behind."""
    desk = Desk().take(piece(0), piece(200, HOLD), piece(100))
    assert desk.reasons == ["out_of_order"]
    assert desk.stream.expected == 200 + HOLD
    desk.take(piece(200 + HOLD))
    assert desk.stream.expected == 300 + HOLD


def test_duplicates_after_a_gap_are_no_late_chunks() -> None:
    """A repeated chunk from before or after the gap is a duplicate still."""
    desk = Desk().take(piece(0), piece(200, HOLD), piece(0), piece(200, HOLD))
    assert desk.counts["duplicates"] == 2
    assert not desk.reasons


def test_held_chunks_may_overlap() -> None:
    """Early chunks that repeat each other are released once."""
    desk = Desk().take(piece(0), piece(200, 80), piece(200, 80), piece(220, 20), piece(250, 80), piece(100))
    assert desk.samples == desk.measured == list(range(330))


def test_two_holes_at_once() -> None:
    """Each hole is filled from what comes, or given up on its own."""
    desk = Desk().take(piece(0), piece(150, 50), piece(250, 50), piece(100, 50))
    assert desk.samples == list(range(200))
    desk.take(piece(300, HOLD))
    assert desk.samples == list(range(300 + HOLD))
    assert desk.counts["gaps"] == 1


@given(
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=12),
    swaps=st.sets(st.sampled_from([1, 3, 5, 7, 9])),
    twice=st.sets(st.integers(0, 11)),
)
@settings(max_examples=80, deadline=None, derandomize=True)
def test_nothing_is_lost_or_doubled_by_small_disorder(
    sizes: list[int], swaps: set[int], twice: set[int]
) -> None:
    """Neighbours swapped and chunks repeated, every sample is released once and in order."""
    bounds = np.cumsum([0, *sizes])
    order = list(range(len(sizes)))
    for at in swaps:
        if at + 1 < len(order):  # the first chunk begins the stream
            order[at], order[at + 1] = order[at + 1], order[at]
    desk = Desk()
    for index in order:
        chunk = piece(int(bounds[index]), sizes[index])
        desk.take(*[chunk] * (2 if index in twice else 1))
    assert desk.measured == desk.samples == list(range(int(bounds[-1])))
    assert not desk.reasons
    assert not desk.counts["gaps"]


@given(firsts=st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 300)), max_size=30))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_whatever_comes_samples_go_forward(firsts: list[tuple[int, int]]) -> None:
    """For any chunks at all, released samples rise one by one but for fresh runs."""
    desk = Desk().take(piece(0), *(piece(first, n) for first, n in firsts))
    assert desk.samples == sorted(set(desk.samples))
    end = 0
    for stretch in desk.stretches:
        assert stretch.fresh or stretch.first_sample == end
        end = stretch.first_sample + len(stretch.ecg_mv)
    assert set(desk.measured) <= set(desk.samples)
    assert sum(len(chunk) for chunk in desk.stream.held) <= 30 * 300


def test_time_follows_the_samples() -> None:
    """Without a stray, time is counted from the segment's first chunk."""
    stray_us = round(0.9 * CLOCK_S * 1e6)
    desk = Desk().take(piece(0), piece(100, start_us=1_000_000 + stray_us))
    assert desk.stream.time_us(150) == 1_500_000


def test_a_clock_jump_sets_the_clock() -> None:
    """From a chunk on whose start time strays too far, time is counted from there; before it is not."""
    stray_us = round(1.1 * CLOCK_S * 1e6)
    desk = Desk().take(piece(0), piece(100, start_us=1_000_000 + stray_us), piece(200))
    assert desk.stream.time_us(99) == 990_000
    assert desk.stream.time_us(100) == 1_000_000 + stray_us
    assert desk.stream.time_us(150) == 1_500_000 + stray_us
    assert desk.stream.time_us(250) == 2_500_000  # the third chunk set it back


def test_a_chunk_describes_its_stream() -> None:
    """Another session, rate or set of leads does not continue a stream."""
    stream, ecg_mv = new_stream(piece(0)), np.zeros((10, 1), np.float32)
    assert stream.describes(chunk_of(ecg_mv, 100, rate_hz=RATE_HZ))
    assert not stream.describes(chunk_of(ecg_mv, 100, rate_hz=RATE_HZ, session="t"))
    assert not stream.describes(chunk_of(ecg_mv, 100, rate_hz=128.0))
    assert not stream.describes(chunk_of(ecg_mv, 100, rate_hz=RATE_HZ, leads=("V5",)))


def test_runs_are_joined_up_to_a_fresh_one() -> None:
    """A batch is one pass for each segment."""
    desk = Desk().take(piece(0), piece(100), piece(200 + FILL + 1, HOLD), piece(300 + FILL + HOLD))
    desk.stretches += [
        Stretch(np.zeros((0, 1), np.float32), np.zeros((0, 1), np.uint8), desk.stream.expected, False)
    ]
    joined = join(desk.stretches)
    assert [stretch.fresh for stretch in joined] == [False, True]
    assert [stretch.first_sample for stretch in joined] == [0, 200 + FILL + 1]
    assert len(joined[0].ecg_mv) == 200
    assert join([]) == []
