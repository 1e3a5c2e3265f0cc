"""WFDB records and their annotations, in and out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.errors import RecordingError
from monitor.formats.chunks import INVALID, Lead
from monitor.recordings.recording import (
    Recording,
    from_millivolts,
    millivolts_per_unit,
    pick_leads,
    unique_names,
)

# What `wfdb` raises for files that are missing, cut short or not its own.
_BROKEN = (OSError, ValueError, IndexError, KeyError, TypeError, AttributeError)
BEAT_SYMBOLS = frozenset("NLRejAaJSVEF/fQnrB?")


@dataclass(frozen=True, slots=True, eq=False)
class Annotations:
    """Labels on a recording, in time order."""

    sample: NDArray[np.int64]  # (n,) sample numbers
    symbol: tuple[str, ...]  # WFDB mnemonics: "N", "V", ...

    def __len__(self) -> int:
        return len(self.symbol)


@contextmanager
def wfdb_library() -> Iterator[Any]:
    """The package `wfdb`, loaded at first use: it takes a second, and CSV and EDF do without it."""
    with warnings.catch_warnings():
        # wfdb 4.3.1 builds its tables in a way that pandas 3.1 deprecates.
        warnings.filterwarnings("ignore", message="The inplace keyword")
        import wfdb  # noqa: PLC0415

        yield wfdb


def record_path(path: Path) -> Path:
    """The record's path without suffix: `208`, `208.hea` and `208.dat` are the same record."""
    return path.with_suffix("") if path.suffix.lower() in (".hea", ".dat") else path


def read_wfdb(path: Path, leads: Sequence[str] = ()) -> Recording:
    """The ECG leads of a WFDB record; other signals (pressure, respiration) are left out."""
    record = record_path(path)
    if not Path(f"{record}.hea").is_file():
        raise RecordingError(
            f"{record}: no such recording; wanted a WFDB header {record}.hea, or .edf or .csv"
        )
    try:
        with wfdb_library() as wfdb:
            header = wfdb.rdheader(str(record))
            read = _read_segments if isinstance(header, wfdb.MultiRecord) else _read_digital
            return read(wfdb, record, leads)
    except _BROKEN as exc:
        raise RecordingError(f"{record}: not readable as WFDB: {exc}") from exc


def _read_digital(wfdb: Any, path: Path, wanted: Sequence[str]) -> Recording:
    """A record of one segment: the ADC's own integers where they fit int16."""
    record = wfdb.rdrecord(str(path), physical=False)
    valid = np.isfinite(record.dac())
    digital = np.where(valid, record.d_signal, 0)
    if np.abs(digital).max(initial=0) >= -INVALID:  # 24- and 32-bit formats
        return _read_segments(wfdb, path, wanted)
    columns = _voltages(path, record, wanted)
    leads = tuple(_lead(record, digital, column, name, factor) for column, name, factor in columns)
    adc = np.where(valid, digital, INVALID).astype(np.int16)[:, [column for column, _, _ in columns]]
    return Recording(path.name, float(record.fs), leads, adc, _start_us(record))


def _lead(record: Any, digital: NDArray[np.int64], column: int, name: str, factor: float) -> Lead:
    gain, zero = record.adc_gain[column] / factor, int(record.baseline[column])
    bits, middle = int(record.adc_res[column] or 0), int(record.adc_zero[column] or 0)
    low, high = middle - (1 << bits >> 1), middle + (1 << bits >> 1) - 1
    # Some headers declare fewer bits than the samples have: then the limits are unknown.
    if bits < 2 or digital[:, column].min() < low or digital[:, column].max() > high:
        return Lead(name=name, gain=gain, zero=zero)
    return Lead(name=name, gain=gain, zero=zero, low=max(low, -32767), high=min(high, 32767))


def _read_segments(wfdb: Any, path: Path, wanted: Sequence[str]) -> Recording:
    """A record of several segments, or of more than 16 bits, by way of mV."""
    record = wfdb.rdrecord(str(path), physical=True)
    columns = _voltages(path, record, wanted)
    ecg_mv = np.stack([record.p_signal[:, column] * factor for column, _, factor in columns], axis=1)
    names = [name for _, name, _ in columns]
    return from_millivolts(path.name, float(record.fs), names, ecg_mv, _start_us(record))


def _voltages(path: Path, record: Any, wanted: Sequence[str]) -> list[tuple[int, str, float]]:
    """Column, lead name and factor to mV of the signals wanted among those that are voltages."""
    factors = [millivolts_per_unit(unit or "mV") for unit in record.units]
    names = unique_names([name or "" for name in record.sig_name])
    found = [
        (column, name, factor)
        for column, (name, factor) in enumerate(zip(names, factors, strict=True))
        if factor is not None
    ]
    return [found[index] for index in pick_leads(path, [name for _, name, _ in found], wanted)]


def _start_us(record: Any) -> int | None:
    moment = record.base_datetime
    # WFDB headers carry no time zone; UTC is as good as any and the same everywhere.
    return None if moment is None else round(moment.replace(tzinfo=UTC).timestamp() * 1e6)


def read_beats(path: Path, extension: str = "atr") -> Annotations | None:
    """The beat annotations of a WFDB record; None if there is no such file."""
    record = record_path(path)
    if not Path(f"{record}.{extension}").is_file():
        return None
    try:
        with wfdb_library() as wfdb:
            labels = wfdb.rdann(str(record), extension)
    except _BROKEN as exc:
        raise RecordingError(f"{record}.{extension}: not readable as WFDB annotations: {exc}") from exc
    beats = [index for index, symbol in enumerate(labels.symbol) if symbol in BEAT_SYMBOLS]
    return Annotations(labels.sample[beats].astype(np.int64), tuple(labels.symbol[index] for index in beats))
