"""What the monitor says as beat labels and episodes, and as WFDB annotation files for other comparators."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from monitor.formats.beats import ScoredWindows
from monitor.formats.events import Event, Kind
from monitor.recordings.wfdb_records import wfdb_library
from monitor.scan.export import BEAT_SYMBOLS
from training.data.records import AAMI, Interval
from training.measure.confusion import LabelledBeats
from training.measure.evaluation import alarms

BEATS, EPISODES = "mon", "epi"  # annotator names: RECORD.mon, RECORD.epi

GATED = "Q"  # detected, but its signal could not be judged

Note = tuple[int, str, str]  # sample number, WFDB mnemonic, text


def beat_labels(windows: ScoredWindows) -> LabelledBeats:
    """Every detected beat with its AAMI class; windows: of one stream, in time order.

    An anomalous shape is V, an early beat of the usual shape S. A late one (it ends a pause or is an
    escape beat) is N, as in AAMI's map, and so is what was not flagged. Beats of a run or of a chaotic
    rhythm keep the kind of their own.
    """
    beats = np.flatnonzero(np.array(windows.kind) != "fixed")
    judged = np.isfinite(windows.score[beats])
    labels = [
        AAMI[BEAT_SYMBOLS[windows.kind[row]]] if good else GATED
        for row, good in zip(beats, judged, strict=True)
    ]
    return LabelledBeats(windows.sample[beats], np.array(labels, "U1"))


def episodes(events: Sequence[Event], *kinds: Kind) -> list[Interval]:
    """Runs and chaotic rhythms from onset to end, one after the other."""
    found = [alarm for alarm in alarms(events) if alarm.what in kinds]
    return sorted(found, key=lambda alarm: (alarm.first, alarm.last))


def write_annotations(folder: Path, name: str, windows: ScoredWindows, events: Sequence[Event]) -> None:
    """RECORD.mon with the beats, RECORD.epi with the episodes; a file without annotations is left out.

    Apart, since `bxb` passes over what a test annotator calls fibrillation: its beats would be missed.
    """
    beats = beat_labels(windows)
    _write(
        folder,
        name,
        BEATS,
        [(int(at), str(label), "") for at, label in zip(beats.sample, beats.label, strict=True)],
    )
    notes: list[Note] = []
    for each in episodes(events, Kind.RHYTHM_CHAOTIC):
        notes += [(each.first, "[", ""), (each.last, "]", "")]
    for each in episodes(events, Kind.RUN):
        notes += [(each.first, "+", "(VT"), (each.last, "+", "(N")]
    _write(folder, name, EPISODES, sorted(notes))


def _write(folder: Path, name: str, annotator: str, notes: Sequence[Note]) -> None:
    if not notes:
        return
    folder.mkdir(parents=True, exist_ok=True)
    samples, symbols, texts = zip(*notes, strict=True)
    with wfdb_library() as wfdb:
        wfdb.wrann(
            name, annotator, np.array(samples), list(symbols), aux_note=list(texts), write_dir=str(folder)
        )
