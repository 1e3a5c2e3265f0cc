"""All baselines together: fitted on normals, and fused as the usual-beat baseline is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.beat_windows import SPEC, made_up_beats
from tests.support.models import small_model
from training.compare.baselines import STRONGEST, Baselines, fit_baselines
from training.compare.beat_windows import BeatWindows
from training.progress import no_advance


@pytest.fixture(scope="module")
def beats() -> BeatWindows:
    """Enough normal beats to calibrate by, and some others."""
    return made_up_beats(700, range(100, 700, 9))


@pytest.fixture(scope="module")
def baselines(beats: BeatWindows) -> Baselines:
    """Fitted once: each test only asks it."""
    return fit_baselines([beats], SPEC, small_model().networks["population"], no_advance)


def test_every_baseline_scores_every_beat(baselines: Baselines, beats: BeatWindows) -> None:
    """Five shapes and the LSTM in three forms each, and prematurity; the usual-beat baseline finds all V."""
    scores = baselines.scores(beats)
    assert len(scores) == 1 + 3 * 6
    assert all(np.isfinite(score).all() for score in scores.values())
    strange = beats.label == "V"
    assert scores[STRONGEST][strange].min() > scores[STRONGEST][~strange].max()


def test_nothing_is_learned_from_other_beats(baselines: Baselines, beats: BeatWindows) -> None:
    """Whatever the abnormal beats look like, the learned baselines say the same of normal ones."""
    wide = beats.wide_mv.copy()
    wide[beats.label == "V"] *= 7
    other = fit_baselines([replace(beats, wide_mv=wide)], SPEC, None, no_advance)
    normal = made_up_beats(50)
    for name in ("principal components, one lead", "one-class SVM, one lead", "isolation forest, one lead"):
        assert np.array_equal(other.scores(normal)[name], baselines.scores(normal)[name])


def test_without_a_plain_network_its_row_is_left_out(beats: BeatWindows) -> None:
    """A model may lack one."""
    names = fit_baselines([beats], SPEC, None, no_advance).scores(beats)
    assert not any("LSTM" in name for name in names)


def test_a_beat_without_usable_leads_is_not_judged(baselines: Baselines, beats: BeatWindows) -> None:
    """NaN, which counts as missed."""
    good = beats.good.copy()
    good[5] = False
    score = baselines.scores(replace(beats, good=good))[STRONGEST]
    assert np.isnan(score[5])
    assert np.isfinite(np.delete(score, 5)).all()
