"""Protocol `qrs`: the streaming QRS detector on the first lead of MIT-BIH and of the noise stress test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitor.beats import QrsState, detect_beats
from monitor.figures import Figure
from monitor.filters import FLAT, INTERNAL_RATE_HZ, MISSING, FilterState, to_internal
from training.errors import DataError
from training.matching import LEARNING_S, match_beats, positive_predictivity, sensitivity, tolerance_samples
from training.measures import BOOTSTRAPS, draws, interval, measured
from training.protocol import Advance, Protocol, Request, Result
from training.records import AnnotatedRecord, database, read_record, record_names
from training.side_by_side import sample_batches, seconds
from training.tables import Table, target_shown

TARGET = 0.996
NOISE = ("bw", "em", "ma")  # noise alone, without beats
SNR_DB = {"24": "24", "18": "18", "12": "12", "06": "6", "00": "0", "_6": "-6"}  # by the name's end
_TAIL_S = 10.0  # what the last beats' decisions wait for


@dataclass(frozen=True, slots=True)
class QrsCount:
    """A record's beats after the first five minutes."""

    name: str
    found: int
    missed: int
    extra: int

    @property
    def sensitivity(self) -> float:
        """Part of the beats that were found."""
        return sensitivity(self.found, self.missed)

    @property
    def positive_predictivity(self) -> float:
        """Part of the detections that are beats."""
        return positive_predictivity(self.found, self.extra)


def first_lead(record: AnnotatedRecord) -> AnnotatedRecord:
    """The record with nothing but its signal 0."""
    recording = record.recording
    return replace(record, recording=replace(recording, leads=recording.leads[:1], adc=recording.adc[:, :1]))


def detect(records: Sequence[AnnotatedRecord], progress: Advance) -> list[NDArray[np.int64]]:
    """R peaks of each record, sorted input sample numbers, by the worker's filter and detector."""
    leads = len(records[0].recording.leads)
    filters, qrs = FilterState.create(len(records), leads), QrsState.create(len(records), leads)
    found: list[list[NDArray[np.int64]]] = [[] for _ in records]
    for new, _ in sample_batches([record.recording for record in records], _TAIL_S):
        signal = to_internal(
            filters, new.slots, new.offsets, new.ecg_mv, new.flags, new.n_leads, new.rates_hz
        )
        usable = (signal.flags & (MISSING | FLAT)) == 0
        beats = detect_beats(qrs, new.slots, signal.offsets, signal.raw_mv, usable, new.n_leads)
        for stream in np.unique(beats.stream):
            found[stream].append(beats.r_sample[beats.stream == stream])
        progress(seconds(new))
    return [_in_input_samples(record, parts) for record, parts in zip(records, found, strict=True)]


def _in_input_samples(record: AnnotatedRecord, parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    internal = np.concatenate([np.zeros(0, np.int64), *parts])
    samples = np.rint(internal * record.recording.rate_hz / INTERNAL_RATE_HZ).astype(np.int64)
    # A beat found by search-back is decided after the beat that follows it.
    return np.sort(samples)


def count(record: AnnotatedRecord, r_samples: NDArray[np.int64]) -> QrsCount:
    """Found, missed and extra beats after five minutes, flutter left out."""
    rate = record.recording.rate_hz
    tolerance = tolerance_samples(rate)
    matches = match_beats(record.beats, r_samples, tolerance)
    begin = round(LEARNING_S * rate)
    extra = r_samples[matches.extra]
    outside = np.ones(len(extra), np.bool_)
    for first, last in record.flutter_bounds:
        outside &= (extra < first - tolerance) | (extra > last + tolerance)
    return QrsCount(
        name=record.name,
        found=int((record.beats[matches.pairs[:, 0]] >= begin).sum()),
        missed=int((record.beats[matches.missed] >= begin).sum()),
        extra=int((outside & (extra >= begin)).sum()),
    )


def run(request: Request) -> Result:
    """Sensitivity and positive predictivity by record, their average, and by signal-to-noise ratio."""
    clean = _counts(request, "mitdb", database(request.data, "mitdb"))
    try:
        noise_folder = database(request.data, "nstdb")
    except DataError:
        noisy = []  # the database is a second download; the table says that it is missing
    else:
        noisy = _counts(request, "nstdb", noise_folder)
    figures = _average("all", clean, TARGET) + _gross(clean) if clean else []
    for snr in dict.fromkeys(SNR_DB.values()):
        at_snr = [each for each in noisy if SNR_DB[each.name[-2:]] == snr]
        if at_snr:
            figures += _average(f"{snr}dB", at_snr)
    overall = Table("QRS detection, first lead", ("group", "measure", "value", "target"), _rows(figures))
    tables = [_record_table("MIT-BIH", clean), _record_table("Noise stress test", noisy), overall]
    for each in clean + noisy:
        figures.append(measured("sensitivity", each.name, each.sensitivity))
        figures.append(measured("positive_predictivity", each.name, each.positive_predictivity))
    return Result(figures=figures, tables=tables, details={"counts": [_row(each) for each in clean + noisy]})


def _counts(request: Request, name: str, folder: Path) -> list[QrsCount]:
    known = [record for record in record_names(folder) if record not in NOISE]
    names = [record for record in known if record in request.records] if request.records else known
    if not names:
        return []
    records = [first_lead(read_record(folder / record)) for record in names]
    total_s = sum(record.recording.duration_s for record in records)
    with request.bar(name, total_s) as advance:
        found = detect(records, advance)
    return [count(record, beats) for record, beats in zip(records, found, strict=True)]


def _average(group: str, counts: Sequence[QrsCount], target: float | None = None) -> list[Figure]:
    """Each record counts alike, as in the published figures."""
    figures = []
    weights = draws(len(counts), BOOTSTRAPS) / len(counts)
    for name in ("sensitivity", "positive_predictivity"):
        values = np.array([getattr(each, name) for each in counts])
        low, high = interval(weights @ values) if len(values) > 2 else (None, None)
        figures.append(measured(name, group, float(values.mean()), low, high, target=target))
    return figures


def _gross(counts: Sequence[QrsCount]) -> list[Figure]:
    """Each beat counts alike."""
    found, missed, extra = (
        sum(getattr(each, part) for each in counts) for part in ("found", "missed", "extra")
    )
    return [
        measured("sensitivity", "gross", sensitivity(found, missed)),
        measured("positive_predictivity", "gross", positive_predictivity(found, extra)),
    ]


def _rows(figures: Sequence[Figure]) -> list[tuple[str, ...]]:
    return [(f.group, f.name.replace("_", " "), _percent(f), target_shown(f)) for f in figures]


def _percent(figure: Figure) -> str:
    return "–" if figure.value is None else f"{100 * figure.value:.2f} %"


def _row(each: QrsCount) -> dict[str, str | int]:
    return {"record": each.name, "found": each.found, "missed": each.missed, "extra": each.extra}


def _record_table(title: str, counts: Sequence[QrsCount]) -> Table:
    rows = [
        (
            each.name, str(each.found), str(each.missed), str(each.extra),
            f"{100 * each.sensitivity:.2f}", f"{100 * each.positive_predictivity:.2f}",
        )
        for each in counts
    ]  # fmt: skip
    return Table(title, ("record", "found", "missed", "extra", "sensitivity %", "predictivity %"), rows)


PROTOCOL = Protocol(
    name="qrs",
    summary="all 48 MIT-BIH records and the noise stress test, first lead, after 5 minutes; about 20 s",
    run=run,
    needs_model=False,
)
