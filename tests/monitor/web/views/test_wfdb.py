"""Strips as WFDB records, read again by the library that everybody uses."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from monitor.recordings.wfdb_records import read_wfdb, wfdb_library
from monitor.web.requests import Refused
from monitor.web.views.wfdb import record_name, wfdb_zip
from tests.support.web.judged import judged
from tests.support.web.made import START_US, chunk_value, send, store_of


def unpacked(content: bytes, folder: Path) -> list[str]:
    """Names of the files, which lie in the folder afterwards."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(folder)
        return archive.namelist()


def test_the_record_is_the_signal_that_was_sent(tmp_path: Path) -> None:
    """To the last integer, at its time."""
    made = judged()
    name, content = wfdb_zip(made.store, "p", made.at_us(3600), made.at_us(7200))
    stem = name.removesuffix(".zip")
    assert set(unpacked(content, tmp_path)) == {f"{stem}.atr", f"{stem}.dat", f"{stem}.hea"}
    found = read_wfdb(tmp_path / stem)
    assert np.array_equal(found.adc, made.recording.adc[3600:7200])
    assert [(lead.name, lead.gain, lead.zero) for lead in found.leads] == [
        (lead.name, lead.gain, lead.zero) for lead in made.recording.leads
    ]
    assert found.rate_hz == 360.0
    assert found.start_us == made.at_us(3600)


def test_annotations_are_the_beats_and_events(tmp_path: Path) -> None:
    """At the strip's own sample numbers."""
    made = judged()
    name, content = wfdb_zip(made.store, "p", made.at_us(18_000), made.at_us(28_800))
    unpacked(content, tmp_path)
    with wfdb_library() as wfdb:
        labels = wfdb.rdann(str(tmp_path / name.removesuffix(".zip")), "atr")
    windows = made.windows
    inside = (windows.sample >= 18_000) & (windows.sample < 28_800)
    beats = [i for i in np.flatnonzero(inside) if windows.kind[i] != "fixed"]
    assert [s for s, symbol in zip(labels.sample, labels.symbol, strict=True) if symbol in "NVSn"] == [
        windows.sample[i] - 18_000 for i in beats if windows.quality[i] == "good"
    ]
    assert labels.symbol.count("V") == sum(windows.kind[i] == "beat.morphology" for i in beats) > 0


def test_what_was_not_measured_is_so_in_the_record(tmp_path: Path) -> None:
    """And a strip of which nothing is said has no annotations."""
    store = store_of(2)
    send(store, chunk_value(3))
    name, content = wfdb_zip(store, "a", START_US, START_US + 4_000_000)
    assert len(unpacked(content, tmp_path)) == 2
    found = read_wfdb(tmp_path / name.removesuffix(".zip"))
    assert len(found) == 1000
    assert not found.valid[500:750].any()
    assert found.valid[:500].all()


@pytest.mark.parametrize(("stream", "name"), [("a", "a"), ("ward 3/bed.2", "ward_3_bed_2"), ("é", "_")])
def test_a_record_has_a_name_that_wfdb_takes(stream: str, name: str) -> None:
    """And that says when it begins."""
    assert record_name(stream, START_US) == f"{name}_20231114T221320Z"


def test_no_signal_no_record() -> None:
    """The answer says so."""
    with pytest.raises(Refused, match="no signal"):
        wfdb_zip(store_of(2), "a", START_US + 5_000_000, START_US + 6_000_000)
