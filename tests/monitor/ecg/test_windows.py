"""Where windows lie and when they are complete."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.ecg.filters import InternalSignal
from monitor.ecg.samples import MISSING
from monitor.ecg.windows import KEEP, Cuts, WindowSpec, WindowState, beat_cuts, extend, fixed_cuts

SPEC = WindowSpec()
NO_BEATS = np.zeros((0, 3), np.int64)
NO_STREAM = np.zeros(0, np.int64)


def signal_of(*streams: NDArray[np.float64]) -> InternalSignal:
    """Internal samples of several streams, (n, leads) each."""
    rows = np.concatenate(streams)
    offsets = np.cumsum([0, *(len(stream) for stream in streams)])
    return InternalSignal(offsets, rows, rows, np.zeros(rows.shape, np.uint8))


def ramp(n: int, first: int = 0) -> NDArray[np.float64]:
    """Samples that tell their own number, (n, 1)."""
    return np.arange(first, first + n, dtype=np.float64)[:, None]


def starts(sizes: list[int]) -> list[int]:
    """First samples of all fixed windows of one stream fed in chunks of these sizes."""
    state, slots = WindowState.create(1, 1), np.array([0])
    found: list[int] = []
    for size in sizes:
        extend(state, slots, signal_of(np.zeros((size, 1))))
        found += fixed_cuts(state, slots, SPEC).sample.tolist()
    return found


def test_spec_tells_its_spans() -> None:
    """A beat window is `left` before the R peak and `right` after it, with a margin on both sides."""
    assert SPEC.left + SPEC.right + SPEC.margin == SPEC.span
    assert SPEC.span >= SPEC.step * (SPEC.samples - 1) + 2 * SPEC.margin
    assert SPEC.fixed_span == SPEC.step * SPEC.fixed_samples
    assert SPEC.fixed_hop < SPEC.fixed_span  # no sample between two fixed windows


@pytest.mark.parametrize("spec", [{"fixed_samples": KEEP}, {"samples": KEEP}, {"left": KEEP}])
def test_windows_fit_into_what_is_kept(spec: dict[str, int]) -> None:
    """Longer windows than the kept samples can hold are refused."""
    with pytest.raises(ValueError, match="need windows that fit"):
        WindowSpec(**spec)


def test_kept_samples_come_before_the_new_ones() -> None:
    """A window may begin in an earlier chunk, or before the segment, where all counts as missing."""
    state, slots = WindowState.create(2, 1), np.array([1])
    extend(state, slots, signal_of(ramp(300)))
    extended = extend(state, slots, signal_of(ramp(200, 300)))
    window = extended.cut(extended.band, np.array([0]), np.array([250]), 100)
    assert window[0, :, 0].tolist() == list(range(250, 350))
    before = extended.cut(extended.flags, np.array([0]), np.array([-50]), 100)
    assert (before[0, :50] == MISSING).all()
    assert not before[0, 50:].any()


def test_streams_are_cut_apart() -> None:
    """Each window comes from its own stream, at its own step."""
    state = WindowState.create(2, 1)
    extended = extend(state, np.array([1, 0]), signal_of(ramp(600), 1000 + ramp(400)))
    windows = extended.cut(extended.band, np.array([1, 0]), np.array([10, 20]), 5, step=3)
    assert windows[:, :, 0].tolist() == [[1010, 1013, 1016, 1019, 1022], [20, 23, 26, 29, 32]]


def feed(state: WindowState, n: int, beats: list[tuple[int, int, int]]) -> Cuts:
    """Windows that n new samples of one stream and its newly found beats complete."""
    slots = np.array([0])
    extend(state, slots, signal_of(np.zeros((n, 1))))
    return beat_cuts(state, slots, SPEC, np.zeros(len(beats), np.int64), np.array(beats).reshape(-1, 3))


def test_a_beat_waits_for_its_right_edge() -> None:
    """A beat is given out by the very sample that completes its window."""
    state = WindowState.create(1, 1)
    assert len(feed(state, 500 + SPEC.right, [(500, 510, 0)])) == 0
    cuts = feed(state, 1, [])
    assert cuts.sample.tolist() == [500]
    assert cuts.decided_at.tolist() == [500 + SPEC.right]
    assert not cuts.late[0]
    assert len(feed(state, 1000, [])) == 0


def test_a_late_beat_is_decided_when_it_was_found() -> None:
    """Search-back's beat has its window at once, and says that it is late."""
    cuts = feed(WindowState.create(1, 1), 1000, [(400, 990, 1)])
    assert cuts.decided_at.tolist() == [990]
    assert cuts.late[0]


@given(sizes=st.lists(st.integers(1, 900), min_size=1, max_size=12))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_beats_do_not_depend_on_chunks(sizes: list[int]) -> None:
    """Whatever the chunks, every beat is given out once, in order, as soon as it is complete."""
    peaks, total = np.arange(100, 5000, 75), sum(sizes)
    state, at, found = WindowState.create(1, 1), 0, list[int]()
    for size in sizes:
        new = peaks[(peaks + 20 >= at) & (peaks + 20 < at + size)]
        at += size
        found += feed(state, size, [(int(r), int(r) + 20, 0) for r in new]).sample.tolist()
        assert found == peaks[peaks + SPEC.right < at].tolist()
    assert state.waiting[0] == ((peaks + 20 < total) & (peaks + SPEC.right >= total)).sum()


@given(sizes=st.lists(st.integers(0, 1500), min_size=1, max_size=10))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_fixed_windows_cover_everything(sizes: list[int]) -> None:
    """Whatever the chunks, fixed windows begin at every hop and overlap until the newest whole one."""
    total = sum(sizes)
    expected = list(range(0, max(0, total - SPEC.fixed_span + 1), SPEC.fixed_hop))
    assert starts(sizes) == expected


def test_fixed_windows_are_decided_by_their_last_sample() -> None:
    """A fixed window's verdict needs no sample after it."""
    state = WindowState.create(1, 1)
    extend(state, np.array([0]), signal_of(np.zeros((SPEC.fixed_span, 1))))
    cuts = fixed_cuts(state, np.array([0]), SPEC)
    assert cuts.sample.tolist() == [0]
    assert cuts.decided_at.tolist() == [SPEC.fixed_span - 1]


def test_nothing_new_gives_nothing() -> None:
    """No samples and no beats give no windows."""
    state, none = WindowState.create(1, 1), np.zeros(0, np.int64)
    extend(state, np.array([0]), signal_of(np.zeros((0, 1))))
    assert len(beat_cuts(state, np.array([0]), SPEC, NO_STREAM, NO_BEATS)) == 0
    assert len(fixed_cuts(state, np.array([0]), SPEC)) == 0
    assert len(fixed_cuts(state, none, SPEC)) == 0
