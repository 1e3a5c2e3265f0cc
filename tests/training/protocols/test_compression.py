"""What a recording loses if its latent vectors are kept in place of its samples."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.support.databases import write_record
from tests.support.models import composed_model, small_model
from training.errors import DataError
from training.fit.architecture import Architecture
from training.measure.protocol import Request
from training.protocols.compression import PROTOCOL


def test_protocol_tells_of_beats_by_class_and_of_fixed_windows(tmp_path: Path) -> None:
    """Figures for every class that the records have, and a row each in the table."""
    for seed, name in enumerate(("100", "103")):
        write_record(tmp_path / "mitdb", name, 60, ventricular=(40, 50) if seed else (), seed=seed)
    result = PROTOCOL.run(Request(data=tmp_path, model=small_model(), records=["100", "103"]))
    groups = {each.group for each in result.figures if each.name == "prd"}
    assert groups == {"population", "population/N", "population/V", "fixed"}
    (table,) = result.tables
    assert [row[0] for row in table.rows] == ["population", "population/N", "population/V", "fixed"]
    assert set(result.details["by_record"]) == {"100", "103"}


def test_a_predictor_keeps_no_window(tmp_path: Path) -> None:
    """Its latent vector holds no window's first part, and the samples that it is given are not stored."""
    torch.set_num_threads(1)
    model = composed_model(tmp_path / "model", Architecture(encoder="dense", latent=8, ahead_s=0.2))
    with pytest.raises(DataError, match=r"population predicts a window's last 25 samples.*without --ahead"):
        PROTOCOL.run(Request(data=tmp_path, model=model))
