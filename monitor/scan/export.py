"""What a scan found, as JSON, as CSV and as a WFDB annotation file."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from monitor.errors import RecordingError
from monitor.formats.events import Event, Kind, Phase
from monitor.formats.figures import Figure, figure
from monitor.recordings.recording import Recording
from monitor.recordings.wfdb_records import Annotations, record_path, wfdb_library
from monitor.scan.comparison import compare, comparison_figures
from monitor.scan.groups import Group
from monitor.scan.scan import ScanResult

BEAT_COLUMNS = ("sample", "time_s", "score", "p_value", "anomalous", "kind", "quality")
# Where in WFDB's vocabulary such a beat most often belongs, so that other tools show and count it;
# no diagnosis: the aux note says what was found.
BEAT_SYMBOLS = {
    "beat": "N",
    "beat.morphology": "V",
    "beat.early": "S",
    "beat.late": "n",
    "run": "V",
}
_UNKNOWN_BEAT = "Q"  # a beat in a signal too poor to judge
_KEPT = frozenset({"atr", "hea", "dat", "qrs", "edf", "csv"})  # never overwritten by a scan


def write_beats(result: ScanResult, path: Path) -> None:
    """One row a scored window, in time order; a gated window's score and p-value are empty."""
    windows, rate_hz = result.windows, result.recording.rate_hz
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(BEAT_COLUMNS)
        for index in range(len(windows)):
            sample = int(windows.sample[index])
            writer.writerow(
                (
                    sample,
                    f"{sample / rate_hz:.4f}",
                    _decimal(float(windows.score[index])),
                    _decimal(float(windows.p_value[index])),
                    int(windows.anomalous[index]),
                    windows.kind[index],
                    windows.quality[index],
                )
            )


def _decimal(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.6g}"


def report(
    result: ScanResult, reference: Annotations | None = None, groups: Sequence[Group] | None = None
) -> dict[str, Any]:
    """The scan for programs: `figures`, `recording`, `counts` and `events`; `groups` if there are any."""
    recording = result.recording
    grouped = {} if groups is None else {"groups": [group_row(each, recording) for each in groups]}
    return grouped | {
        "figures": [msgspec.to_builtins(each) for each in scan_figures(result, reference)],
        "recording": {
            "name": recording.name,
            "rate_hz": recording.rate_hz,
            "leads": [lead.name for lead in recording.leads],
            "samples": len(recording),
            "duration_s": recording.duration_s,
            "start_us": recording.start_us,
        },
        "counts": dict(sorted(result.counts.items())),
        "windows": len(result.windows),
        "anomalous_windows": int(result.windows.anomalous.sum()),
        "elapsed_s": result.elapsed_s,
        "events": [event_row(event) for event in result.events],
    }


def group_row(group: Group, recording: Recording) -> dict[str, Any]:
    """A group of alike beats: how many, flagged as what, the typical one, and all of them."""
    return {
        "count": len(group),
        "kinds": group.kinds,
        "typical_sample": group.typical,
        "typical_time_s": group.typical / recording.rate_hz,
        "lead": recording.leads[group.lead].name,
        "samples": group.sample.tolist(),
    }


def event_row(event: Event) -> dict[str, Any]:
    """An event with its id, and its R peak in seconds from the recording's first sample."""
    fields: dict[str, Any] = msgspec.to_builtins(event)
    return {"id": event.id, "time_s": event.r_peak_sample / event.rate_hz} | fields


def scan_figures(result: ScanResult, reference: Annotations | None) -> list[Figure]:
    """How much was found, how fast, and how well where people have annotated the recording."""
    duration_s = result.recording.duration_s
    physiological = sum(not event.technical for event in result.events)
    found = [
        figure("events_per_hour", physiological * 3600 / duration_s, better="lower"),
        figure("times_real_time", duration_s / result.elapsed_s if result.elapsed_s else float("nan")),
    ]
    if reference is not None:
        comparison = compare(reference, result.windows, result.events, result.recording.rate_hz)
        found += comparison_figures(comparison, duration_s)
    return found


def write_annotations(result: ScanResult, source: Path, extension: str) -> Path:
    """A WFDB annotation file beside the recording: each beat, and each event that is no beat.

    The path written; `wfdb.rdann(record, extension)` and WFDB's own programs read it.
    """
    check_extension(extension)
    record = record_path(source)
    name = re.sub(
        r"[^A-Za-z0-9_-]", "_", record.stem if record.suffix.lower() in (".edf", ".csv") else record.name
    )
    rows = sorted(_beat_rows(result) + _episode_rows(result), key=lambda row: row[0])
    if not rows:
        raise RecordingError(f"{record}: no beats and no events, so there is nothing to annotate")
    try:
        with wfdb_library() as wfdb:
            wfdb.wrann(
                name,
                extension,
                sample=np.array([sample for sample, _, _ in rows], np.int64),
                symbol=[symbol for _, symbol, _ in rows],
                aux_note=[note for _, _, note in rows],
                fs=result.recording.rate_hz,
                write_dir=str(record.parent),
            )
    except OSError as exc:
        raise RecordingError(f"{record.parent}: cannot write annotations: {exc}") from exc
    return record.parent / f"{name}.{extension}"


def check_extension(extension: str) -> None:
    """Raise RecordingError for an extension that WFDB does not allow or that the recording itself uses."""
    if not re.fullmatch(r"[A-Za-z]{1,10}", extension) or extension.lower() in _KEPT:
        raise RecordingError(
            f"annotation extension is {extension!r}, wanted letters other than {', '.join(sorted(_KEPT))}"
        )


def _beat_rows(result: ScanResult) -> list[tuple[int, str, str]]:
    """Sample, symbol and note of every beat window."""
    windows = result.windows
    rows = []
    for index, kind in enumerate(windows.kind):
        symbol = BEAT_SYMBOLS.get(kind)
        if symbol is None:
            continue
        p_value = float(windows.p_value[index])
        if np.isnan(p_value):
            rows.append((int(windows.sample[index]), _UNKNOWN_BEAT, windows.quality[index]))
        else:
            note = f"{kind} p={p_value:.2g}" if windows.anomalous[index] else ""
            rows.append((int(windows.sample[index]), symbol if note else "N", note))
    return rows


def _episode_rows(result: ScanResult) -> list[tuple[int, str, str]]:
    """Sample, symbol and note of every event that is no single beat."""
    rows = []
    for event in result.events:
        if event.kind.startswith("beat."):
            continue
        ended = event.phase is Phase.END
        symbol = "~" if event.technical else '"'
        if event.kind is Kind.RHYTHM_CHAOTIC and event.phase is not Phase.UPDATE:
            symbol = "]" if ended else "["
        note = " ".join(part for part in (event.kind, event.phase or "", event.why) if part)
        sample = event.last_sample if ended else event.r_peak_sample
        rows.append((min(sample, len(result.recording) - 1), symbol, note))
    return rows
