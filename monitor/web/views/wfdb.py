"""A strip as a WFDB record with annotations, zipped: what other tools for ECG read."""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from monitor.errors import RecordingError
from monitor.formats.beats import ScoredWindows
from monitor.formats.events import Event
from monitor.recordings.recording import Recording
from monitor.recordings.wfdb_records import wfdb_library
from monitor.scan.export import write_annotations
from monitor.scan.scan import ScanResult
from monitor.web.held.beats import KINDS, QUALITIES
from monitor.web.held.store import Store
from monitor.web.requests import Refused
from monitor.web.views.cuts import Cut, cut

_OURS = "ecg"  # the extension that annotations are written with; `atr` is refused beside a recording


def wfdb_zip(store: Store, stream: str, from_us: int, to_us: int) -> tuple[str, bytes]:
    """Name and content of a zip file with .hea, .dat and, where there is something to tell, .atr."""
    whole = cut(store, stream, from_us, to_us)
    if whole is None:
        raise Refused(404, "there is no signal of this stream between these times")
    found = _within(whole, from_us, to_us)
    name = record_name(stream, found.recording.start_us or from_us)
    with tempfile.TemporaryDirectory(prefix="ecg-monitor-") as folder:
        _write_record(found.recording, Path(folder), name)
        _write_annotations(store, stream, found, Path(folder), name)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(Path(folder).iterdir()):
                archive.write(file, file.name)
    return f"{name}.zip", packed.getvalue()


def record_name(stream: str, start_us: int) -> str:
    """Letters, digits, hyphens and underscores, as WFDB allows: the stream and when the strip begins."""
    when = datetime.fromtimestamp(start_us / 1e6, UTC)
    return f"{re.sub(r'[^A-Za-z0-9-]+', '_', stream)[:60] or 'ecg'}_{when:%Y%m%dT%H%M%SZ}"


def _within(whole: Cut, from_us: int, to_us: int) -> Cut:
    """The samples between two times of whole records."""
    rate_hz, start_us = whole.recording.rate_hz, whole.recording.start_us or 0
    first = max(0, int(np.ceil((from_us - start_us) * rate_hz / 1e6 - 1e-6)))
    end = min(len(whole.recording), int(np.ceil((to_us - start_us) * rate_hz / 1e6 - 1e-6)))
    if end <= first:
        raise Refused(404, "there is no signal of this stream between these times")
    recording = whole.recording
    part = Recording(
        recording.name,
        rate_hz,
        recording.leads,
        recording.adc[first:end],
        start_us + round(first * 1e6 / rate_hz),
    )
    return Cut(part, whole.session, whole.first_sample + first)


def _write_record(recording: Recording, folder: Path, name: str) -> None:
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=recording.start_us or 0)
    with wfdb_library() as wfdb:
        wfdb.wrsamp(
            name,
            fs=recording.rate_hz,
            units=["mV"] * len(recording.leads),
            sig_name=[lead.name for lead in recording.leads],
            d_signal=recording.adc.astype(np.int64),
            fmt=["16"] * len(recording.leads),  # its "not measured" is ours, -32768
            adc_gain=[lead.gain for lead in recording.leads],
            baseline=[lead.zero for lead in recording.leads],
            base_date=start.date(),
            base_time=start.time(),
            write_dir=str(folder),
        )


def _write_annotations(store: Store, stream: str, found: Cut, folder: Path, name: str) -> None:
    windows, events = _windows(store, stream, found), _events(store, stream, found)
    result = ScanResult(found.recording, events, windows, Counter(), 0.0)
    try:
        written = write_annotations(result, folder / name, _OURS)
    except RecordingError:
        return  # no beats and no events
    written.rename(written.with_suffix(".atr"))


def _windows(store: Store, stream: str, found: Cut) -> ScoredWindows:
    rows = store.look(stream, lambda known: known.beats.rows(found.session))
    inside: list[Any] = [] if rows is None else [row for row in rows if int(row["sample"]) in found]
    return ScoredWindows(
        stream=[stream] * len(inside),
        session=[found.session] * len(inside),
        sample=np.array([found.index(int(row["sample"])) for row in inside], np.int64),
        time_us=np.array([row["time_us"] for row in inside], np.int64),
        rr_s=np.array([row["rr_s"] for row in inside], np.float32),
        score=np.array([row["score"] for row in inside], np.float32),
        p_value=np.array([row["p_value"] for row in inside], np.float32),
        anomalous=np.array([row["anomalous"] for row in inside], np.bool_),
        kind=[KINDS[row["kind"]] for row in inside],
        quality=[QUALITIES[row["quality"]] for row in inside],
    )


def _events(store: Store, stream: str, found: Cut) -> list[Event]:
    return [
        msgspec.structs.replace(
            held.event,
            r_peak_sample=found.index(held.event.r_peak_sample),
            first_sample=found.index(held.event.first_sample),
            last_sample=found.index(held.event.last_sample),
        )
        for held in store.events(stream)
        if held.event.session == found.session
        and held.event.r_peak_sample in found
        and held.event.last_sample in found
    ]
