"""The tutorials' protocol on ECG5000, on made-up beats and on the real ones."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.support.databases import write_ecg5000
from training.data.ecg5000_beats import read_beats
from training.fit.loop import FitSettings
from training.measure.protocol import Request
from training.measure.splits import areas
from training.protocols import ecg5000
from training.protocols.ecg5000 import decisions, neighbour_scores, robust_threshold
from training.protocols.registry import evaluate, find


def test_protocol_on_made_up_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inverted beats are all told, at a threshold from normal beats that keeps most of these quiet."""
    write_ecg5000(tmp_path, 300, 40)
    monkeypatch.setattr(ecg5000, "ECG5000_FIT", FitSettings(epochs=1, batch=64))
    monkeypatch.setattr(ecg5000, "LSTM_SPLITS", 1)
    result, report = evaluate(find("ecg5000"), Request(data=tmp_path))
    values = {(each.name, each.group): each.value or 0 for each in result.figures}
    assert values["auroc", "all"] == values["sensitivity", "all"] == 1.0
    assert values["specificity", "all"] > 0.9
    assert ("accuracy", "all/plain-lstm/balanced") in values
    assert report["beats"] == {"normal": 300, "anomalous": 40}
    assert len(report["splits"][0]["values"]) == ecg5000.SPLITS


def test_odd_normal_beats_do_not_move_the_threshold() -> None:
    """Three in a hundred beats of a thousandfold score shift it by less than a fifth."""
    own = np.exp(np.random.default_rng(0).normal(0, 1, 2000))
    odd = np.concatenate([own, np.full(60, 1000.0)])
    assert robust_threshold(own) == pytest.approx(np.exp(2), rel=0.1)
    assert robust_threshold(odd) == pytest.approx(robust_threshold(own), rel=0.2)


def test_threshold_needs_scores() -> None:
    """There is no threshold without normal beats."""
    with pytest.raises(ValueError, match="need scores"):
        robust_threshold(np.zeros(0))


def test_decisions() -> None:
    """One false alarm in four, two of three anomalies found."""
    found = decisions(np.array([True, False, False, False]), np.array([True, True, False]))
    assert found["accuracy"] == pytest.approx(5 / 7)
    assert found["f1"] == pytest.approx(4 / 6)
    assert found["sensitivity"] == pytest.approx(2 / 3)
    assert found["specificity"] == 0.75


@pytest.mark.mitdb
def test_real_beats() -> None:
    """A quarter of the normal beats suffices to rank the anomalous ones (measured: 0.996)."""
    if "ECG_DATA" not in os.environ:
        pytest.skip("ECG_DATA is not set")
    beats, normal = read_beats(Path(os.environ["ECG_DATA"]))
    rows = np.flatnonzero(normal)
    assert (len(rows), len(beats)) == (2919, 5000)
    found = neighbour_scores(beats[rows[::4]], beats[rows[1::4]], beats[~normal])[""]
    assert areas(found.normal, found.anomalous)["auroc"] > 0.99
