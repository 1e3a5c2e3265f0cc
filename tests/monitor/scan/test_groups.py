"""Anomalous beats in a few groups of alike ones."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.scan.groups import LINKED, MAX_GROUPS, cluster, group_anomalies
from monitor.scan.latents import BeatLatents

SHAPES = np.eye(4, dtype=np.float32) * 10


def _beats(shapes: list[int], usual: int = 50) -> BeatLatents:
    """Usual beats about 0, then one anomalous beat near each of these shapes; one lead, one beat a second."""
    rng = np.random.default_rng(0)
    n = usual + len(shapes)
    centre = np.concatenate([np.zeros((usual, 4), np.float32), SHAPES[shapes]])
    anomalous = np.arange(n) >= usual
    return BeatLatents(
        sample=np.arange(n) * 360,
        score=np.ones(n, np.float32),
        anomalous=anomalous,
        kind=np.where(anomalous, "beat.morphology", "beat"),
        by_lead=np.ones((n, 1), np.float32),
        latent=(centre + rng.normal(0, np.where(anomalous, 0.1, 0.3)[:, None], (n, 4)))[:, None].astype("f4"),
    )


def _is_partition(groups: NDArray[np.int64], wanted: list[int]) -> bool:
    return (
        len(set(zip(groups.tolist(), wanted, strict=True))) == len(set(wanted)) == len(set(groups.tolist()))
    )


def test_shapes_become_groups() -> None:
    """Each shape is one group, the largest first, with all of its beats and what they were flagged as."""
    groups = group_anomalies(_beats([0, 1, 0, 2, 0, 1]))
    assert [len(group) for group in groups] == [3, 2, 1]
    assert groups[0].sample.tolist() == [50 * 360, 52 * 360, 54 * 360]
    assert groups[0].typical in groups[0].sample
    assert groups[0].kinds == {"beat.morphology": 3}


def test_no_anomaly_no_group() -> None:
    """A usual recording has nothing to review."""
    assert group_anomalies(_beats([])) == []


def test_one_anomaly_is_a_group() -> None:
    """Even where nothing usual is known."""
    (group,) = group_anomalies(_beats([1], usual=0))
    assert (len(group), group.typical, group.lead) == (1, 0, 0)


def test_a_lead_that_was_not_usable_does_not_part_beats() -> None:
    """Beats of one shape stay together if some lack a lead."""
    beats = _beats([0, 0, 0, 1, 1])
    both = np.concatenate([beats.latent, beats.latent], axis=1)
    both[-4, 1] = np.nan
    by_lead = np.array(np.where(np.isnan(both[:, :, 0]), np.nan, [[1.0, 2.0]]), np.float32)
    two = BeatLatents(beats.sample, beats.score, beats.anomalous, beats.kind, by_lead, both)
    groups = group_anomalies(two)
    assert sorted(map(len, groups)) == [2, 3]


def test_a_lead_that_was_off_is_left_out() -> None:
    """If one lead was off all the time, the other one decides."""
    beats = _beats([0, 0, 0, 1, 1])
    both = np.concatenate([beats.latent, np.full_like(beats.latent, np.nan)], axis=1)
    by_lead = np.tile(np.array([1, np.nan], np.float32), (len(beats), 1))
    two = BeatLatents(beats.sample, beats.score, beats.anomalous, beats.kind, by_lead, both)
    assert [len(group) for group in group_anomalies(two)] == [3, 2]


def test_beats_of_which_none_has_all_leads() -> None:
    """Where each beat lacks one of two leads they can't be compared, but each is in a group."""
    beats = _beats([0, 0, 0, 1, 1])
    both = np.concatenate([beats.latent, beats.latent], axis=1)
    odd = np.arange(len(beats)) % 2
    both[np.arange(len(beats)), odd] = np.nan
    by_lead = np.where(np.isnan(both[:, :, 0]), np.nan, 1).astype(np.float32)
    two = BeatLatents(beats.sample, beats.score, beats.anomalous, beats.kind, by_lead, both)
    assert sum(map(len, group_anomalies(two))) == 5


def test_the_typical_beat_is_the_one_in_the_middle() -> None:
    """Of three beats on a line the middle one stands for all."""
    beats = _beats([0, 0, 0])
    beats.latent[-3:, 0] = np.array([[9, 0, 0, 0], [10, 0, 0, 0], [9.6, 0, 0, 0]])
    assert group_anomalies(beats)[0].typical == beats.sample[-1]


def test_thousands_are_grouped_by_some() -> None:
    """Beyond LINKED rows the others join the nearest group: work is bounded, and shapes stay apart."""
    wanted = (np.arange(3 * LINKED + 7) % 3).tolist()
    rng = np.random.default_rng(1)
    vectors = np.eye(3)[wanted] * 10 + rng.normal(0, 0.1, (len(wanted), 3))
    assert _is_partition(cluster(vectors, 1.0), wanted)


def test_as_few_groups_as_are_tight() -> None:
    """The beats' scatter about their groups' means is within the limit, and with a group less it was not."""
    vectors = np.random.default_rng(2).normal(size=(60, 2)) + np.arange(60)[:, None] // 20 * [6.0, 0.0]

    def scatter(groups: NDArray[np.int64]) -> float:
        away = [
            vectors[groups == each] - vectors[groups == each].mean(axis=0) for each in set(groups.tolist())
        ]
        return float(np.sqrt(np.square(np.concatenate(away)).sum() / 60))

    three, two = cluster(vectors, 1.6), cluster(vectors, 3.5)
    assert [len(set(groups.tolist())) for groups in (three, two)] == [3, 2]
    assert scatter(three) <= 1.6 < scatter(two) <= 3.5


@settings(deadline=None, derandomize=True)
@given(st.integers(1, 40), st.floats(0, 3), st.integers(0, 2**31))
def test_never_more_groups_than_a_reader_can_review(n: int, scatter: float, seed: int) -> None:
    """Every beat is in a group, and there are few."""
    vectors = np.random.default_rng(seed).normal(size=(n, 3))
    groups = cluster(vectors, scatter)
    assert groups.shape == (n,)
    assert len(set(groups.tolist())) <= MAX_GROUPS
