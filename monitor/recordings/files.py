"""Which reader a recording's path means."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from monitor.errors import RecordingError
from monitor.recordings import csv_files, edf_files, wfdb_records
from monitor.recordings.recording import Recording


def read_recording(path: Path, *, rate_hz: float | None = None, leads: Sequence[str] = ()) -> Recording:
    """The recording in a CSV or EDF file or a WFDB record, by the path's suffix.

    rate_hz: of a CSV file without time column. leads: names of those to keep, in order; empty = all.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return csv_files.read_csv(path, rate_hz, leads)
    if rate_hz is not None:
        raise RecordingError(f"{path}: a rate is for CSV files alone; this one says its own")
    if suffix == ".edf":
        return edf_files.read_edf(path, leads)
    return wfdb_records.read_wfdb(path, leads)
