"""Strange shapes that come again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.strangers import SHAPES, StrangerState, recurrence, remember
from monitor.usual import HISTORY, BeatBatch
from monitor.windows import WindowSpec

SPEC = WindowSpec()
LEADS = 2
ZERO = np.zeros(1, np.int64)


def peak(width: float, size_mv: float = 1.0, at: int = 52) -> NDArray[np.float32]:
    """A wave as both leads' window, (leads, samples) mV."""
    wave = size_mv * np.exp(-0.5 * ((np.arange(SPEC.samples) - at) / width) ** 2)
    return np.stack([wave, 0.5 * wave]).astype(np.float32)


USUAL = peak(2)


def batch(beat: NDArray[np.float32], good: tuple[bool, bool] = (True, True)) -> BeatBatch:
    """One beat of a stream that knows its usual beat."""
    scale = np.sqrt((USUAL.astype(np.float64) ** 2).mean(axis=1))[None]
    return BeatBatch(
        beat=beat[None],
        usual=USUAL[None],
        past=np.zeros((1, LEADS, HISTORY, 12), np.float32),
        scale_mv=scale,
        log_scale=np.log(scale).astype(np.float32),
        good=np.array([good]),
        known=np.ones((1, LEADS), np.bool_),
        rr_s=np.array([0.8], np.float32),
        log_ratio=np.zeros(1, np.float32),
        ready=np.ones(1, np.bool_),
        recurrence=np.zeros(1),
        restless=np.zeros(1),
    )


def shown(state: StrangerState, beat: BeatBatch, strange: bool = True) -> float:
    """How surely the beat came before; then it is remembered, if it is strange."""
    found = recurrence(state, ZERO, beat)[0]
    remember(state, ZERO, beat, np.array([strange]))
    return float(found)


def fresh() -> StrangerState:
    """A stream that has shown nothing strange."""
    return StrangerState.create(1, LEADS, SPEC)


def test_a_strange_shape_that_comes_again_recurs() -> None:
    """The first two beats are new; the third is half sure, from the fourth on it is whole."""
    state = fresh()
    assert [shown(state, batch(peak(9))) for _ in range(5)] == [0.0, 0.0, 0.5, 1.0, 1.0]


def test_noise_does_not_recur() -> None:
    """Strange beats that resemble each other no more than the usual one are all new."""
    random, state = np.random.default_rng(0), fresh()
    noisy = [USUAL + random.normal(0, 1, USUAL.shape).astype(np.float32) for _ in range(40)]
    assert max(shown(state, batch(beat)) for beat in noisy) < 0.5


def test_a_beat_like_the_usual_one_does_not_recur() -> None:
    """However many were called strange: a small difference that is always there is no ectopic beat."""
    state = fresh()
    assert max(shown(state, batch(USUAL * np.float32(1.1))) for _ in range(10)) == 0.0


def test_only_strange_beats_are_remembered() -> None:
    """A beat that was not found strange leaves no shape."""
    state = fresh()
    assert [shown(state, batch(peak(9)), strange=False) for _ in range(5)] == [0.0] * 5
    assert not state.count.any()


def test_the_shape_not_seen_for_longest_makes_room() -> None:
    """One more shape than there is room for takes the place of the oldest, not of one that recurs."""
    state = fresh()
    for _ in range(4):
        shown(state, batch(peak(9)))
    for turn in range(3 * SHAPES):
        shown(state, batch(peak(4, 3.0, at=10 + 5 * turn)))
        recurrence(state, ZERO, batch(peak(9)))
    assert shown(state, batch(peak(9))) == 1.0


def test_a_lead_that_is_bad_does_not_count() -> None:
    """Whatever it shows, the other lead alone tells a recurrence; without any there is none."""
    state = fresh()
    for _ in range(4):
        shown(state, batch(peak(9)))
    disturbed = peak(9)
    disturbed[1] += 5 * np.sin(np.arange(SPEC.samples)).astype(np.float32)
    assert shown(state, batch(disturbed), strange=False) < 1.0
    assert shown(state, batch(disturbed, good=(True, False)), strange=False) == 1.0
    assert shown(state, batch(disturbed, good=(False, False)), strange=False) == 0.0


def test_a_stream_that_is_still_learning_has_no_strangers() -> None:
    """Without a usual beat nothing can be nearer to a strange one."""
    state, beat = fresh(), replace(batch(peak(9)), ready=np.zeros(1, np.bool_))
    assert [shown(state, beat) for _ in range(5)] == [0.0] * 5


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10))
def test_recurrence_is_a_share(seed: int, size: float) -> None:
    """Between 0 and 1, whatever the beats."""
    random, state = np.random.default_rng(seed), fresh()
    for _ in range(6):
        beat = (size * random.standard_normal(USUAL.shape)).astype(np.float32)
        assert 0 <= shown(state, batch(beat), bool(random.integers(2))) <= 1
