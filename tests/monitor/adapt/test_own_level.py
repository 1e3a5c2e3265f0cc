"""How restless a stream is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitor.adapt.own_level import (
    HIGHEST,
    SHARE,
    OwnLevelState,
    note,
    own_level,
    own_levels_in_order,
)

ZERO = np.zeros(1, np.int64)


def surprises(level: float, beats: int, seed: int = 0) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Surprises as the population has them where level is 1: minus log10 of uniform p-values, stretched."""
    return level * -np.log10(np.random.default_rng(seed).uniform(size=beats))


def test_a_stream_like_the_population_has_nothing_taken_off() -> None:
    """Its level is the population's, p = 0.1."""
    assert own_levels_in_order(surprises(1, 3000))[-1000:].mean() == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize("level", [0.5, 1.6])
def test_what_a_stream_differs_is_mostly_taken_off(level: float) -> None:
    """A restless stream is less surprising than it seems, an even one more."""
    taken = own_levels_in_order(surprises(level, 4000))[-1000:].mean()
    expected = SHARE * 600 / 800 * (level - 1)
    assert taken == pytest.approx(expected, abs=0.15)


def test_a_new_stream_is_as_restless_as_the_population() -> None:
    """Nothing is taken off the first beat, and little off the next ones."""
    taken = own_levels_in_order(surprises(1.6, 20))
    assert taken[0] == 0
    assert np.abs(taken[:10]).max() < 0.1


def test_strange_beats_do_not_make_a_stream_restless() -> None:
    """However many there are."""
    state = OwnLevelState.create(1)
    for surprise in surprises(1, 1000):
        note(state, ZERO, np.array([surprise]), own_level(state, ZERO))
    before = own_level(state, ZERO)[0]
    for _ in range(300):
        note(state, ZERO, np.array([HIGHEST + before + 0.5]), own_level(state, ZERO))
    assert own_level(state, ZERO)[0] == before


def test_beats_that_were_not_judged_teach_nothing() -> None:
    """Nor do those that the population judged."""
    state = OwnLevelState.create(1)
    note(state, ZERO, np.array([np.nan]), np.zeros(1))
    assert state.count[0] == 0


def test_streams_do_not_touch_each_other() -> None:
    """What one slot learns is not seen in the other."""
    state = OwnLevelState.create(2)
    for surprise in surprises(1.6, 600):
        note(state, np.array([1]), np.array([surprise]), own_level(state, np.array([1])))
    assert own_level(state, np.array([0, 1])).tolist()[0] == 0
    assert own_level(state, np.array([1]))[0] > 0.1


@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 300) | st.just(float("nan"))))
def test_what_is_taken_off_is_bounded(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    """It is finite, and a stream cannot talk itself out of being judged."""
    taken = own_levels_in_order(values)
    assert np.isfinite(taken).all()
    assert (np.abs(taken) <= SHARE * 3).all()
