"""BeatGAN's protocol, on made-up ECG and on real records."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monitor.formats.chunks import Lead
from monitor.recordings.synthetic import synthetic_ecg
from tests.support.databases import write_record
from tests.support.models import recording_of
from training.data.beatgan_beats import FOLDS, LEFT, RIGHT, CutBeats, cut_beats, folds, min_max
from training.data.records import AnnotatedRecord, annotated, read_record
from training.errors import DataError
from training.fit.loop import FitSettings
from training.measure.protocol import Request
from training.measure.splits import areas
from training.protocols import beatgan
from training.protocols.beatgan import neighbour_scores
from training.protocols.registry import evaluate, find


def _record(*notes: tuple[int, str], leads: tuple[str, ...] = ("V5", "MLII")) -> AnnotatedRecord:
    ecg = recording_of(synthetic_ecg(10, rate_hz=360, leads=2))
    names = tuple(Lead(name=name, gain=1000.0) for name in leads)
    return annotated(replace(ecg, leads=names), [(at, symbol, "") for at, symbol in notes])


def test_beats_are_cut_as_theirs() -> None:
    """140 samples before the annotation to 180 after, on MLII wherever it is, as far as the signal goes."""
    record = _record((139, "N"), (140, "L"), (1000, "e"), (2000, "E"), (2500, "?"), (3419, "f"), (3420, "N"))
    cut = cut_beats(record)
    assert cut.group.tolist() == ["N", "S", "V", "Q"]
    assert cut.beat_mv.shape == (4, LEFT + RIGHT)
    other = cut_beats(
        replace(
            record, recording=replace(record.recording, adc=record.recording.adc * np.array([0, 1], np.int16))
        )
    )
    assert np.array_equal(cut.beat_mv, other.beat_mv)


def test_filter_takes_out_the_baseline() -> None:
    """A steady offset and slow wander are gone, the QRS complex stays."""
    record = _record((1000, "N"))
    wander = (300 * np.sin(np.arange(3600) / 360)[:, None] + 500).astype(np.int16)
    moved = replace(record, recording=replace(record.recording, adc=record.recording.adc + wander))
    assert np.abs(cut_beats(moved).beat_mv - cut_beats(record).beat_mv).max() < 0.04  # of 0.3 mV
    assert np.ptp(cut_beats(record).beat_mv) > 0.3


@pytest.mark.parametrize(("leads", "rate_hz"), [(("V1", "V5"), 360.0), (("MLII", "V5"), 250.0)])
def test_other_leads_and_rates_are_refused(leads: tuple[str, str], rate_hz: float) -> None:
    """The 320 samples mean something on MLII at 360 Hz alone."""
    record = _record((1000, "N"), leads=leads)
    with pytest.raises(DataError, match="wanted MLII at 360 Hz"):
        cut_beats(replace(record, recording=replace(record.recording, rate_hz=rate_hz)))


def test_every_normal_beat_is_tested_once() -> None:
    """The folds part the normal beats; no anomalous beat is ever trained on."""
    group = np.array(["N"] * 50 + ["V"] * 9)
    parts = list(folds(group))
    assert len(parts) == FOLDS
    assert sorted(np.concatenate([tested for _, tested in parts])) == list(range(50))
    for train, tested in parts:
        assert not set(train.tolist()) & set(tested.tolist())
        assert (group[train] == "N").all()
        assert len(train) + len(tested) == 50


def test_beats_from_minus_one_to_one() -> None:
    """Whatever the gain; a flat line stays one."""
    scaled = min_max(np.array([[0, 5, 10], [2, 2, 2]], np.float32))
    assert scaled.tolist() == [[-1, 0, 1], [-1, -1, -1]]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that is trained in a second."""
    monkeypatch.setattr(beatgan, "LSTM_FIT", FitSettings(epochs=1, batch=32))


@pytest.mark.usefixtures("short")
def test_protocol_on_made_up_records(tmp_path: Path) -> None:
    """Wide beats are told from narrow ones by every neighbour score; paced records are left out."""
    for seed, name in enumerate(("100", "102", "119")):
        write_record(tmp_path / "mitdb", name, 150, ventricular=range(5, 120, 9), seed=seed)
    result, report = evaluate(find("beatgan"), Request(data=tmp_path))
    values = {(each.name, each.group): each.value or 0 for each in result.figures}
    assert values["auroc", "all"] > 0.99
    assert values["auroc", "all/nearest"] > 0.99
    assert values["auroc", "V"] == values["auroc", "all"]
    assert ("auroc", "all/plain-lstm") in values
    assert report["beats"]["V"] < 30
    assert len(report["folds"][0]["values"]) == FOLDS
    assert report["model"] is None


def test_too_few_beats(tmp_path: Path) -> None:
    """There is nothing to learn from in ten seconds."""
    write_record(tmp_path / "mitdb", "100", 10)
    with pytest.raises(DataError, match="too few"):
        evaluate(find("beatgan"), Request(data=tmp_path))


@pytest.mark.mitdb
def test_real_beats_of_one_patient() -> None:
    """Record 223, 473 V and 89 S beats: the neighbours' own spread tells more (measured: 0.995 and 0.984)."""
    if "ECG_DATA" not in os.environ:
        pytest.skip("ECG_DATA is not set")
    beats = cut_beats(read_record(Path(os.environ["ECG_DATA"]) / "mitdb" / "223"))
    scores = _scores(beats)
    assert scores[""] > 0.99
    assert scores[""] > scores["/nearest"] + 0.005


def _scores(beats: CutBeats) -> dict[str, float]:
    train, normal = next(folds(beats.group))
    tested = np.concatenate([normal, np.flatnonzero(beats.group != "N")])
    scores = neighbour_scores(beats.beat_mv[train], beats.beat_mv[tested])
    strange = beats.group[tested] != "N"
    return {name: areas(score[~strange], score[strange])["auroc"] for name, score in scores.items()}
