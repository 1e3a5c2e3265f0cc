"""p-values: uniform on fresh normals, an extreme-value tail, and never a wrong number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import genpareto, kstest

from monitor.model.calibration import KNOTS, MIN_NORMALS, TAIL_SHARE, Calibration, fit_calibration

FITTED = fit_calibration(np.random.default_rng(0).gumbel(size=20_000))


def test_p_values_of_fresh_normals_are_uniform() -> None:
    """New values of the same distribution have uniform p-values, in the tail as well."""
    fresh = np.random.default_rng(1).gumbel(size=20_000)
    p_value = 10.0 ** -FITTED.surprise(fresh)
    assert kstest(p_value, "uniform").statistic < 0.02
    for rare in (0.01, 0.001):
        assert (p_value < rare).mean() == pytest.approx(rare, rel=0.5)


def test_the_tail_is_a_generalised_pareto() -> None:
    """Beyond the last knot the p-value is the tail's share times scipy's survival function."""
    beyond = FITTED.knots[-1] + np.array([0.01, 0.5, 3.0, 30.0])
    expected = TAIL_SHARE * genpareto.sf(beyond - FITTED.knots[-1], FITTED.shape, scale=FITTED.scale)
    assert 10.0 ** -FITTED.surprise(beyond) == pytest.approx(expected, rel=1e-9)


def test_an_exponential_tail_is_the_limit() -> None:
    """A shape of 0 gives the exponential tail that tiny shapes tend to."""
    knots = tuple(np.linspace(0, 1, KNOTS))
    exponential, nearly = (
        Calibration(knots=knots, tail_share=TAIL_SHARE, shape=shape, scale=0.5) for shape in (0.0, 1e-6)
    )
    x = np.array([1.1, 2.0, 5.0])
    assert exponential.surprise(x) == pytest.approx(nearly.surprise(x), rel=1e-4)
    assert 10.0 ** -exponential.surprise(x) == pytest.approx(TAIL_SHARE * np.exp(-(x - 1) / 0.5))


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_stranger_is_never_less_surprising(values: list[float]) -> None:
    """Surprise never falls as the statistic rises, and is finite and not negative."""
    surprise = FITTED.surprise(np.sort(np.array(values)))
    assert (np.diff(surprise) >= 0).all()
    assert np.isfinite(surprise).all()
    assert (surprise >= 0).all()


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_below_the_tail_it_is_the_empirical_distribution(share: float) -> None:
    """The p-value at a quantile is what lies above it."""
    normal = np.random.default_rng(2).standard_normal(5000)
    surprise = fit_calibration(normal).surprise(np.quantile(normal, [share]))
    assert 10.0 ** -surprise[0] == pytest.approx(1 - share, abs=0.003)


def test_not_a_number_stays_so() -> None:
    """A window that was not judged has no p-value; shapes are kept."""
    surprise = FITTED.surprise(np.array([[np.nan, 1.0], [2.0, np.nan]]))
    assert np.isnan(surprise).tolist() == [[True, False], [False, True]]


def test_a_value_does_not_depend_on_its_neighbours() -> None:
    """Alone or in any array, strided or not, a statistic has the same surprise bit for bit."""
    values = np.random.default_rng(3).gumbel(size=(100, 2)) * 3
    whole = FITTED.surprise(values)
    assert np.array_equal(FITTED.surprise(values[:, 1]), whole[:, 1])
    assert [FITTED.surprise(values[i, :1])[0] for i in range(100)] == whole[:, 0].tolist()


def test_equal_knots_divide_by_nothing() -> None:
    """A statistic that is often exactly 0, as prematurity is, has sound p-values."""
    random = np.random.default_rng(4)
    calibration = fit_calibration(np.maximum(0, random.standard_normal(5000)))
    surprise = calibration.surprise(np.array([-1.0, 0.0, 1e-9, 1.0]))
    assert (np.diff(surprise) >= 0).all()
    assert 10.0 ** -surprise[1] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    "normal", [np.zeros(MIN_NORMALS - 1), np.full(MIN_NORMALS, np.nan), np.r_[np.zeros(MIN_NORMALS), np.inf]]
)
def test_too_few_or_broken_normals_are_refused(normal: np.ndarray) -> None:
    """Nothing is fitted to too little, or to what is not a number."""
    with pytest.raises(ValueError, match="finite statistics"):
        fit_calibration(normal)


def test_a_constant_cannot_be_calibrated() -> None:
    """A statistic without a tail is the caller's mistake."""
    with pytest.raises(ValueError, match="continuous"):
        fit_calibration(np.ones(MIN_NORMALS))


def test_no_statistic_is_impossible() -> None:
    """A bounded sample's tail is not cut off: beyond it p falls, but is not 0."""
    calibration = fit_calibration(np.random.default_rng(5).uniform(size=5000))
    assert calibration.shape >= 0
    surprise = calibration.surprise(np.array([1.1, 2.0, 10.0]))
    assert np.isfinite(surprise).all()
    assert (np.diff(surprise) > 0).all()
