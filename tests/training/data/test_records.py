"""Annotated records, and which of them may be trained on."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from monitor.recordings.synthetic import synthetic_ecg
from monitor.recordings.wfdb_records import BEAT_SYMBOLS
from tests.support.databases import write_record
from tests.support.models import recording_of
from training.data import records
from training.data.records import AAMI, DS1, DS2, PACED, TRAINING, annotated, label_beats, read_record
from training.errors import DataError

RATE = 360


@pytest.fixture(scope="module")
def mitdb() -> Path:
    """The unpacked database."""
    if "ECG_DATA" not in os.environ:
        pytest.skip("ECG_DATA is not set")
    return Path(os.environ["ECG_DATA"]) / "mitdb"


def _record(*notes: tuple[float, str, str], seconds: float = 30) -> records.AnnotatedRecord:
    samples = [(round(at_s * RATE), symbol, note) for at_s, symbol, note in notes]
    return annotated(recording_of(synthetic_ecg(seconds, rate_hz=RATE)), samples)


def test_nothing_trains_on_a_test_patient() -> None:
    """Neither DS2, nor 201 (the man of 202), nor the demo's 208, nor paced records are trained on."""
    assert not set(TRAINING) & {*DS2, *PACED, "201", "208"}
    assert set(TRAINING) == set(DS1) - {"201", "208"}


def test_split_covers_the_database() -> None:
    """22 records each, none in both, and with the paced ones all 48."""
    assert (len(set(DS1)), len(set(DS2)), len({*DS1, *DS2, *PACED})) == (22, 22, 48)


@pytest.mark.parametrize(
    ("symbols", "group"), [("NLRejnB", "N"), ("AaJS", "S"), ("VEr", "V"), ("F", "F"), ("/fQ?", "Q")]
)
def test_every_beat_symbol_has_its_class(symbols: str, group: str) -> None:
    """AAMI's map, and the symbols that other databases use."""
    assert {AAMI[symbol] for symbol in symbols} == {group}


def test_no_beat_symbol_is_without_a_class() -> None:
    """Whatever WFDB calls a beat is in the map, and nothing else is."""
    assert set(AAMI) == BEAT_SYMBOLS


def test_beats_rhythms_flutter_and_pauses() -> None:
    """Each kind of annotation comes out as what it is; notes that are no beats don't count as beats."""
    record = _record(
        (0.1, "+", "(N\x00"), (1, "N", ""), (2, "V", ""), (5, "j", ""), (5.5, "~", ""), (6, "+", "(VFL\x00"),
        (6, "[", ""), (6.5, "!", ""), (12, "]", ""), (12.1, "+", "(N\x00"), (13, "A", ""),
    )  # fmt: skip
    assert record.symbols == ("N", "V", "j", "A")
    assert record.labels.tolist() == ["N", "V", "N", "S"]
    assert record.normal_r.tolist() == [RATE, 5 * RATE]
    assert record.flutter_bounds.tolist() == [[6 * RATE, 12 * RATE]]
    assert [(p.first, p.last) for p in record.pauses] == [(2 * RATE, 5 * RATE)]
    assert [(r.what, r.last) for r in record.rhythms] == [
        ("N", 6 * RATE - 1), ("VFL", round(12.1 * RATE) - 1), ("N", 30 * RATE - 1),
    ]  # fmt: skip


def test_flutter_may_outlast_the_recording() -> None:
    """Without its end mark an episode goes on to the last sample."""
    assert _record((20, "[", "")).flutter_bounds.tolist() == [[20 * RATE, 30 * RATE - 1]]


def test_detections_get_their_beats_labels() -> None:
    """A detection within 150 ms is the beat; others are extra, or flutter; the rest was missed."""
    record = _record((1, "N", ""), (2, "V", ""), (3, "S", ""), (5, "[", ""), (8, "]", ""))
    at_s = np.array([6.0, 2.1, 1.05, 4.0])
    found = label_beats(record, np.rint(at_s * RATE).astype(np.int64))
    assert found.labels.tolist() == ["flutter", "V", "N", "extra"]
    assert found.reference.tolist() == [-1, 1, 0, -1]
    assert found.missed.tolist() == [2]


def test_record_without_annotations_is_refused(tmp_path: Path) -> None:
    """The error says which file is missing."""
    path = write_record(tmp_path / "mitdb", "made")
    path.with_suffix(".atr").unlink()
    with pytest.raises(DataError, match=r"made\.atr: no such annotations"):
        read_record(path)
    path.with_suffix(".atr").write_bytes(b"\x01")
    with pytest.raises(DataError, match="not readable"):
        read_record(path)


def test_normal_records_hold_no_other_beats(tmp_path: Path) -> None:
    """What goes into training has the normal beats' places, and no label."""
    beats = read_record(write_record(tmp_path / "mitdb", "made"))
    (record,) = records.normal_records(tmp_path, ["made"])
    assert record.normal_r.tolist() == beats.beats[1:].tolist()
    assert record.ecg_mv.shape == (10 * RATE, 2)


def test_database_is_found_by_its_name(tmp_path: Path) -> None:
    """DATA/mitdb, or the folder mitdb itself; what is not there is said."""
    folder = write_record(tmp_path / "mitdb", "made").parent
    assert records.database(tmp_path, "mitdb") == records.database(folder, "mitdb") == folder
    assert records.record_names(folder) == ["made"]
    with pytest.raises(DataError, match="no record 999"):
        records.record_names(folder, ["999"])
    with pytest.raises(DataError, match="ecg-train data nstdb"):
        records.database(folder, "nstdb")


def test_a_man_with_two_records_is_one_patient() -> None:
    """A model that was trained on 201 has seen the patient of 202."""
    assert records.seen_in_training(["100", "202"], ["101", "201"]) == ["202"]
    assert records.seen_in_training(DS2, TRAINING) == []


def test_records_with_noise_are_their_patients() -> None:
    """The noise stress test's records are MIT-BIH's 118 and 119; other names stand for themselves."""
    assert records.seen_in_training(["118e24", "119e_6", "100"], TRAINING) == ["118e24", "119e_6"]
    assert [records.patient_of(name) for name in ("118e_6", "e0103", "sel100")] == ["118", "e0103", "sel100"]


@pytest.mark.mitdb
def test_class_counts_of_the_test_set(mitdb: Path) -> None:
    """DS2 has the class counts that the literature names."""
    labels = np.concatenate([read_record(mitdb / name).labels for name in DS2])
    counts = dict(zip(*np.unique(labels, return_counts=True), strict=True))
    assert counts == {"N": 44259, "S": 1837, "V": 3221, "F": 388, "Q": 7}


@pytest.mark.mitdb
def test_flutter_and_pauses_of_the_database(mitdb: Path) -> None:
    """207 has six episodes of ventricular flutter, 232 its long pauses."""
    assert len(read_record(mitdb / "207").flutter) == 6
    assert len(read_record(mitdb / "232").pauses) == 116
