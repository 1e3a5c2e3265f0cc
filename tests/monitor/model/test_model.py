"""Networks and calibrations in one piece: thresholds from a budget, verdicts from windows."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.adapt.beats import BeatBatch
from monitor.adapt.path import SignalPath
from monitor.adapt.runs import LASTING_BEATS, RUN_SURPRISE
from monitor.adapt.usual_beat import LEARN
from monitor.ecg.quality import Quality
from monitor.ecg.windows import WindowSpec
from monitor.errors import ArtifactError, ScoreError
from monitor.model.artifact import RateTable
from monitor.model.model import (
    FIXED_SHARE,
    RECURRENCE_WEIGHT,
    USUAL_SURPRISE,
    Model,
    Verdicts,
    load_model,
    threshold_for,
)
from monitor.model.terms import halves
from monitor.recordings.synthetic import synthetic_ecg
from tests.support.models import _collector as collector
from tests.support.models import samples_of, small_model

TABLE = RateTable(surprise=(1.0, 2.0, 3.0), per_hour=(100.0, 10.0, 1.0))
FIELDS = ("surprise", "shape", "rhythm", "by_lead", "threshold", "worst")


@cache
def windows() -> tuple[BeatBatch, NDArray[np.float32], NDArray[np.bool_]]:
    """Beats of one recording, the first ones from before it was learned, and its fixed windows."""
    ecg = synthetic_ecg(90, rate_hz=250.0, ventricular=range(30, 100, 9), seed=8)
    ecg.ecg_mv[5000:8000, 1] = np.nan  # beats with one lead, too
    path = SignalPath(WindowSpec(), 1, 2)
    cuts = path.advance(samples_of(ecg))
    parts, judge = collector()
    path.judge_beats(cuts, np.zeros(1, np.int64), judge)
    beats = BeatBatch.joined(parts)
    good = cuts.fixed_quality == Quality.GOOD
    good[3] = False
    return beats, cuts.fixed_mv, good


def rows_of(verdicts: Verdicts, rows: NDArray[Any]) -> Verdicts:
    """Some of the windows."""
    return Verdicts(*(getattr(verdicts, field.name)[rows] for field in fields(Verdicts)))


def same(first: Verdicts, second: Verdicts, rows: NDArray[Any]) -> bool:
    """True if the second holds the first's rows bit for bit."""
    return all(
        np.array_equal(getattr(first, name)[rows], getattr(second, name), equal_nan=True) for name in FIELDS
    )


@pytest.mark.parametrize(
    ("per_hour", "threshold"), [(1000.0, 1.0), (100.0, 1.0), (10.0, 2.0), (10**0.5, 2.5), (1.0, 3.0)]
)
def test_a_budget_becomes_a_threshold(per_hour: float, threshold: float) -> None:
    """By the table of events an hour, logarithmically between its rows."""
    assert threshold_for(TABLE, per_hour) == pytest.approx(threshold)


def test_rarer_than_was_seen_is_extrapolated() -> None:
    """A tenth of the rarest rate needs one more unit of surprise."""
    assert threshold_for(TABLE, 0.1) == pytest.approx(4.0)
    assert threshold_for(TABLE, 0.01) == pytest.approx(5.0)


@pytest.mark.parametrize("per_hour", [0.0, -1.0, float("nan")])
def test_a_budget_has_to_be_positive(per_hour: float) -> None:
    """No events at all cannot be promised."""
    with pytest.raises(ValueError, match="above 0"):
        Model(small_model().manifest, small_model().networks, per_hour)


@pytest.mark.parametrize("per_hour", [0.0, -1.0])
def test_a_rate_has_to_be_positive(per_hour: float) -> None:
    """There is no threshold that nothing exceeds."""
    with pytest.raises(ValueError, match="above 0"):
        threshold_for(TABLE, per_hour)


def test_a_larger_budget_lowers_every_threshold() -> None:
    """Invariant 7: one setting moves all thresholds, nothing is trained again."""
    manifest, networks = small_model().manifest, small_model().networks
    strict, loose = Model(manifest, networks, 1.0), Model(manifest, networks, 50.0)
    for kind in ("usual", "population", "fixed"):
        for leads in ("1", "2"):
            assert loose.thresholds[kind][leads] < strict.thresholds[kind][leads]
    table = manifest.calibration["fixed"].rates["1"]
    assert strict.thresholds["fixed"]["1"] == threshold_for(table, FIXED_SHARE * 1.0)
    assert Model(manifest, networks).budget_per_hour == manifest.default_budget_per_hour


def test_a_budget_changes_verdicts_but_no_score() -> None:
    """Surprise is the artifact's; what counts as anomalous is the operator's."""
    beats, manifest, networks = windows()[0], small_model().manifest, small_model().networks
    strict, loose = (Model(manifest, networks, budget).judge_beats(beats) for budget in (0.1, 300.0))
    assert np.array_equal(strict.surprise, loose.surprise, equal_nan=True)
    assert strict.anomalous.sum() < loose.anomalous.sum()
    assert not (strict.anomalous & ~loose.anomalous).any()


def test_some_streams_may_have_a_budget_of_their_own() -> None:
    """Their windows are judged as by a model of that budget, and the others as before."""
    (beats, fixed_mv, good), model = windows(), small_model()
    other = Model(model.manifest, model.networks, 300.0)
    own, some = model.thresholds_for(300.0), np.arange(0, len(beats.ready), 2)
    mixed = model.judge_beats(beats, dict.fromkeys(some.tolist(), own))
    rest = np.setdiff1d(np.arange(len(beats.ready)), some)
    assert same(other.judge_beats(beats), rows_of(mixed, some), some)
    assert same(model.judge_beats(beats), rows_of(mixed, rest), rest)
    assert set(beats.ready[some]) == {True, False}
    every = dict.fromkeys(range(len(good)), own)
    assert same(
        other.judge_fixed(fixed_mv, good), model.judge_fixed(fixed_mv, good, every), np.arange(len(good))
    )


@given(order=st.permutations(range(60)), count=st.integers(0, 60))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_a_beats_verdict_is_its_own(order: list[int], count: int) -> None:
    """Any beats in any order have the verdicts that they have among all, learning ones mixed in or not."""
    beats, model, rows = windows()[0], small_model(), np.array(order[:count], np.int64)
    assert same(model.judge_beats(beats), model.judge_beats(beats.rows(rows)), rows)  # type: ignore[arg-type]


@given(order=st.permutations(range(50)), count=st.integers(0, 50))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_a_fixed_windows_verdict_is_its_own(order: list[int], count: int) -> None:
    """Fixed windows don't depend on each other either."""
    _, fixed_mv, good = windows()
    model, rows = small_model(), np.array(order[:count], np.int64)
    assert same(model.judge_fixed(fixed_mv, good), model.judge_fixed(fixed_mv[rows], good[rows]), rows)


def without_usual(model: Model) -> Model:
    """The same model, its contextual network left out."""
    calibration = {name: each for name, each in model.manifest.calibration.items() if name != "usual"}
    networks = {name: net for name, net in model.networks.items() if name != "usual"}
    return Model(msgspec.structs.replace(model.manifest, calibration=calibration), networks)


def test_the_population_judges_until_the_usual_beat_is_known() -> None:
    """A contextual model's verdicts are the plain one's for a stream's first beats, and its own after."""
    beats, model = windows()[0], small_model()
    first = ~beats.ready
    assert LEARN <= first.sum() <= LEARN + 3
    both = model.judge_beats(beats)
    plain = without_usual(model)
    assert model.contextual
    assert not plain.contextual
    assert same(both, plain.judge_beats(beats.rows(first)), np.flatnonzero(first))
    assert not same(both, plain.judge_beats(beats.rows(~first)), np.flatnonzero(~first))


def test_a_window_without_a_good_lead_is_not_judged() -> None:
    """Its surprise is not a number, and it is neither anomalous nor usual."""
    beats, fixed_mv, good = windows()
    beats = beats.rows(np.ones(len(beats.ready), np.bool_))  # a copy
    found = small_model().judge_fixed(fixed_mv, good)
    assert np.isnan(found.surprise[3])
    assert not found.anomalous[3]
    assert not found.lesson.usual[3]
    assert not found.lesson.strange[3]
    assert not np.isnan(found.surprise[good.any(axis=1)]).any()
    assert np.isnan(found.by_lead[~good]).all()
    beats.good[:] = False
    assert np.isnan(small_model().judge_beats(beats).surprise).all()


def mature() -> BeatBatch:
    """The windows' beats of a stream that trusts its usual beat."""
    beats = windows()[0]
    return replace(beats, young=np.zeros(len(beats.ready), np.bool_))


def test_usual_is_well_below_the_threshold() -> None:
    """A stream learns from beats under both limits, never from an anomalous one."""
    beats = mature()
    found = small_model().judge_beats(beats)
    usual = found.lesson.usual
    assert not (usual & found.anomalous).any()
    assert (found.surprise[usual] < USUAL_SURPRISE).all()
    assert usual.any()
    assert found.anomalous.any()
    loose = Model(small_model().manifest, small_model().networks, 10_000.0)
    loose.thresholds = {kind: {"1": 0.1, "2": 0.1} for kind in loose.thresholds}
    tight = loose.judge_beats(beats)
    assert (tight.surprise[tight.lesson.usual] < 0.1).all()


def test_a_recurring_shape_adds_to_the_surprise_but_not_to_what_is_strange() -> None:
    """What was seen before makes a beat more suspect; whether its shape is kept depends on the beat alone."""
    beats = mature()
    again = small_model().judge_beats(replace(beats, recurrence=np.ones(len(beats.ready))))
    once = small_model().judge_beats(beats)
    np.testing.assert_allclose(again.surprise, once.surprise + RECURRENCE_WEIGHT)
    assert np.array_equal(again.lesson.strange, once.lesson.strange)
    assert not (again.lesson.usual & again.lesson.flagged).any()


def in_run(beats: int, recurrence: float = 0.0) -> Verdicts:
    """The windows' verdicts while a run of so many beats is open, of shapes that came before so surely."""
    batch = mature()
    n = len(batch.ready)
    return small_model().judge_beats(replace(batch, run=np.full(n, beats), recurrence=np.full(n, recurrence)))


def test_a_beat_in_an_open_run_must_be_clearly_usual() -> None:
    """The surprise stays what it is; the threshold is lower, and what it flags teaches nothing."""
    alone, inside = in_run(0), in_run(5)
    np.testing.assert_array_equal(inside.surprise, alone.surprise)
    judged = np.isfinite(alone.surprise)
    assert (inside.threshold[judged] == np.minimum(alone.threshold[judged], RUN_SURPRISE)).all()
    assert inside.anomalous.sum() > alone.anomalous.sum()
    assert not (inside.lesson.usual & inside.anomalous).any()


def test_a_young_stream_learns_flagged_beats_too() -> None:
    """Its usual beat may be an ectopic one: then the others are flagged because they come again."""
    beats = windows()[0]
    again = replace(beats, recurrence=np.ones(len(beats.ready)), young=np.ones(len(beats.ready), np.bool_))
    found = small_model().judge_beats(again)
    assert (found.lesson.usual & found.anomalous).any()
    alone = found.surprise - found.recurrence
    assert (alone[found.lesson.usual] < USUAL_SURPRISE).all()


def test_a_run_without_end_teaches_again() -> None:
    """After LASTING_BEATS a beat that is flagged only because its shape came before is learned."""
    found = in_run(LASTING_BEATS, 1.0)
    assert not (found.lesson.usual & found.anomalous).any()
    lasting = in_run(LASTING_BEATS + 1, 1.0)
    assert (lasting.lesson.usual & lasting.anomalous).any()
    alone = lasting.surprise - lasting.recurrence
    assert (alone[lasting.lesson.usual] < USUAL_SURPRISE).all()


def test_the_statistic_is_shape_and_rhythm() -> None:
    """More of either is more surprise; a lead's own surprise lies beside them."""
    found = small_model().judge_beats(windows()[0])
    assert (found.rhythm >= 0).all()
    assert (found.shape[~np.isnan(found.shape)] >= 0).all()
    known = windows()[0].ready
    order = np.argsort((found.shape + found.rhythm)[known])
    two = ~np.isnan(found.by_lead[known][order]).any(axis=1)
    assert (np.diff(found.surprise[known][order][two]) >= 0).all()


@pytest.mark.parametrize("name", ["to_patch.weight", "to_latent.weight", "position"])
@pytest.mark.parametrize("network", ["usual", "population"])
def test_a_broken_network_is_an_error(network: str, name: str) -> None:
    """A weight that is no number raises ScoreError wherever it stands; nothing passes as normal."""
    broken(network, name)


def test_a_broken_rhythm_is_an_error() -> None:
    """What the network says of the next interval is part of the score, too."""
    broken("usual", "to_rhythm.weight")


def broken(network: str, name: str) -> None:
    """Judging with one weight that is no number raises ScoreError."""
    model = small_model()
    weight = model.networks[network].state_dict()[name]
    saved = weight.clone()
    try:
        weight.view(-1)[0] = torch.nan
        with pytest.raises(ScoreError):
            model.judge_beats(windows()[0])
    finally:
        weight.copy_(saved)


def test_a_contextual_network_must_tell_its_spread() -> None:
    """A plain network under the contextual one's name is the artifact's mistake."""
    model = small_model()
    mixed = Model(model.manifest, {**model.networks, "usual": model.networks["population"]})
    with pytest.raises(ValueError, match="spread and rhythm"):
        mixed.judge_beats(windows()[0])


def test_a_model_without_calibration_is_refused() -> None:
    """Networks that were fitted but not calibrated can judge nothing."""
    model = small_model()
    with pytest.raises(ArtifactError, match="ecg-train calibrate"):
        Model(msgspec.structs.replace(model.manifest, calibration={}), model.networks)


def test_halves_are_the_windows_in_order() -> None:
    """Each window becomes two rows, its first half and its second."""
    window = np.arange(12, dtype=np.float32).reshape(2, 6)
    assert halves(window).tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]


def test_a_model_is_loaded_from_its_folder(tmp_path: Path) -> None:
    """The folder's model at its own budget or the given one; torch runs with one thread."""
    small_model(tmp_path / "m")
    model = load_model(tmp_path / "m", budget_per_hour=7.0)
    assert (model.name, model.budget_per_hour) == ("small", 7.0)
    assert torch.get_num_threads() == 1
    with pytest.raises(ArtifactError):
        load_model(tmp_path)
