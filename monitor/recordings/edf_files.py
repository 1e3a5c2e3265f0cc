"""EDF and EDF+ recordings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from pathlib import Path

import numpy as np
from edfio import Edf, EdfSignal
from edfio import read_edf as open_edf
from numpy.typing import NDArray

from monitor.errors import RecordingError
from monitor.formats.chunks import Lead
from monitor.recordings.recording import Recording, millivolts_per_unit, pick_leads, unique_names

# What `edfio` raises for files that are missing, cut short or not EDF; broken headers warn.
_BROKEN = (OSError, ValueError, IndexError, KeyError, TypeError)


def read_edf(path: Path, leads: Sequence[str] = ()) -> Recording:
    """The ECG leads of an EDF file: those labelled ECG or EKG if any are, otherwise all voltages."""
    try:
        edf = open_edf(path)
        continuous = edf.is_continuous
        start_us = _start_us(edf)
    except _BROKEN as exc:
        raise RecordingError(f"{path}: not readable as EDF: {exc}") from exc
    if not continuous:
        raise RecordingError(f"{path}: EDF+D with interruptions, wanted a continuous recording")
    signals = _choose(path, edf, leads)
    rates = {signal.sampling_frequency for signal in signals}
    if len(rates) > 1:
        found = ", ".join(f"{signal.label} {signal.sampling_frequency:g} Hz" for signal in signals)
        raise RecordingError(f"{path}: leads differ in sampling rate ({found}); choose some by name")
    names = unique_names([signal.label for signal in signals])
    columns = [_column(path, signal, name) for signal, name in zip(signals, names, strict=True)]
    adc = np.stack([samples for _, samples in columns], axis=1)
    return Recording(path.stem, float(rates.pop()), tuple(lead for lead, _ in columns), adc, start_us)


def _choose(path: Path, edf: Edf, leads: Sequence[str]) -> list[EdfSignal]:
    voltages = [
        signal for signal in edf.signals if millivolts_per_unit(signal.physical_dimension) is not None
    ]
    chosen = [voltages[index] for index in pick_leads(path, [signal.label for signal in voltages], leads)]
    if leads:
        return chosen
    # A sleep recording's EEG and EMG are voltages, too.
    ecg = [signal for signal in chosen if any(word in signal.label.upper() for word in ("ECG", "EKG"))]
    return ecg or chosen


def _column(path: Path, signal: EdfSignal, name: str) -> tuple[Lead, NDArray[np.int16]]:
    factor = millivolts_per_unit(signal.physical_dimension) or 1.0
    span_mv = (signal.physical_max - signal.physical_min) * factor
    steps = signal.digital_max - signal.digital_min
    if span_mv == 0 or steps <= 0:
        ends = f"{signal.physical_min:g} to {signal.physical_max:g} {signal.physical_dimension}"
        raise RecordingError(f"{path}: {signal.label} ranges from {ends} in {steps} steps")
    gain = steps / span_mv
    # A negative gain (electrodes drawn upside down) is legal in EDF, but not in a chunk.
    digital = signal.digital.astype(np.int32)
    bottom, top = signal.digital_min, signal.digital_max
    if gain < 0:
        digital, bottom, top, gain = -digital, -top, -bottom, -gain
        offset = bottom - signal.physical_max * factor * gain
    else:
        offset = bottom - signal.physical_min * factor * gain
    low = bottom if _rests_at(digital <= bottom) else -32767
    high = top if _rests_at(digital >= top) else 32767
    adc = np.clip(digital, -32767, 32767).astype(np.int16)
    # Rounding the zero moves the baseline by less than one ADC step, which the band-pass removes.
    return Lead(name=name, gain=gain, zero=round(offset), low=max(low, -32767), high=min(high, 32767)), adc


def _rests_at(limit: NDArray[np.bool_]) -> bool:
    """True if two samples in a row are at the limit: fitting the range to the data puts one there."""
    return bool(np.any(limit[1:] & limit[:-1]))


def _start_us(edf: Edf) -> int | None:
    try:
        moment = edf.startdatetime
    except ValueError:  # anonymised
        return None
    return round(moment.replace(tzinfo=UTC).timestamp() * 1e6)
