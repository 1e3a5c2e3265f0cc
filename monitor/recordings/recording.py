"""A recording in memory, whatever file it came from, and its cutting into chunks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitor.errors import RecordingError
from monitor.formats.chunks import (
    INVALID,
    MAX_RATE_HZ,
    MAX_SAMPLES,
    MIN_RATE_HZ,
    Chunk,
    Lead,
    decode_chunk,
    encode_chunk,
)

MAX_LEADS = 12
_FINEST_GAIN = 1000.0  # ADC units per mV: 1 µV, finer than any ECG amplifier's noise
_ADC_LIMIT = 32000.0  # stays clear of the int16 limits, which mean "saturated"
_MV_PER_UNIT = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6}


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """All samples of one ECG recording, as integers, as a device would have sent them."""

    name: str
    rate_hz: float
    leads: tuple[Lead, ...]
    adc: NDArray[np.int16]  # (n_samples, n_leads) ADC units, INVALID where nothing was measured
    start_us: int | None = None  # of sample 0, µs since the epoch; None if the file does not say

    def __post_init__(self) -> None:
        if not MIN_RATE_HZ <= self.rate_hz <= MAX_RATE_HZ:
            wanted = f"{MIN_RATE_HZ:g} to {MAX_RATE_HZ:g}"
            raise RecordingError(f"{self.name}: sampling rate is {self.rate_hz:g} Hz, wanted {wanted}")
        if not 1 <= len(self.leads) <= MAX_LEADS:
            raise RecordingError(
                f"{self.name}: {len(self.leads)} leads, wanted 1 to {MAX_LEADS}; choose some by name"
            )
        if self.adc.ndim != 2 or self.adc.shape[1] != len(self.leads):
            raise ValueError(f"need adc (n_samples, {len(self.leads)}); got {self.adc.shape}")
        if not len(self.adc):
            raise RecordingError(f"{self.name}: no samples")

    def __len__(self) -> int:
        return len(self.adc)

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self) / self.rate_hz

    @property
    def valid(self) -> NDArray[np.bool_]:
        """(n_samples, n_leads), False where nothing was measured."""
        return np.not_equal(self.adc, INVALID)

    @property
    def ecg_mv(self) -> NDArray[np.float32]:
        """(n_samples, n_leads) mV, NaN where nothing was measured."""
        return self.piece_mv(0, len(self))

    def piece_mv(self, first: int, last: int) -> NDArray[np.float32]:
        """Samples first to last (excluded) in mV, (n, n_leads), NaN where nothing was measured."""
        zero = np.array([lead.zero for lead in self.leads], np.float32)
        gain = np.array([lead.gain for lead in self.leads], np.float32)
        adc = self.adc[first:last]
        ecg_mv: NDArray[np.float32] = (adc.astype(np.float32) - zero) / gain
        ecg_mv[adc == INVALID] = np.nan
        return ecg_mv


def encode_slice(
    recording: Recording,
    first: int,
    last: int,
    *,
    stream: str,
    session: str,
    first_sample: int,
    start_us: int,
) -> bytes:
    """Samples first to last (excluded) as one record of `ecg.signal`, numbered from `first_sample`."""
    return encode_chunk(
        stream=stream,
        session=session,
        first_sample=first_sample,
        start_us=start_us,
        rate_hz=recording.rate_hz,
        leads=recording.leads,
        adc=recording.adc[first:last],
    )


def chunk_bounds(recording: Recording, chunk_s: float) -> Iterator[tuple[int, int]]:
    """First and last sample (excluded) of every chunk; only the last chunk may be shorter."""
    size = round(chunk_s * recording.rate_hz)
    if not 1 <= size <= MAX_SAMPLES:
        raise ValueError(f"chunk of {chunk_s} s has {size} samples, wanted 1 to {MAX_SAMPLES}")
    for first in range(0, len(recording), size):
        yield first, min(first + size, len(recording))


def encoded_chunks(
    recording: Recording, chunk_s: float, *, stream: str, session: str = "recording", start_us: int = 0
) -> Iterator[bytes]:
    """The recording as records of `ecg.signal`, one after the other."""
    for first, last in chunk_bounds(recording, chunk_s):
        time_us = start_us + round(first * 1e6 / recording.rate_hz)
        yield encode_slice(
            recording, first, last, stream=stream, session=session, first_sample=first, start_us=time_us
        )


def chunks(
    recording: Recording, chunk_s: float, *, stream: str, session: str = "recording", start_us: int = 0
) -> Iterator[Chunk]:
    """The recording as the worker would see it: through the bytes, so that both paths are one."""
    for value in encoded_chunks(recording, chunk_s, stream=stream, session=session, start_us=start_us):
        yield decode_chunk(value)


def millivolts_per_unit(unit: str) -> float | None:
    """Factor from a file's unit to mV; None if it is no voltage."""
    return _MV_PER_UNIT.get(unit.strip().lower())


def unique_names(names: Sequence[str]) -> list[str]:
    """Lead names of 1 to 40 characters, repeated ones numbered: two "ECG" become "ECG" and "ECG 2"."""
    taken: list[str] = []
    for index, raw in enumerate(names):
        base = " ".join(raw.split())[:36] or f"lead {index + 1}"
        copies = (base if n == 1 else f"{base} {n}" for n in range(1, len(names) + 1))
        taken.append(next(name for name in copies if name not in taken))
    return taken


def quantise(name: str, ecg_mv: NDArray[np.float64]) -> tuple[Lead, NDArray[np.int16]]:
    """One lead in mV (NaN = not measured) as integers, at 1 µV or the finest step that fits int16."""
    measured = ecg_mv[np.isfinite(ecg_mv)]
    low, high = (float(measured.min()), float(measured.max())) if len(measured) else (0.0, 0.0)
    # A baseline far from 0 is moved into the ADC's zero, so that it costs no resolution.
    fits = max(abs(low), abs(high)) * _FINEST_GAIN <= _ADC_LIMIT
    centre_mv, reach_mv = (0.0, 0.0) if fits else ((low + high) / 2, (high - low) / 2)
    gain = min(_FINEST_GAIN, _ADC_LIMIT / reach_mv) if reach_mv > 0 else _FINEST_GAIN
    zero = -round(centre_mv * gain)
    adc = np.rint(np.nan_to_num(ecg_mv, nan=0.0, posinf=0.0, neginf=0.0) * gain) + zero
    adc[~np.isfinite(ecg_mv)] = INVALID
    return Lead(name=name, gain=gain, zero=zero), adc.astype(np.int16)


def from_millivolts(
    name: str,
    rate_hz: float,
    lead_names: Sequence[str],
    ecg_mv: NDArray[np.float64],
    start_us: int | None = None,
) -> Recording:
    """A recording from mV, NaN where nothing was measured; ecg_mv: (n_samples, n_leads)."""
    columns = [quantise(lead, ecg_mv[:, index]) for index, lead in enumerate(unique_names(lead_names))]
    adc = np.stack([column for _, column in columns], axis=1) if columns else np.empty((0, 0), np.int16)
    return Recording(name, rate_hz, tuple(lead for lead, _ in columns), adc, start_us)


def pick_leads(file: Path, names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Columns of the leads wanted, in that order; all columns if none are."""
    missing = [name for name in wanted if name not in names]
    if missing or not names:
        lacking = ", ".join(missing) or "in mV"
        raise RecordingError(f"{file}: no lead {lacking}; it has {', '.join(names) or 'none'}")
    return [names.index(name) for name in wanted] or list(range(len(names)))
