"""Scans: what is found, and the files that tell of it."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from monitor.errors import RecordingError
from monitor.formats.events import Kind, Phase
from monitor.recordings.wfdb_records import Annotations, read_beats, wfdb_library
from monitor.scan.export import BEAT_COLUMNS, BEAT_SYMBOLS, report, write_annotations, write_beats
from monitor.scan.scan import ScanResult, scan
from monitor.scan.terminal import clock, print_scan
from tests.support.project import ROOT
from tests.support.scan_fakes import BEATS, ODD, RATE_HZ, FakeDetector, fake_event, fake_recording, windows_at


@pytest.fixture
def result() -> ScanResult:
    """A scan of the fake recording: six beats, one of them odd."""
    return scan(fake_recording(), FakeDetector())


def _labels() -> Annotations:
    return Annotations(np.array(BEATS, np.int64), tuple("V" if beat == ODD else "N" for beat in BEATS))


def test_everything_is_fed_in_order() -> None:
    """The detector gets each sample once and is told of the end; progress adds up."""
    detector, told = FakeDetector(), list[int]()
    result = scan(fake_recording(), detector, chunk_s=0.7, progress=told.append)
    assert sum(detector.sizes) == len(fake_recording()) == sum(told)
    assert result.windows.sample.tolist() == list(BEATS)
    assert [event.r_peak_sample for event in result.events] == [ODD]
    assert result.counts["beats"] == len(BEATS)


def test_beats_csv(result: ScanResult, tmp_path: Path) -> None:
    """One row a window, in the documented columns; a gated window has no score."""
    result.windows.score[1] = result.windows.p_value[1] = np.nan
    write_beats(result, tmp_path / "beats.csv")
    rows = list(csv.DictReader(StringIO((tmp_path / "beats.csv").read_text())))
    assert tuple(rows[0]) == BEAT_COLUMNS
    assert [int(row["sample"]) for row in rows] == list(BEATS)
    assert float(rows[2]["time_s"]) == ODD / RATE_HZ
    assert [row["anomalous"] for row in rows] == ["0", "0", "1", "0", "0", "0"]
    assert rows[1]["p_value"] == rows[1]["score"] == ""


def test_json_report(result: ScanResult) -> None:
    """Figures in the common form, and the events with their time in the recording."""
    plain = json.loads(json.dumps(report(result, _labels())))
    figures = {(each["name"], each["group"]): each["value"] for each in plain["figures"]}
    assert figures["sensitivity", "V"] == 1.0
    assert figures["false_beats", "N"] == 0.0
    assert plain["events"][0]["time_s"] == ODD / RATE_HZ
    assert plain["events"][0]["kind"] == "beat.morphology"
    assert plain["recording"]["leads"] == ["II"]


def test_annotations_are_read_by_wfdb(result: ScanResult, tmp_path: Path) -> None:
    """Each beat is there with its symbol, and what was found in the aux note."""
    path = write_annotations(result, tmp_path / "rec", "ecgm")
    with wfdb_library() as wfdb:
        read = wfdb.rdann(str(tmp_path / "rec"), "ecgm")
    assert path == tmp_path / "rec.ecgm"
    assert read.sample.tolist() == list(BEATS)
    assert read.symbol == ["N", "N", "V", "N", "N", "N"]
    assert read.aux_note[2].rstrip("\0") == "beat.morphology p=1e-06"
    assert read.fs == RATE_HZ
    beats = read_beats(tmp_path / "rec", "ecgm")
    assert beats is not None
    assert len(beats) == 6


def test_episodes_and_poor_signal_are_annotated(result: ScanResult, tmp_path: Path) -> None:
    """Flutter has its brackets, technical findings a tilde, an unreadable beat a Q."""
    result.windows.p_value[0] = np.nan
    result.events[:] = [
        fake_event(800, kind=Kind.RHYTHM_CHAOTIC, phase=Phase.ONSET),
        fake_event(800, kind=Kind.RHYTHM_CHAOTIC, phase=Phase.END, last_sample=1400),
        fake_event(1600, kind=Kind.SIGNAL_LOST, why="flat line"),
    ]
    write_annotations(result, tmp_path / "night.edf", "ecgm")
    with wfdb_library() as wfdb:
        read = wfdb.rdann(str(tmp_path / "night"), "ecgm")
    found = dict(zip(read.sample.tolist(), read.symbol, strict=True))
    assert (found[250], found[800], found[1400], found[1600]) == ("Q", "[", "]", "~")


@pytest.mark.parametrize("extension", ["atr", "dat", "x1", "", "../x"])
def test_annotations_never_overwrite_the_recording(
    result: ScanResult, tmp_path: Path, extension: str
) -> None:
    """Reference labels, signals and odd extensions are refused."""
    with pytest.raises(RecordingError, match="wanted letters"):
        write_annotations(result, tmp_path / "rec", extension)


def test_a_folder_that_cannot_be_written_is_told(result: ScanResult, tmp_path: Path) -> None:
    """Databases are often read-only."""
    with pytest.raises(RecordingError, match="cannot write annotations"):
        write_annotations(result, tmp_path / "none" / "rec", "ecgm")


def test_nothing_to_annotate(tmp_path: Path) -> None:
    """A recording without beats and events gives no file, and says so."""
    empty = ScanResult(
        fake_recording(), [], windows_at([]), scan(fake_recording(), FakeDetector()).counts, 1.0
    )
    with pytest.raises(RecordingError, match="nothing to annotate"):
        write_annotations(empty, tmp_path / "rec", "ecgm")


def test_the_table_names_events_and_classes(result: ScanResult) -> None:
    """People see when, what and why, and found against annotated."""
    out = StringIO()
    print_scan(Console(file=out, width=120), result, _labels())
    text = out.getvalue()
    assert "0:03.00" in text
    assert "beat.morphology" in text
    assert "Found against annotated" in text
    assert "6 beats, 1 of 6 windows anomalous" in text


def test_many_events_are_cut(result: ScanResult) -> None:
    """A long night's table ends with how much more there is."""
    result.events[:] = [fake_event(sample) for sample in range(250, 1750, 25)]
    out = StringIO()
    print_scan(Console(file=out, width=120), result, None)
    assert "20 more" in out.getvalue()


def test_updates_of_an_episode_are_not_rows(result: ScanResult) -> None:
    """A long episode is its beginning and its end, at their times."""
    result.events[:] = [fake_event(250, kind=Kind.RUN, phase=phase, last_sample=1500) for phase in Phase]
    out = StringIO()
    print_scan(Console(file=out, width=120), result, None)
    assert "run update" not in out.getvalue()
    assert "0:06.00 │ run end" in out.getvalue()


def test_clock() -> None:
    """Hours appear where there are any."""
    assert (clock(7.254), clock(59.999), clock(3753.1)) == ("0:07.25", "1:00.00", "1:02:33.10")


def _rows(head: str) -> list[list[str]]:
    """Cells of the table in docs/recordings.md that begins with this row, back-ticks removed."""
    text = (ROOT / "docs" / "recordings.md").read_text()
    lines = text[text.index(head) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in lines]


def test_documented_columns_are_those_written() -> None:
    """The page names each column of --beats in its order."""
    assert tuple(row[0] for row in _rows("| column | what |")) == BEAT_COLUMNS


def test_documented_symbols_are_those_written() -> None:
    """The page's table of symbols is the code's."""
    assert {row[0]: row[1] for row in _rows("| kind | symbol |")} == BEAT_SYMBOLS
