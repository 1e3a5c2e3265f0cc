"""Normal windows of the training patients: what is in them, and what never is."""

from __future__ import annotations

import ast
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import training
from monitor.adapt.usual_beat import LEARN
from monitor.ecg.filters import INTERNAL_RATE_HZ
from monitor.recordings.synthetic import SyntheticEcg
from monitor.scan.matching import tolerance_samples
from tests.support.normals import SPEC, made_up, normal_record, patient
from training.data.normals import CLEAR_S, NormalRecord, folds, normals_of
from training.data.records import DS2
from training.errors import DataError

_NEAR = tolerance_samples(INTERNAL_RATE_HZ)
_ECG = made_up(60)


def _distance(samples: NDArray[np.int64], to: NDArray[np.int64]) -> NDArray[np.int64]:
    """Internal samples from each of the ones to the nearest of the others."""
    nearest: NDArray[np.int64] = np.abs(samples[:, None] - to[None]).min(axis=1)
    return nearest


def test_normal_beats_come_out_and_no_others() -> None:
    """All but the first seconds' normal beats are found, and no ventricular one is among them."""
    normals = normals_of(normal_record(_ECG), SPEC)
    normal, wide = _ECG.r_peak[~_ECG.ventricular], _ECG.r_peak[_ECG.ventricular]
    assert len(normals.r_peak) == len(normals.beats.ready) >= len(normal) - 3
    assert _distance(normals.r_peak, normal).max() <= _NEAR
    assert _distance(normals.r_peak, wide).min() > _NEAR


@settings(max_examples=15, deadline=None)
@given(st.sets(st.integers(0, len(_ECG.r_peak) - 1), min_size=1))
def test_a_beat_not_said_to_be_normal_is_not_used(chosen: set[int]) -> None:
    """Whatever beats are called normal, nothing else comes out: not even what looks just like them."""
    normal_r = _ECG.r_peak[sorted(chosen)]
    record = NormalRecord("a", _ECG.rate_hz, _ECG.ecg_mv, normal_r)
    try:
        normals = normals_of(record, SPEC)
    except DataError:
        assert len(chosen) < 5  # all of them missed
        return
    assert len(normals.r_peak) <= len(chosen)
    assert _distance(normals.r_peak, normal_r).max() <= _NEAR


def test_no_fixed_window_touches_another_beat() -> None:
    """Every kept fixed window is a stretch of the recording without a beat that may be abnormal."""
    normals = normals_of(normal_record(_ECG), SPEC)
    every = normals_of(replace(normal_record(_ECG), normal_r=_ECG.r_peak), SPEC)
    wide = _ECG.r_peak[_ECG.ventricular]
    starts = np.arange(len(every.fixed_mv)) * SPEC.fixed_hop
    # Twins have the same samples: find each kept window's place among all.
    kept = [
        int(np.flatnonzero((every.fixed_mv == window).all(axis=(1, 2)))[0]) for window in normals.fixed_mv
    ]
    assert 0 < len(kept) < len(starts)
    clear = CLEAR_S * INTERNAL_RATE_HZ - _NEAR
    for start in starts[kept]:
        assert not ((wide > start - clear) & (wide < start + SPEC.fixed_span + clear)).any()


def test_abnormal_beats_do_not_enter_the_usual_beat() -> None:
    """After a long bigeminy the usual beat is still the sinus beat's; had they entered, it would not be."""
    bigeminy = made_up(120, ventricular=range(30, 110, 2))
    record = normal_record(bigeminy)
    calm, wild, careless = (
        normals_of(each, SPEC).beats.usual[-1, 0]
        for each in (
            normal_record(made_up(120, ventricular=())),
            record,
            replace(record, normal_r=bigeminy.r_peak),
        )
    )
    assert np.abs(wild - calm).max() < 0.1
    assert np.abs(careless - calm).max() > 0.2


def test_first_beats_know_no_usual_one() -> None:
    """A patient's recording begins as a stream does: unready until its usual beat is there."""
    ready = patient("a").beats.ready
    assert not ready[: LEARN - 1].any()
    assert ready[LEARN:].all()


def test_another_sampling_rate_gives_the_same_beats() -> None:
    """R peaks are told in internal samples, whatever the recording's own rate."""
    slow = SyntheticEcg(125.0, _ECG.ecg_mv[::2], _ECG.r_peak // 2, _ECG.ventricular)
    normals = normals_of(normal_record(slow), SPEC)
    assert _distance(normals.r_peak, _ECG.r_peak[~_ECG.ventricular]).max() <= _NEAR
    assert len(normals.r_peak) >= (~_ECG.ventricular).sum() - 3


def test_a_lead_that_was_not_measured_is_not_good() -> None:
    """A lead of NaN gives no window to learn from; the other lead does."""
    ecg_mv = _ECG.ecg_mv.copy()
    ecg_mv[:, 1] = np.nan
    normals = normals_of(replace(normal_record(_ECG), ecg_mv=ecg_mv), SPEC)
    assert normals.beats.good[10:, 0].all()
    assert not normals.beats.good[:, 1].any()
    assert not normals.fixed_good[:, 1].any()
    assert np.isfinite(normals.beats.beat).all()


@pytest.mark.parametrize("normal_r", [np.array([], np.int64), np.array([14_990], np.int64)])
def test_a_record_without_normal_beats_is_refused(normal_r: NDArray[np.int64]) -> None:
    """The error names the record: it is its maker's to leave it out."""
    with pytest.raises(DataError, match=r"^a: none of its \d+ detected beats is normal"):
        normals_of(replace(normal_record(_ECG), normal_r=normal_r), SPEC)


def test_a_record_without_beats_is_refused() -> None:
    """A dead lead has nothing to learn from."""
    with pytest.raises(DataError, match="none of its 0 detected beats"):
        normals_of(replace(normal_record(_ECG), ecg_mv=np.zeros_like(_ECG.ecg_mv)), SPEC)


def test_a_record_says_nothing_of_anomalies() -> None:
    """Samples and normal R peaks are all that goes into training."""
    assert {field.name for field in fields(NormalRecord)} == {"name", "rate_hz", "ecg_mv", "normal_r"}


# All that a network's weights and a calibration come from: closed under imports, as the test says.
_CORE = {
    "data.normals",
    "errors",
    "fit.architecture",
    "fit.build",
    "fit.calibration",
    "fit.kept_latents",
    "fit.loop",
    "fit.objectives.contractive",
    "fit.objectives.corruption",
    "fit.objectives.examples",
    "fit.objectives.losses",
    "fit.objectives.settings",
    "fit.objectives.sparse",
    "fit.objectives.variational",
    "fit.pretraining",
    "fit.rbm",
    "fit.recipe",
    "progress",
}
_READS_LABELS = ("monitor.recordings", "monitor.scan", "wfdb")
_READS_NONE = {"monitor.scan.matching"}  # of two lists of beats, whosesoever


@pytest.mark.parametrize("name", sorted(_CORE))
def test_training_cannot_read_annotations(name: str) -> None:
    """No module of the training core imports what reads labels, lists DS2, or evaluates."""
    source = Path(training.__file__).parent.joinpath(*name.split(".")).with_suffix(".py").read_text("utf-8")
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom | ast.Import)]
    modules = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    assert {module for module in modules if module.startswith("training")} <= {f"training.{m}" for m in _CORE}
    assert not [module for module in modules - _READS_NONE if module.startswith(_READS_LABELS)]
    assert not [record for record in DS2 if f'"{record}"' in source]


@given(st.sets(st.text(min_size=1), min_size=2, max_size=30), st.data())
def test_folds_are_disjoint_even_and_stable(names: set[str], data: st.DataObject) -> None:
    """Every patient is in one fold, and in the same one whatever order they come in."""
    count = data.draw(st.integers(2, len(names)))
    shuffled = data.draw(st.permutations(sorted(names)))
    parts = folds(list(shuffled), count)
    assert sorted(name for part in parts for name in part) == sorted(names)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert parts == folds(sorted(names), count)


@pytest.mark.parametrize("count", [1, 4])
def test_folds_need_patients(count: int) -> None:
    """One fold holds nobody out, and an empty one nobody at all."""
    with pytest.raises(ValueError, match="need 2 to 3 folds for 3 patients"):
        folds(["a", "b", "c"], count)
