"""Achieved over nominal rates over many splits: the figures and what they are held against."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from monitor.model.model import Model
from tests.support.databases import write_record
from tests.support.models import small_model
from training.errors import DataError
from training.fit.calibration_splits import BUDGETS
from training.fit.crossfit import CrossFit
from training.measure.protocol import Request
from training.protocols import calibration
from training.protocols.calibration import PROTOCOL, factor


@pytest.mark.parametrize(("ratio", "off"), [(1, 1), (2, 2), (0.5, 2), (0, 1000)])
def test_too_bold_and_too_timid_are_equally_wrong(ratio: float, off: float) -> None:
    """Twice and half are both off by 2; nothing at all is far off, but finite."""
    assert factor(ratio) == pytest.approx(off)


def _model(records: object) -> Model:
    model = small_model()
    return Model(msgspec.structs.replace(model.manifest, data={"records": records}), model.networks)


def test_a_model_without_training_records_is_refused(tmp_path: Path) -> None:
    """There is nobody to split."""
    with pytest.raises(DataError, match="names no training records"):
        PROTOCOL.run(Request(data=tmp_path, model=_model("made up")))


def test_every_group_has_its_spread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Median, quartiles and distance from 1 of each rate; targets where the issue set them."""
    names = ["101", "106", "108", "109"]
    for seed, name in enumerate(names):
        write_record(tmp_path / "mitdb", name, 330, ventricular=range(50, 300, 40), seed=seed)
    model = _model(names)
    monkeypatch.setattr(calibration, "SPLITS", 3)
    monkeypatch.setattr(Request, "cross_fitted", lambda request, some: CrossFit(model))
    result = PROTOCOL.run(Request(data=tmp_path, model=model))
    figures = {(each.name, each.group): each for each in result.figures}
    middle = figures["achieved_over_nominal", "beats/0.01"]
    found = [each["pooled"]["beats/0.01"] for each in result.details["splits"]]
    assert middle.value == pytest.approx(np.median(found), abs=1e-4)
    assert middle.low is not None
    assert middle.high is not None
    assert middle.low <= (middle.value or 0) <= middle.high
    wanted = {group: each.target for (name, group), each in figures.items() if name == "calibration_factor"}
    assert (wanted["fixed/0.001"], wanted["beats/0.1/median-patient"]) == (1.5, None)
    most = model.budget_per_hour * max(BUDGETS)  # five minutes hold no event of any smaller budget
    assert wanted[f"events/{most:g}/median-patient"] == 2.0
    assert figures["splits_within_2", "fixed/0.01"].target == 0.5
    spread, by_patient = result.tables
    assert len(spread.rows) == 2 * (2 * 5 + len(BUDGETS))
    assert {row[0] for row in by_patient.rows} <= set(names)
