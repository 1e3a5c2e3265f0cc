"""Strange shapes that come again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapt.beats import BeatBatch
from monitor.adapt.strange_shapes import QRS, SHAPES, ShapeState, recurrence, remember
from tests.support.wave_beats import LEADS, SPEC, USUAL, batch, peak

ZERO = np.zeros(1, np.int64)


def shown(state: ShapeState, beat: BeatBatch, strange: bool = True) -> float:
    """How surely the beat came before; then it is remembered, if it is strange."""
    found = recurrence(state, ZERO, beat)
    remember(state, ZERO, beat, np.array([strange]), found.shape)
    return float(found.share[0])


def fresh() -> ShapeState:
    """A stream that has shown nothing strange."""
    return ShapeState.create(1, LEADS, SPEC)


def test_a_strange_shape_that_comes_again_recurs() -> None:
    """The first beat is new; the second is half sure, from the third on it is whole."""
    state = fresh()
    assert [shown(state, batch(peak(9))) for _ in range(5)] == [0.0, 0.5, 1.0, 1.0, 1.0]


def test_what_precedes_the_qrs_complex_does_not_recur() -> None:
    """Every early beat has the T wave of the one before in front of it: that alone is no strange shape."""
    state, early = fresh(), USUAL.copy()
    early[:, : QRS - 8] += peak(6, 2.0, at=QRS - 20)[:, : QRS - 8]
    assert max(shown(state, batch(early)) for _ in range(6)) == 0.0


def test_a_shape_that_comes_on_end_recurs_wholly() -> None:
    """However little strange it is each time: a rhythm is expected once it lasts."""
    state = fresh()
    shown(state, batch(peak(9)))
    assert shown(state, batch(peak(9)), strange=False) == 0.5
    state.in_row[0] = 2
    assert shown(state, batch(peak(9)), strange=False) == 1.0


def test_a_conducted_shape_is_strange_no_longer() -> None:
    """Once a shape is a second usual beat, to repeat it is no recurrence."""
    state = fresh()
    for _ in range(4):
        shown(state, batch(peak(9)))
    state.conducted[0, state.count[0] > 0] = True
    assert shown(state, batch(peak(9)), strange=False) == 0.0


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


def test_a_stream_that_is_still_learning_has_no_strange_shapes() -> None:
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
