"""Annotated recordings: MIT-BIH's and others' beat labels, who may be trained on, and who may not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitor.recordings.recording import Recording
from monitor.recordings.wfdb_records import BEAT_SYMBOLS, read_wfdb, wfdb_library
from monitor.scan import comparison
from monitor.scan.matching import TOLERANCE_S, match_beats, tolerance_samples
from training.data.normals import NormalRecord
from training.errors import DataError

# AAMI's five classes by WFDB mnemonic (ANSI/AAMI EC57 table 3); B (bundle branch block, either side)
# and n (supraventricular escape, as e and j are) are N's, r (R-on-T) V's, ? (unclassified) Q's.
AAMI = {**comparison.AAMI, "/": "Q", "f": "Q", "Q": "Q", "?": "Q"}
CLASSES = ("N", "S", "V", "F", "Q")
EXTRA, IN_FLUTTER = "extra", "flutter"  # labels of detections that are no annotated beat

# The split of de Chazal, O'Dwyer & Reilly 2004: no patient is in both, but for 201 and 202.
DS1 = (
    "101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122",
    "124", "201", "203", "205", "207", "208", "209", "215", "220", "223", "230",
)  # fmt: skip
DS2 = (
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210",
    "212", "213", "214", "219", "221", "222", "228", "231", "232", "233", "234",
)  # fmt: skip
# EC57 leaves paced recordings out: a pacemaker's spike is no heartbeat.
PACED = ("102", "104", "107", "217")
NOISE = ("bw", "em", "ma")  # of the noise stress test: noise alone, without beats
SAME_MAN = "201"  # he is also 202, a test record, says the database's directory
_SAME_PATIENT = {SAME_MAN: "202"}
_NOISY = re.compile(r"(?<=^\d{3})e[_\d]\d$")  # 118e24, 119e_6: MIT-BIH's 118 and 119 with noise added
DEMO = "208"  # the demo's patient must be new to the model that ships
TRAINING = tuple(name for name in DS1 if name not in (SAME_MAN, DEMO))

PAUSE_S = 2.0  # without a beat; Holter practice
_RHYTHM, _FLUTTER_ON, _FLUTTER_OFF = "+", "[", "]"


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of a recording, both ends included, in sample numbers."""

    first: int
    last: int
    what: str  # a rhythm's code ("N", "AFIB", "VFL", ...), or "pause"


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedRecord:
    """A recording with its reference beats and rhythms. n beats, in time order."""

    name: str
    recording: Recording
    beats: NDArray[np.int64]  # (n,) sample numbers
    symbols: tuple[str, ...]  # WFDB mnemonics
    labels: NDArray[np.str_]  # (n,) AAMI classes
    rhythms: tuple[Interval, ...]  # as annotated, one after the other
    flutter: tuple[Interval, ...]  # ventricular flutter and fibrillation, from '[' to ']'
    pauses: tuple[Interval, ...]  # RR intervals above PAUSE_S

    @property
    def flutter_bounds(self) -> NDArray[np.int64]:
        """(n_intervals, 2) first and last sample of each flutter."""
        return np.array([(each.first, each.last) for each in self.flutter], np.int64).reshape(-1, 2)

    @property
    def normal_r(self) -> NDArray[np.int64]:
        """R peaks of the normal beats: all that training may know of the labels."""
        normal: NDArray[np.int64] = self.beats[self.labels == "N"]
        return normal


@dataclass(frozen=True, slots=True, eq=False)
class BeatLabels:
    """What detected beats are. n detections, in the order given."""

    labels: NDArray[np.str_]  # (n,) an AAMI class, EXTRA, or IN_FLUTTER
    reference: NDArray[np.int64]  # (n,) index of the reference beat; -1 = none
    missed: NDArray[np.int64]  # (n_missed,) indices of reference beats that nobody detected


def read_record(path: Path, extension: str = "atr", leads: Sequence[str] = ()) -> AnnotatedRecord:
    """A WFDB record with its reference annotations; raises DataError if there are none."""
    recording = read_wfdb(path, leads)
    if not Path(f"{path}.{extension}").is_file():
        raise DataError(f"{path}.{extension}: no such annotations; ecg-train data fetches them")
    try:
        with wfdb_library() as wfdb:
            notes = wfdb.rdann(str(path), extension)
    except (OSError, ValueError, IndexError, KeyError) as exc:
        raise DataError(f"{path}.{extension}: not readable as WFDB annotations: {exc}") from exc
    return annotated(recording, list(zip(notes.sample.tolist(), notes.symbol, notes.aux_note, strict=True)))


def annotated(recording: Recording, notes: list[tuple[int, str, str]]) -> AnnotatedRecord:
    """A record from its annotations, each a sample number, a WFDB mnemonic and a note."""
    beats = [(sample, symbol) for sample, symbol, _ in notes if symbol in BEAT_SYMBOLS]
    samples = np.array([sample for sample, _ in beats], np.int64)
    symbols = tuple(symbol for _, symbol in beats)
    flutter = _flutter(notes, len(recording))
    return AnnotatedRecord(
        name=recording.name,
        recording=recording,
        beats=samples,
        symbols=symbols,
        labels=np.array([AAMI.get(symbol, "Q") for symbol in symbols], "U1"),
        rhythms=_rhythms(notes, len(recording)),
        flutter=flutter,
        pauses=_pauses(samples, flutter, recording.rate_hz),
    )


def _rhythms(notes: list[tuple[int, str, str]], length: int) -> tuple[Interval, ...]:
    """Each rhythm from its annotation to the next one's."""
    changes = [
        (at, note.strip("\x00 ")[1:]) for at, symbol, note in notes if symbol == _RHYTHM and note[:1] == "("
    ]
    ends = [*(at - 1 for at, _ in changes), length - 1][1:]
    return tuple(Interval(at, end, what) for (at, what), end in zip(changes, ends, strict=True))


def _flutter(notes: list[tuple[int, str, str]], length: int) -> tuple[Interval, ...]:
    found, since = [], None
    for at, symbol, _ in notes:
        if symbol == _FLUTTER_ON:
            since = at
        elif symbol == _FLUTTER_OFF and since is not None:
            found.append(Interval(since, at, "VFL"))
            since = None
    if since is not None:  # a recording may end in it
        found.append(Interval(since, length - 1, "VFL"))
    return tuple(found)


def _pauses(beats: NDArray[np.int64], flutter: tuple[Interval, ...], rate_hz: float) -> tuple[Interval, ...]:
    """RR intervals that are too long; flutter has no annotated beats, and is no pause."""
    long = np.flatnonzero(np.diff(beats) > PAUSE_S * rate_hz)
    pauses = (Interval(int(beats[i]), int(beats[i + 1]), "pause") for i in long)
    return tuple(p for p in pauses if not any(f.first <= p.last and p.first <= f.last for f in flutter))


def label_beats(
    record: AnnotatedRecord, r_samples: NDArray[np.int64], tolerance_s: float = TOLERANCE_S
) -> BeatLabels:
    """Which annotated beat each detection is; r_samples: (n,) input sample numbers, in any order."""
    order = np.argsort(r_samples, kind="stable")
    tolerance = tolerance_samples(record.recording.rate_hz, tolerance_s)
    matches = match_beats(record.beats, r_samples[order], tolerance)
    labels = np.full(len(r_samples), EXTRA, "U7")
    reference = np.full(len(r_samples), -1, np.int64)
    found = order[matches.pairs[:, 1]]
    labels[found], reference[found] = record.labels[matches.pairs[:, 0]], matches.pairs[:, 0]
    # Flutter's waves are nobody's beats: neither found nor false.
    for first, last in record.flutter_bounds:
        within = (r_samples >= first - tolerance) & (r_samples <= last + tolerance)
        labels[within & (reference < 0)] = IN_FLUTTER
    return BeatLabels(labels, reference, matches.missed)


def total_s(records: Sequence[AnnotatedRecord]) -> float:
    """Seconds of signal in all of them together."""
    return sum(record.recording.duration_s for record in records)


def database(data: Path, name: str) -> Path:
    """A database's folder: DATA/NAME, or DATA itself if it is called so; raises DataError."""
    own = [data] if data.resolve().name.startswith(name) else []
    for folder in (data / name, *own):
        if (folder / "RECORDS").is_file():
            return folder
    raise DataError(f"{data}: no {name} in it; fetch it with: ecg-train data {name} {data}")


def record_names(folder: Path, wanted: Sequence[str] = ()) -> list[str]:
    """The database's records, or those wanted; raises DataError for one that it lacks."""
    known = (folder / "RECORDS").read_text(encoding="utf-8").split()
    lacking = [name for name in wanted if name not in known]
    if lacking:
        raise DataError(f"{folder}: no record {', '.join(lacking)}")
    return list(wanted) or known


def patient_of(name: str) -> str:
    """One name for all records of one patient, those of the noise stress test among them."""
    clean = _NOISY.sub("", name)
    return _SAME_PATIENT.get(clean, clean)


def seen_in_training(names: Sequence[str], trained_on: Sequence[str]) -> list[str]:
    """Those of the records whose patient a model was trained on."""
    patients = {patient_of(name) for name in trained_on}
    return [name for name in names if patient_of(name) in patients]


def normal_records(data: Path, names: Sequence[str]) -> list[NormalRecord]:
    """MIT-BIH records with their normal beats alone: no anomaly label goes any further."""
    folder = database(data, "mitdb")
    records = (read_record(folder / name) for name in record_names(folder, names))
    return [
        NormalRecord(record.name, record.recording.rate_hz, record.recording.ecg_mv, record.normal_r)
        for record in records
    ]
