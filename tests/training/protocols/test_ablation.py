"""The model without a part: what is taken out, and only that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from monitor.adapt.usual_beat import FEATURES, HISTORY
from monitor.model.autoencoders.interface import Inputs
from monitor.model.model import Model
from monitor.model.scoring import spread_error
from monitor.model.terms import usual_terms
from tests.support.databases import write_record
from tests.support.models import small_model
from tests.support.normals import patients
from training.compare.beside import OURS
from training.data.records import read_record
from training.errors import DataError
from training.measure.protocol import Request
from training.protocols.ablation import KIND, PROTOCOL, first_lead, variants


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    """Every variant of an untrained model."""
    return variants(small_model(), patients("abcd", 300.0))


def test_history_is_taken_from_the_network_alone(models: dict[str, Model]) -> None:
    """Beats with and without a past have the same error; with the whole network they have not."""
    (patient,) = patients("a", 60.0)
    beats = patient.beats.rows(patient.beats.ready)
    for net, same in (
        (models["without history"].networks[KIND], True),
        (small_model().networks[KIND], False),
    ):
        forgotten = usual_terms(net, replace(beats, past=np.zeros_like(beats.past)))
        assert np.array_equal(usual_terms(net, beats).error, forgotten.error, equal_nan=True) == same


def test_a_flat_spread_ranks_by_squared_error(models: dict[str, Model]) -> None:
    """The likelihood is then a rising function of the squared error."""
    window = torch.linspace(0.2, 3, 9)[:, None] * torch.sin(torch.arange(104))
    usual, past = torch.zeros(9, 104), torch.zeros(9, HISTORY, FEATURES)
    net = models["without expected spread"].networks[KIND]
    out = net(Inputs(window, None, usual, past, torch.zeros(9)))
    assert out.log_spread is not None
    mean, log_spread = (each.detach().numpy() for each in (out.mean, out.log_spread))
    error, _ = spread_error(mean + window.numpy(), mean, log_spread)
    assert (np.diff(error) > 0).all()


def test_without_the_correction_the_usual_beat_is_expected(models: dict[str, Model]) -> None:
    """The mean is the input; the spread is still the network's."""
    usual = torch.randn(3, 104)
    inputs = Inputs(torch.zeros(3, 104), None, usual, torch.zeros(3, HISTORY, FEATURES), torch.zeros(3))
    out = models["without correction of the usual beat"].networks[KIND](inputs)
    whole = small_model().networks[KIND](inputs)
    assert torch.equal(out.mean, usual)
    assert out.log_spread is not None
    assert torch.equal(out.log_spread, whole.log_spread)


def test_without_rhythm_nothing_is_early(models: dict[str, Model]) -> None:
    """The rhythm's part of every verdict is nil, the shape's as before."""
    (patient,) = patients("a", 60.0)
    verdicts, whole = (
        model.judge_beats(patient.beats) for model in (models["without rhythm terms"], small_model())
    )
    assert not verdicts.rhythm.any()
    assert np.array_equal(verdicts.shape, whole.shape, equal_nan=True)


def test_one_lead_is_the_first(tmp_path: Path) -> None:
    """Same beats and labels, one signal."""
    record = read_record(write_record(tmp_path, "100", 20))
    alone = first_lead(record)
    assert [lead.name for lead in alone.recording.leads] == ["MLII"]
    assert np.array_equal(alone.recording.adc[:, 0], record.recording.adc[:, 0])
    assert np.array_equal(alone.beats, record.beats)


def test_every_part_has_its_row(tmp_path: Path) -> None:
    """The whole model comes last; a gain has an interval and no target."""
    folder = tmp_path / "mitdb"
    for seed, name in enumerate(("101", "106")):
        write_record(folder, name, 560, ventricular=(), seed=seed)
    for seed, name in enumerate(("100", "103")):
        write_record(folder, name, 60, ventricular=range(30, 60, 7), seed=seed)
    model = small_model()
    model = Model(msgspec.structs.replace(model.manifest, data={"records": ["101", "106"]}), model.networks)
    result = PROTOCOL.run(Request(data=tmp_path, model=model, records=["100", "103"]))
    names = [row["score"] for row in result.details["variants"]]
    assert len(names) == 9
    assert names[-1] == OURS
    assert all(figure.target is None and figure.met is None for figure in result.figures)
    assert "all/without-232/without-history" in {figure.group for figure in result.figures}
    with pytest.raises(DataError, match="was trained on the patients of 101"):
        PROTOCOL.run(Request(data=tmp_path, model=model, records=["101"]))


def test_a_plain_model_has_no_such_parts(tmp_path: Path) -> None:
    """Only the contextual form can be taken apart so."""
    with pytest.raises(DataError, match="not of the contextual form"):
        PROTOCOL.run(Request(data=tmp_path, model=small_model(contextual=False)))
