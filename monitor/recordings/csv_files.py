"""CSV recordings: a header row with lead names, samples in mV, optionally a time column in seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitor.errors import RecordingError
from monitor.recordings.recording import Recording, from_millivolts, pick_leads, unique_names

TIME_NAMES = frozenset({"time", "time_s", "t", "seconds"})
_MAX_JITTER = 0.1  # of a sampling interval: times written with few digits are still regular


def read_csv(path: Path, rate_hz: float | None = None, leads: Sequence[str] = ()) -> Recording:
    """The leads of a CSV file in mV; an empty field or `nan` is a sample that was not measured.

    The rate comes from the time column if the first column is one (`time`, `time_s`, `t` or
    `seconds`); missing rows become invalid samples. Otherwise rate_hz says it.
    """
    names, table = _read_table(path)
    timed = names[0].lower() in TIME_NAMES
    if timed and rate_hz is None:
        rate_hz, table = _place_by_time(path, table)
    elif rate_hz is None:
        raise RecordingError(f"{path}: no time column ({names[0]!r} is the first), wanted one or --rate")
    first = 1 if timed else 0
    lead_names, ecg_mv = unique_names(names[first:]), table[:, first:]
    columns = pick_leads(path, lead_names, leads)
    return from_millivolts(path.stem, rate_hz, [lead_names[column] for column in columns], ecg_mv[:, columns])


def _read_table(path: Path) -> tuple[list[str], NDArray[np.float64]]:
    try:
        try:
            names, table = _parse(path, None)
        except ValueError:  # numpy's own parser knows no empty fields; a Python function is ten times slower
            names, table = _parse(path, _number)
    except (OSError, ValueError) as exc:
        raise RecordingError(f"{path}: not readable as CSV: {exc}") from exc
    if all(_is_number(name) for name in names):
        raise RecordingError(f"{path}: first row is {','.join(names)[:60]!r}, wanted lead names")
    if table.shape[1] != len(names):
        raise RecordingError(f"{path}: rows have {table.shape[1]} columns, the header has {len(names)}")
    return names, table


def _parse(path: Path, number: Callable[[str], float] | None) -> tuple[list[str], NDArray[np.float64]]:
    """Column names, and the numbers below them."""
    with path.open(encoding="utf-8-sig") as lines:
        names = [name.strip().strip("\"'") for name in next(lines, "").split(",")]
        rows = (line for line in lines if line.strip())
        first = next(rows, None)
        if first is None:
            raise RecordingError(f"{path}: no rows below the header, wanted samples in mV")
        return names, np.loadtxt(chain([first], rows), delimiter=",", ndmin=2, converters=number)


def _number(field: str) -> float:
    return float(field) if field.strip() else float("nan")


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _place_by_time(path: Path, table: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Sampling rate and the table with a row for every sampling interval, NaN where the file had none."""
    time_s = table[:, 0]
    steps = np.diff(time_s)
    if len(time_s) < 2 or not np.isfinite(time_s).all() or steps.min() <= 0:
        raise RecordingError(f"{path}: times do not increase from row to row")
    step_s = _interval(time_s, float(np.median(steps)))
    rows = np.rint((time_s - time_s[0]) / step_s).astype(np.int64)
    jitter = np.abs((time_s - time_s[0]) / step_s - rows)
    # Times rounded to milliseconds are off by up to half of one: that is no irregularity.
    if np.any(np.diff(rows) < 1) or np.quantile(jitter, 0.99) > max(_MAX_JITTER, 0.51e-3 / step_s):
        raise RecordingError(f"{path}: times are not at one sampling rate (median step {step_s:g} s)")
    placed = np.full((rows[-1] + 1, table.shape[1]), np.nan)
    placed[rows] = table
    return 1 / step_s, placed


def _interval(time_s: NDArray[np.float64], median_s: float) -> float:
    """Sampling interval in s; the median step alone is wrong where times are rounded to milliseconds."""
    regular = np.diff(time_s) < 1.5 * median_s
    mean_s = float(np.diff(time_s)[regular].mean())
    rate_hz = 1 / mean_s
    # Rates are whole numbers in practice: taken as one where the times, good to 1 ms, cannot tell.
    doubt_hz = rate_hz * 2e-3 / (time_s[-1] - time_s[0])
    return 1 / round(rate_hz) if abs(rate_hz - round(rate_hz)) <= doubt_hz else mean_s
