"""What a request reads, and by whom it lets records be judged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from monitor.model.model import Model
from tests.support.databases import write_record
from tests.support.models import small_model
from tests.support.moved import Moved
from training.errors import DataError
from training.fit.crossfit import CrossFit
from training.measure.protocol import Request
from training.progress import Advance


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two records of 20 s."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("100", "101"):
        write_record(folder / "mitdb", name, 20)
    return folder


class Bars:
    """Remembers every bar: what it was of, how much in all, and how it was moved."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, float, Moved]] = []

    @contextmanager
    def __call__(self, what: str, total: float) -> Iterator[Advance]:
        """One more."""
        self.seen.append((what, total, Moved()))
        yield self.seen[-1][2]


def trained_on(*names: str) -> Model:
    """A model that says so."""
    model = small_model()
    return Model(msgspec.structs.replace(model.manifest, data={"records": list(names)}), model.networks)


def test_records_asked_for_come_before_the_protocols_own(data: Path) -> None:
    """Those of the database where neither names any; one that is not there is an error."""
    assert Request(data=data, records=["101"]).names(["100"]) == ["101"]
    assert Request(data=data).names(["100"]) == ["100"]
    assert Request(data=data).names() == ["100", "101"]
    with pytest.raises(DataError, match="no record 999"):
        Request(data=data, records=["999"]).names()


def test_the_bar_moves_on_when_a_record_is_worked_off(data: Path) -> None:
    """Not when it has been read."""
    bars = Bars()
    records = Request(data=data, bar=bars).each(["100", "101"], what="cutting")
    assert next(records).name == "100"
    ((what, total, moved),) = bars.seen
    assert (what, total, moved.amounts) == ("cutting", 2, [])
    assert [record.name for record in records] == ["101"]
    assert moved.amounts == [1, 1]


def test_a_patient_of_the_training_is_no_test(data: Path) -> None:
    """The error names the record; without one the model is given."""
    request = Request(data=data, model=trained_on("101"))
    assert request.unseen(["100"]) is request.model
    with pytest.raises(DataError, match="trained on the patients of 101: no test of it"):
        request.unseen(["100", "101"])


def test_records_come_by_the_model_that_may_judge_them(data: Path) -> None:
    """Read, with a bar over their seconds."""
    bars, own, other = Bars(), trained_on(), trained_on("101")
    request = Request(data=data, model=own, bar=bars)
    other.version = "another"
    found = list(request.by_model(CrossFit(own, {"101": other}), ["100", "101"], "scores"))
    assert [(model.version, [record.name for record in records]) for model, records, _ in found] == [
        (own.version, ["100"]),
        ("another", ["101"]),
    ]
    totals = [round(total) for what, total, _ in bars.seen if what == "scores"]
    assert totals == [20, 20]
