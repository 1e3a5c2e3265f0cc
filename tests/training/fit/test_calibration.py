"""Calibration on normals: p-values that mean what they say, and rates that fall."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from monitor.adapt.runs import RUN_BEATS
from monitor.detect.episodes import CHAOS_WINDOWS
from monitor.model.artifact import TermCalibration
from monitor.model.autoencoders.interface import EncoderDecoder
from monitor.model.autoencoders.registry import build
from monitor.model.calibration import MIN_NORMALS
from monitor.model.model import threshold_for
from monitor.model.terms import Terms
from tests.support.normals import SPEC, patients, small_recipes
from training.data.normals import PatientNormals
from training.fit import calibration
from training.fit.calibration import (
    _median,
    beat_events,
    calibrate,
    chaotic_events,
    rate_table,
    statistic_of,
    terms_of,
)

_NAMES = ("usual", "population", "fixed")
_SECONDS = 400.0  # of each of four patients: half of it is enough to calibrate on


@lru_cache
def _network(name: str, seed: int = 0) -> EncoderDecoder:
    torch.set_num_threads(1)  # as load_model does
    torch.manual_seed(seed)
    spec = small_recipes()[name].network
    return build(spec.form, spec.settings).eval()


def _half(normals: PatientNormals, second: bool) -> PatientNormals:
    """Windows drawn by lot, or all the others."""
    random = np.random.default_rng(ord(normals.name))
    beats, fixed = (random.random(len(part)) < 0.5 for part in (normals.r_peak, normals.fixed_mv))
    beats, fixed = beats ^ second, fixed ^ second
    return PatientNormals(
        normals.name,
        normals.beats.rows(beats),
        normals.r_peak[beats],
        normals.fixed_mv[fixed],
        normals.fixed_good[fixed],
    )


@lru_cache
def _calibrated(name: str) -> TermCalibration:
    """By half of the windows of four patients."""
    halves = [_half(each, False) for each in patients(seconds=_SECONDS)]
    return calibrate(name, [(_network(name), halves)], SPEC)


def _p_values(name: str, leads: str, usable: tuple[bool, bool]) -> NDArray[np.float64]:
    """Of the other half, with so many usable leads."""
    found = []
    for each in patients(seconds=_SECONDS):
        terms = terms_of(name, _network(name), _half(each, True))
        statistic = statistic_of(_calibrated(name), replace(terms, usable=terms.usable & usable))
        found.append(10 ** -_calibrated(name).fused[leads].surprise(statistic))
    return np.sort(np.concatenate(found))


@pytest.mark.parametrize("name", _NAMES)
def test_p_values_of_normals_are_about_uniform(name: str) -> None:
    """Of the windows that calibration has not seen, a share p has a p-value below p."""
    p_values = _p_values(name, "2", (True, True))
    uniform = (np.arange(len(p_values)) + 0.5) / len(p_values)
    assert len(p_values) > 600
    assert np.abs(p_values - uniform).max() < 0.07
    assert (p_values < 0.01).mean() < 0.03
    assert p_values.min() > 0


def test_one_lead_has_a_calibration_of_its_own() -> None:
    """A stream with one lead, whichever it is, gets p-values as uniform as one with two."""
    parts = [_p_values("population", "1", usable) for usable in ((True, False), (False, True))]
    p_values = np.sort(np.concatenate(parts))
    uniform = (np.arange(len(p_values)) + 0.5) / len(p_values)
    assert np.abs(p_values - uniform).max() < 0.07
    assert set(_calibrated("population").fused) == {"1", "2"}


@pytest.mark.parametrize("name", _NAMES)
def test_rates_fall(name: str) -> None:
    """The higher the threshold the fewer the events, as far as any were counted."""
    for table in _calibrated(name).rates.values():
        assert len(table.surprise) >= 2
        assert (np.diff(table.surprise) > 0).all()
        assert (np.diff(table.per_hour) < 0).all()
        assert min(table.per_hour) > 0
        thresholds = [threshold_for(table, rate) for rate in (100.0, 10.0, 1.0, 0.1)]
        assert (np.diff(thresholds) >= 0).all()
        assert thresholds[0] < thresholds[-1]


def test_each_patient_is_scored_by_its_folds_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, and by the network that it was given with."""
    asked: list[tuple[str, EncoderDecoder]] = []

    def recorded(name: str, net: EncoderDecoder, normals: PatientNormals) -> Terms:
        asked.append((normals.name, net))
        return terms_of(name, net, normals)

    monkeypatch.setattr(calibration, "terms_of", recorded)
    one, other = _network("population"), _network("population", 1)
    a, b, c, d = patients(seconds=200.0)
    calibrate("population", [(one, [a, c]), (other, [b, d])], SPEC)
    assert asked == [("a", one), ("c", one), ("b", other), ("d", other)]


def test_networks_differ_in_their_calibration() -> None:
    """The network given decides the distribution."""
    normals = patients(seconds=200.0)
    one, other = (calibrate("population", [(_network("population", seed), normals)], SPEC) for seed in (0, 1))
    assert one.terms["error"].knots != other.terms["error"].knots


def test_patients_with_one_lead_are_welcome() -> None:
    """They count for streams with one lead; those with two have about the rates that they had."""
    two = patients(seconds=200.0)
    one = replace(two[0], name="e", beats=replace(two[0].beats, good=two[0].beats.good & [True, False]))
    without, with_one = (
        calibrate("population", [(_network("population"), some)], SPEC) for some in (two, [*two, one])
    )
    assert with_one.rates["2"].per_hour[0] == pytest.approx(without.rates["2"].per_hour[0], rel=0.1)
    assert with_one.fused["1"] != without.fused["1"]


def test_two_leads_are_needed_somewhere() -> None:
    """Patients with one lead alone say nothing of streams with two."""
    one = [
        replace(p, beats=replace(p.beats, good=p.beats.good & [True, False])) for p in patients(seconds=200.0)
    ]
    with pytest.raises(ValueError, match="got 0 of 0"):
        calibrate("population", [(_network("population"), one)], SPEC)


def test_too_few_normals_are_refused() -> None:
    """A minute of two patients is no distribution."""
    with pytest.raises(ValueError, match=f"need {MIN_NORMALS} finite statistics"):
        calibrate("population", [(_network("population"), patients("ab"))], SPEC)


@pytest.mark.parametrize(
    ("flagged", "events"),
    [
        ("", 0),
        ("....", 0),
        ("x", 1),
        ("x.x", 2),
        ("x" * RUN_BEATS, RUN_BEATS),
        ("." + "x" * 50, RUN_BEATS),
        ("x" * 50 + ".x", RUN_BEATS + 1),
    ],
)
def test_a_run_of_beats_tells_its_first_ones(flagged: str, events: int) -> None:
    """As many events as the monitor would give: a run goes on silently."""
    assert beat_events(np.array([c == "x" for c in flagged], bool)) == events


def test_a_chaotic_episode_needs_windows_in_a_row() -> None:
    """And is one event however long it lasts."""
    long, short = [True] * (CHAOS_WINDOWS + 5), [True] * (CHAOS_WINDOWS - 1)
    assert chaotic_events(np.array([*long, False, *short, False, *long[:CHAOS_WINDOWS]])) == 2
    assert chaotic_events(np.zeros(0, bool)) == 0


def test_one_restless_patient_does_not_set_the_rate() -> None:
    """Among five, the median's rate of beats counts; of fixed windows it is all patients' together."""
    random = np.random.default_rng(0)
    quiet = [random.exponential(1 / np.log(10), 3600) for _ in range(4)]
    own_level = [*quiet, random.exponential(4 / np.log(10), 3600)]
    median = rate_table(own_level, [1.0] * 5, beat_events, _median)
    mean = rate_table(own_level, [1.0] * 5, beat_events, np.average)
    alone = rate_table(quiet, [1.0] * 4, beat_events, _median)
    at = [np.interp(2.0, table.surprise, table.per_hour) for table in (median, mean, alone)]
    assert at[2] == pytest.approx(36, rel=0.3)  # p = 0.01 of 3600 beats
    assert at[0] == pytest.approx(at[2], rel=0.3)
    assert at[1] > 3 * at[0]


def test_rates_are_events_by_hours() -> None:
    """Counted by hand, above each of two thresholds."""
    strange = np.zeros(1000)
    strange[:100:2] = 0.55
    strange[200:212:2] = 2.05
    table = rate_table([strange], [2.0], beat_events, np.average)
    rates = dict(zip(table.surprise, table.per_hour, strict=True))
    assert rates == {0.3: 28.0, 0.6: 3.0}


def test_rates_need_events() -> None:
    """Fewer than three events are no rate."""
    with pytest.raises(ValueError, match="need at least two thresholds with 3 events"):
        rate_table([np.array([0.0, 5.0, 0.0])], [1.0], beat_events, np.average)
