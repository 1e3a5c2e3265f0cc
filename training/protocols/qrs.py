"""Protocol `qrs`: the streaming QRS detector and published ones on MIT-BIH and the noise stress test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitor.ecg.filters import INTERNAL_RATE_HZ, FilterState, to_internal
from monitor.ecg.qrs import QrsState, detect_beats
from monitor.ecg.samples import FLAT, MISSING
from monitor.scan.matching import LEARNING_S, match_beats, tolerance_samples
from training.data.records import NOISE, AnnotatedRecord, database, record_names, total_s
from training.data.side_by_side import sample_batches
from training.errors import DataError
from training.measure.measures import measured
from training.measure.protocol import Protocol, Request, Result
from training.measure.qrs_counts import (
    OURS,
    Counts,
    QrsCount,
    clean_figures,
    noise_figures,
    record_table,
    summary_table,
)
from training.measure.qrs_peers import PEERS
from training.progress import Advance

_TAIL_S = 10.0  # what the last beats' decisions wait for


def first_lead(record: AnnotatedRecord) -> AnnotatedRecord:
    """The record with nothing but its signal 0."""
    recording = record.recording
    return replace(record, recording=replace(recording, leads=recording.leads[:1], adc=recording.adc[:, :1]))


def detect(records: Sequence[AnnotatedRecord], advance: Advance) -> list[NDArray[np.int64]]:
    """R peaks of each record, sorted input sample numbers, by the worker's filter and detector."""
    leads = len(records[0].recording.leads)
    filters, qrs = FilterState.create(len(records), leads), QrsState.create(len(records), leads)
    found: list[list[NDArray[np.int64]]] = [[] for _ in records]
    for new, _ in sample_batches([record.recording for record in records], _TAIL_S):
        signal = to_internal(filters, new)
        usable = (signal.flags & (MISSING | FLAT)) == 0
        beats = detect_beats(qrs, new.slots, signal.offsets, signal.raw_mv, usable, new.n_leads)
        for stream in np.unique(beats.stream):
            found[stream].append(beats.r_sample[beats.stream == stream])
        advance(new.seconds)
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
    """Sensitivity, positive predictivity and F1 by record, their average, and by signal-to-noise ratio."""
    clean = _counts(request, "mitdb", database(request.data, "mitdb"))
    try:
        noise_folder = database(request.data, "nstdb")
    except DataError:
        noisy: Counts = {OURS: []}  # the database is a second download; the table says that it is missing
    else:
        noisy = _counts(request, "nstdb", noise_folder)
    figures = [*(clean_figures(clean) if clean[OURS] else []), *noise_figures(noisy)]
    tables = [
        record_table("MIT-BIH", clean),
        record_table("Noise stress test", noisy),
        summary_table(figures),
    ]
    for each in [*clean[OURS], *noisy[OURS]]:
        figures.append(measured("sensitivity", each.name, each.sensitivity))
        figures.append(measured("positive_predictivity", each.name, each.positive_predictivity))
    details = {
        detector: [asdict(row) for row in [*clean.get(detector, ()), *noisy.get(detector, ())]]
        for detector in (OURS, *PEERS)
    }
    return Result(figures=figures, tables=tables, details={"counts": details})


def _counts(request: Request, name: str, folder: Path) -> Counts:
    """Every detector's counts on the first leads of a database's records."""
    known = [record for record in record_names(folder) if record not in NOISE]
    names = [record for record in known if record in request.records] if request.records else known
    if not names:
        return {OURS: []}
    records = [first_lead(record) for record in request.each(names, name)]
    with request.bar(f"{name}, {OURS}", total_s(records)) as advance:
        found = {OURS: detect(records, advance)}
    for peer, beats in PEERS.items():
        found[peer] = []
        with request.bar(f"{name}, {peer}", len(records)) as advance:
            for record in records:
                recording = record.recording
                found[peer].append(beats(recording.ecg_mv[:, 0].astype(np.float64), recording.rate_hz))
                advance(1)
    return {
        detector: [count(record, beats) for record, beats in zip(records, each, strict=True)]
        for detector, each in found.items()
    }


PROTOCOL = Protocol(
    name="qrs",
    summary="all 48 MIT-BIH records and the noise stress test, first lead, after 5 minutes, beside XQRS and"
    " sleepecg; about 4 minutes",
    run=run,
    needs_model=False,
)
