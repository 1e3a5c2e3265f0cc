"""One split: half of the patients calibrate, the other half is measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monitor.model.model import Model
from tests.support.models import small_model
from tests.support.normals import patients
from training.errors import DataError
from training.fit.calibration import terms_of
from training.fit.calibration_splits import (
    BUDGETS,
    NOMINAL,
    Scored,
    countable_budget,
    events_per_hour,
    score,
    split,
)
from training.fit.crossfit import CrossFit


@pytest.fixture(scope="module")
def scored() -> list[Scored]:
    """Four made-up patients, scored by an untrained model."""
    model = small_model()
    return [score(model, CrossFit(model), patient) for patient in patients("abcd", 300.0)]


def test_measured_on_the_patients_that_calibrated_every_rate_holds(scored: list[Scored]) -> None:
    """What is in the tail of a distribution is there by definition."""
    model = small_model()
    found = split(model, CrossFit(model), scored, scored)
    assert found.patients == ["a", "b", "c", "d"]
    for part in ("beats", "fixed"):
        assert found.pooled[f"{part}/0.1"] == pytest.approx(1, abs=0.3)
    per_hour = [found.pooled[f"events/{model.budget_per_hour * times:g}"] for times in BUDGETS]
    assert all(np.isfinite(per_hour))
    assert len(found.pooled) == len(found.by_patient) == 2 * len(NOMINAL) + len(BUDGETS)


@pytest.mark.parametrize(("hours", "times"), [(24.0, 1.0), (0.3, 16.0), (0.01, 32.0)])
def test_a_budget_can_be_counted_where_it_is_an_event(
    scored: list[Scored], hours: float, times: float
) -> None:
    """The least multiple of the model's own that is an event in so long a recording, or the largest."""
    model = small_model()
    model = Model(model.manifest, model.networks, 0.25)
    long = [replace(each, hours=dict.fromkeys(each.hours, hours)) for each in scored]
    assert countable_budget(model, long) == 0.25 * times


def test_a_patient_is_scored_by_the_model_that_may_judge_him() -> None:
    """The networks are those of the fold that has not seen him, not the shipped ones."""
    shipped, own = small_model(), small_model(contextual=False)
    population = shipped.networks["population"]
    other = {**own.networks, "usual": shipped.networks["usual"], "fixed": population}
    judge = Model(shipped.manifest, other)
    (patient,) = patients("a", 60.0)
    found = score(shipped, CrossFit(shipped, {"a": judge}), patient)
    assert np.array_equal(
        found.terms["fixed"].error, terms_of("fixed", population, patient).error, equal_nan=True
    )
    assert found.hours["fixed"] == pytest.approx(len(found.terms["fixed"].error) / 3600)


def test_events_are_counted_over_the_hours_behind_them(scored: list[Scored]) -> None:
    """A budget twice as large never gives fewer events."""
    model = small_model()
    rates = [
        events_per_hour(Model(model.manifest, model.networks, budget), scored[0]) for budget in (1.0, 60.0)
    ]
    assert 0 <= rates[0] <= rates[1]


def test_too_few_patients_are_an_error_of_the_data(scored: list[Scored]) -> None:
    """It says that half of them is what was too little."""
    short = small_model()
    few = [score(short, CrossFit(short), patient) for patient in patients("a", 60.0)]
    with pytest.raises(DataError, match="half of the patients are too few"):
        split(short, CrossFit(short), few, scored)
