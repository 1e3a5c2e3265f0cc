"""Scores by the nearest normal beats."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.compare.neighbours import (
    NEIGHBOURS,
    Components,
    LocalScorer,
    local_mahalanobis,
    local_scorer,
    nearest,
    nearest_others,
    principal_components,
    scaled_distance,
)


def _beats(n: int, d: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def test_components_hold_the_variance() -> None:
    """The first axis is the one along which the beats vary most, and all axes are orthonormal."""
    beats = _beats(500, 6) * np.array([1, 5, 1, 1, 2, 1], np.float32)
    axes = principal_components(beats, 3)
    assert np.abs(axes.axes[:, 0]).argmax() == 1
    assert np.allclose(axes.axes.T @ axes.axes, np.eye(3), atol=1e-5)
    assert axes.variance == pytest.approx(beats.var(axis=0, ddof=1).sum(), rel=1e-4)
    assert axes.project(beats).shape == (500, 3)


@given(st.integers(1, 60), st.integers(1, 30), st.integers(1, 8), st.integers(0, 1000))
def test_nearest_as_by_all_distances(normals: int, queries: int, count: int, seed: int) -> None:
    """The same distances as from the full table of them, in ascending order."""
    reference, beats = _beats(normals, 5, seed), _beats(queries, 5, seed + 1)
    found = nearest(reference, beats, count)
    table = np.sqrt(((beats[:, None] - reference[None]) ** 2).sum(axis=2))
    assert np.allclose(found.distance, np.sort(table, axis=1)[:, :count], atol=1e-3)
    assert np.allclose(np.take_along_axis(table, found.index, axis=1), found.distance, atol=1e-3)


def test_others_leave_the_beat_itself_out() -> None:
    """Also among copies of one beat, of which any may be found first."""
    beats = np.concatenate([_beats(20, 4), np.ones((5, 4), np.float32)])
    rows = np.arange(len(beats))
    found = nearest_others(beats, rows, 3)
    assert found.index.shape == (25, 3)
    assert not (found.index[:20] == rows[:20, None]).any()
    assert (found.distance[20:] < 1e-2).all()


def test_distance_counts_less_where_beats_are_sparse() -> None:
    """A neighbour that has no near neighbour of its own makes the same distance less strange."""
    normals = np.array([[0, 0], [0.1, 0], [10, 0], [12, 0]], np.float32)
    beats = np.array([[0, 1], [10, 1]], np.float32)
    dense, sparse = scaled_distance(normals, nearest(normals, beats, 1))
    assert dense > 2 * sparse


def test_local_distance_is_mahalanobis_of_the_neighbours() -> None:
    """Mean, covariance and ridge of the neighbours as numpy computes them."""
    normals, beats = _beats(40, 3), _beats(2, 3, 1)
    near = nearest(normals, beats, 15)
    got = local_mahalanobis(normals, beats, near, 0.1)
    around = normals[near.index[0]]
    error = beats[0] - around.mean(axis=0)
    precision = np.linalg.inv(np.cov(around, rowvar=False, bias=True) + 0.1 * np.eye(3))
    assert got[0] == pytest.approx(np.sqrt(error @ precision @ error), rel=1e-3)


def test_direction_in_which_neighbours_vary_is_less_strange() -> None:
    """Of two beats equally far off, the one across the normal beats' own spread scores higher."""
    normals = _beats(2000, 30) * np.linspace(3, 0.1, 30, dtype=np.float32)
    scorer = local_scorer(normals)
    along, across = np.zeros((2, 30), np.float32)
    along[0], across[20] = 5, 5
    first, second = scorer.score(np.stack([along, across]))
    assert second > 2 * first


def test_own_scores_are_as_of_unseen_beats() -> None:
    """Left out one at a time, the normal beats score as other normal ones do."""
    scorer = local_scorer(_beats(1500, 10))
    own, fresh = scorer.own_scores(), scorer.score(_beats(1500, 10, 5))
    assert np.median(own) == pytest.approx(np.median(fresh), rel=0.05)


def test_fewer_beats_than_neighbours() -> None:
    """All beats there are serve as neighbours."""
    few = _beats(5, 4)
    axes = Components(np.zeros(4, np.float32), np.eye(4, dtype=np.float32), 4.0)
    assert len(few) < NEIGHBOURS
    assert LocalScorer(axes, few, 0.1).own_scores().shape == (5,)
