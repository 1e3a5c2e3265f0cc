"""A logistic regression on latent vectors, beside the unsupervised score."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from monitor.model.model import Model
from tests.support.databases import write_record
from tests.support.models import small_model
from training.errors import DataError
from training.measure.protocol import Request
from training.protocols.latents import FEATURES, PROTOCOL, Beats, fit_regression, latent, latent_of_patient


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mitdb with a record of DS1 and three of DS2; ventricular beats in all but 103."""
    folder = tmp_path_factory.mktemp("data")
    for seed, name in enumerate(("101", "100", "103", "232")):
        odd = () if name == "103" else range(40, 60, 4)
        write_record(folder / "mitdb", name, 60, ventricular=odd, seed=seed)
    return folder


def _beats(n: int = 40) -> Beats:
    """Two recordings whose vectors differ by an offset; every fourth beat is ventricular and lies apart."""
    rng = np.random.default_rng(0)
    odd = np.arange(n) % 4 == 0
    stream = np.where(np.arange(n) < n // 2, "a", "b")
    vectors = (
        rng.normal(size=(n, 2))
        + np.where(odd, 4.0, 0.0)[:, None]
        + np.where(stream == "b", 100.0, 0.0)[:, None]
    )
    label = np.where(odd, "V", "N")
    return Beats(vectors.astype(np.float32), np.ones(n, np.float32), label, stream)


def test_labels_teach_what_is_not_normal(data: Path) -> None:
    """The regression ranks ventricular beats above normal ones, on other patients than it learned from."""
    result = PROTOCOL.run(Request(data=data, model=small_model(), records=["101", "100", "103"]))
    area = {each.group: each.value for each in result.figures if each.name == "auroc"}
    assert {f"V/{name}" for name in ("score", *FEATURES)} <= set(area)
    assert (area["V/latent"] or 0) > 0.95
    (table,) = result.tables
    assert [row[0] for row in table.rows] == ["score", *FEATURES]


def test_the_odd_one_is_also_left_out(data: Path) -> None:
    """As in inter-patient, record 232 has most of all S beats, and they are its regular rhythm."""
    result = PROTOCOL.run(Request(data=data, model=small_model(), records=["101", "100", "232"]))
    assert {"V/score", "V/without-232/score"} <= {each.group for each in result.figures}
    assert [len(table.rows) for table in result.tables] == [1 + len(FEATURES)] * 2


def test_patients_differ() -> None:
    """What is far from its own recording's median is told apart whatever the recording's own place is."""
    beats = _beats()
    vectors = latent_of_patient(beats)
    assert np.array_equal(vectors[:, :2], latent(beats))
    assert np.abs(np.median(vectors[20:, 2:], axis=0)).max() < 1e-5
    labels = beats.label != "N"
    score = fit_regression(beats, latent_of_patient).predict_proba(vectors)[:, 1]
    assert score[labels].min() > score[~labels].max()


def test_one_class_teaches_nothing() -> None:
    """Normal beats alone, and records of one half of the split alone, are refused."""
    beats = _beats()
    only = Beats(beats.latent[1:4], beats.score[1:4], beats.label[1:4], beats.owner[1:4])
    with pytest.raises(DataError, match="of 3 labelled beats 0 are not normal"):
        fit_regression(only, latent)


def test_both_halves_of_the_split_are_needed(data: Path) -> None:
    """Trained and judged on the same patients, a regression would look better than it is."""
    with pytest.raises(DataError, match="of DS1 and of DS2"):
        PROTOCOL.run(Request(data=data, model=small_model(), records=["100"]))


def test_a_model_of_the_test_patients_is_refused(data: Path) -> None:
    """As in inter-patient: a patient that the networks have seen tests nothing."""
    small = small_model()
    manifest = msgspec.structs.replace(small.manifest, data={"records": ["100"]})
    with pytest.raises(DataError, match="was trained on the patients of 100"):
        PROTOCOL.run(Request(data=data, model=Model(manifest, small.networks), records=["101", "100"]))
