"""Runs of flagged beats."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.adapt.runs import CALM_BEATS, RUN_BEATS, RunState, count, open_run
from monitor.detect.episodes import EpisodeState, on_beat
from monitor.formats.events import Kind

ZERO = np.zeros(1, np.int64)


def after(flags: list[bool]) -> int:
    """Flagged beats in the run that is open after these beats."""
    state = RunState.create(1)
    for flagged in flags:
        count(state, ZERO, np.array([flagged]))
    return int(open_run(state, ZERO)[0])


def test_a_run_opens_with_so_many_flagged_beats() -> None:
    """And counts all of them."""
    assert after([True] * (RUN_BEATS - 1)) == 0
    assert after([True] * RUN_BEATS) == RUN_BEATS
    assert after([True] * 300) == 300


def test_a_single_usual_beat_opens_none() -> None:
    """Flagged beats must be in a row to open a run."""
    assert after([True] * (RUN_BEATS - 1) + [False] + [True] * (RUN_BEATS - 1)) == 0


def test_usual_beats_end_a_run() -> None:
    """Not the first of them: one beat may be mistaken."""
    assert after([True] * 9 + [False] * (CALM_BEATS - 1) + [True]) == 10
    assert after([True] * 9 + [False] * CALM_BEATS) == 0
    assert after([True] * 9 + [False] * CALM_BEATS + [True]) == 0


@given(st.lists(st.booleans(), max_size=60))
def test_what_is_told_is_what_is_open(flags: list[bool]) -> None:
    """The run that lowers the threshold is the one that the events tell of."""
    state, told = RunState.create(1), EpisodeState.create(1)
    for at, flagged in enumerate(flags):
        count(state, ZERO, np.array([flagged]))
        on_beat(told, 0, 200 * at, (200 * at - 50, 200 * at + 50), flagged, Kind.BEAT_EARLY, "early")
        assert bool(told.run_open[0]) == bool(state.open[0])
        assert not told.run_open[0] or told.run[0] == open_run(state, ZERO)[0]


def test_streams_do_not_touch_each_other() -> None:
    """Each slot has its own run."""
    state = RunState.create(3)
    for _ in range(RUN_BEATS):
        count(state, np.array([2, 0]), np.array([True, False]))
    assert open_run(state, np.arange(3)).tolist() == [0, 0, RUN_BEATS]
