"""The beats most alike to one, by latent vector, among embedded recordings; and their strips."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitor.errors import RecordingError
from monitor.model.model import Model
from monitor.recordings.files import read_recording
from monitor.recordings.recording import Recording
from monitor.scan.beat_strips import beat_strip
from monitor.scan.explain import CONTEXT_S
from monitor.scan.latents import BeatLatents
from monitor.scan.strip import Mark, Strip
from monitor.scan.terminal import clock
from training.errors import DataError
from training.report.embedding import Embedded, beats_of

_AFTER_S = 6.0  # of signal behind a beat, until its verdict is out
_NEAR_S = 0.5  # a beat is meant if it lies so near to the time asked for
_SAME_S = 0.1  # two R peaks of one recording so near are one beat


@dataclass(frozen=True, slots=True, eq=False)
class Beat:
    """One beat of a recording."""

    recording: Recording
    sample: int
    kind: str  # what it was flagged as, or "beat"
    lead: str
    latent: NDArray[np.float32]  # (width,)

    @property
    def time_s(self) -> float:
        """Seconds from the recording's first sample."""
        return self.sample / self.recording.rate_hz


@dataclass(frozen=True, slots=True, eq=False)
class Alike:
    """A beat that was found: its row among the embedded ones, and how far its latent vector is away."""

    row: int
    distance: float


def seconds_of(text: str) -> float:
    """Seconds of a time as `scan` prints it (1:02:33.10, 7:25.5) or in seconds; raises ValueError."""
    if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d*)?", text):
        raise ValueError(f"time is {text!r}, wanted seconds, M:SS or H:MM:SS")
    total = 0.0
    for part in text.split(":"):
        total = 60 * total + float(part)
    return total


def beat_at(recording: Recording, at_s: float, model: Model) -> Beat:
    """The judged beat nearest to a time; raises DataError if there is none within half a second.

    As in explain, the path runs through the minutes before alone: long enough to know the usual beat.
    """
    rate_hz = recording.rate_hz
    first = round(max(0, int(at_s - CONTEXT_S)) * rate_hz)
    if first >= len(recording):
        raise DataError(f"{recording.name}: is {clock(recording.duration_s)} long, got {clock(at_s)}")
    part = replace(recording, adc=recording.adc[first : round((at_s + _AFTER_S) * rate_hz)])
    beats = beats_of(part, model)
    away_s = np.abs((first + beats.sample) / rate_hz - at_s)
    if not len(beats) or away_s.min() > _NEAR_S:
        raise DataError(
            f"{recording.name}: no beat that could be judged within {_NEAR_S:g} s of {clock(at_s)}"
        )
    return _beat(recording, beats, int(away_s.argmin()), first)


def _beat(recording: Recording, beats: BeatLatents, row: int, first: int) -> Beat:
    lead = int(beats.first_lead[row])
    return Beat(
        recording=recording,
        sample=first + int(beats.sample[row]),
        kind=str(beats.kind[row]),
        lead=recording.leads[lead].name,
        latent=beats.latent[row, lead],
    )


def nearest(
    latent: NDArray[np.float32], wanted: NDArray[np.float32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows of the `count` nearest vectors and their Euclidean distances, the nearest first.

    latent: (n, width); wanted: (width,). Every row is looked at: exact, and a million take
    well under a second, so that no index has to be built, kept and trusted.
    """
    if count < 1 or wanted.shape != latent.shape[1:]:
        raise ValueError(f"need count >= 1 and equal widths; got {count}, {wanted.shape}, {latent.shape}")
    away = latent - wanted
    square = np.einsum("ij,ij->i", away, away)
    some = np.argpartition(square, count - 1)[:count] if count < len(square) else np.arange(len(square))
    order = some[np.lexsort((some, square[some]))]
    return order.astype(np.int64), np.sqrt(square[order])


def most_alike(beats: Embedded, beat: Beat, count: int, *, others: bool = False) -> list[Alike]:
    """The `count` beats nearest to one, itself left out; others: of other recordings alone."""
    own = beats.of_stream(beat.recording.name)
    if not others:
        own &= np.abs(beats.column("sample") - beat.sample) <= _SAME_S * beat.recording.rate_hz
    kept = np.flatnonzero(~own)
    latent = beats.latent if len(kept) == len(beats) else beats.latent[kept]
    rows, distances = nearest(latent, beat.latent, count)
    return [Alike(int(kept[row]), float(away)) for row, away in zip(rows, distances, strict=True)]


def strips_of(beat: Beat, beats: Embedded, found: Sequence[Alike]) -> list[Strip]:
    """The beat and those found, each with its neighbours; those whose recording is gone are left out."""
    strips = [_strip(beat.recording, beat.sample, beat.lead, beat.kind, "the beat asked for")]
    recordings: dict[str, Recording | None] = {}
    for each in found:
        row = beats.row(each.row)
        path = row["recording"]
        if path not in recordings:
            recordings[path] = _again(Path(path), row["rate_hz"])
        recording = recordings[path]
        if recording is not None:
            why = f"distance {each.distance:.2f}"
            label = row["label"] or ""
            strips.append(_strip(recording, row["sample"], row["lead"], row["kind"], why, label))
    return strips


def _again(path: Path, rate_hz: float) -> Recording | None:
    try:
        return read_recording(path, rate_hz=rate_hz if path.suffix.lower() == ".csv" else None)
    except RecordingError:
        return None


def _strip(recording: Recording, sample: int, lead: str, kind: str, why: str, label: str = "") -> Strip:
    at_s = sample / recording.rate_hz
    mark = Mark(at_s, kind.partition(".")[2], label=label)
    title = f"{recording.name}   {clock(at_s)}"
    return beat_strip(recording, sample, lead, title=title, why=why, marks=[mark])
