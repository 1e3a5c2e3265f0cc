"""What the monitor says as labels, episodes and annotation files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from monitor.formats.events import Kind, Phase
from monitor.recordings.wfdb_records import wfdb_library
from tests.support.scan_fakes import fake_event, windows_at
from training.measure.annotations import BEATS, EPISODES, beat_labels, episodes, write_annotations

KINDS = ["beat", "fixed", "beat.morphology", "beat.early", "beat.late", "beat"]
WINDOWS = replace(
    windows_at([100, 150, 200, 300, 400, 500]),
    kind=KINDS,
    score=np.array([1, 1, 5, 5, 5, np.nan], np.float32),
)
EVENTS = [
    fake_event(900, Kind.RUN, phase=Phase.ONSET, first_sample=600, last_sample=900),
    fake_event(600, Kind.RUN, phase=Phase.END, first_sample=600, last_sample=1200),
    fake_event(2000, Kind.RHYTHM_CHAOTIC, phase=Phase.ONSET, first_sample=2000, last_sample=2500),
    fake_event(200),
]


def test_kinds_become_classes() -> None:
    """Shape is V, early is S, late and unflagged are N, gated is Q; fixed windows are no beats."""
    beats = beat_labels(WINDOWS)
    assert beats.sample.tolist() == [100, 200, 300, 400, 500]
    assert "".join(beats.label) == "NVSNQ"


def test_episodes_last_from_onset_to_end() -> None:
    """Only those of the kinds asked for, once each."""
    assert [(each.first, each.last) for each in episodes(EVENTS, Kind.RUN)] == [(600, 1200)]
    both = episodes(EVENTS, Kind.RHYTHM_CHAOTIC, Kind.RUN)
    assert [each.what for each in both] == ["run", "rhythm.chaotic"]


def test_files_are_read_back(tmp_path: Path) -> None:
    """Beats in one file, episodes as fibrillation marks and rhythms in another one."""
    write_annotations(tmp_path / "new", "100", WINDOWS, EVENTS)
    with wfdb_library() as wfdb:
        beats = wfdb.rdann(str(tmp_path / "new" / "100"), BEATS)
        rhythms = wfdb.rdann(str(tmp_path / "new" / "100"), EPISODES)
    assert beats.sample.tolist() == [100, 200, 300, 400, 500]
    assert "".join(beats.symbol) == "NVSNQ"
    assert list(zip(rhythms.sample.tolist(), rhythms.symbol, rhythms.aux_note, strict=True)) == [
        (600, "+", "(VT"),
        (1200, "+", "(N"),
        (2000, "[", ""),
        (2500, "]", ""),
    ]


def test_nothing_found_writes_nothing(tmp_path: Path) -> None:
    """WFDB has no annotation file without annotations."""
    write_annotations(tmp_path / "new", "100", windows_at([]), [])
    assert not (tmp_path / "new").exists()
