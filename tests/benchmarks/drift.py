"""How far from uniform a fleet's p-values are: python -m tests.benchmarks.drift DATA [MINUTES].

Patients that the bundled model has not seen are put together at random, 200 times for each size of
fleet: as recorded, and with one fault in every device. docs/runbook.md has the table.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from monitor.detect.detector import Detector
from monitor.model.model import load_model
from monitor.recordings.files import read_recording
from monitor.recordings.recording import Recording
from monitor.scan.scan import scan
from training.data.records import TRAINING, database, record_names

TENTHS = np.arange(0.1, 0.95, 0.1)
SIZES = (1, 8, 16)
GROUPS = 200
Fault = Callable[[NDArray[np.float64], float], NDArray[np.float64]]


def _smoothed(adc: NDArray[np.float64], rate_hz: float) -> NDArray[np.float64]:
    return np.asarray(sosfilt(butter(2, 8.0, fs=rate_hz, output="sos"), adc, axis=0))


FAULTS: dict[str, Fault] = {
    "as recorded": lambda adc, _: adc,
    "gain halved": lambda adc, _: adc / 2,
    "smoothed under 8 Hz": _smoothed,
    "noise of 0.1 mV": lambda adc, _: (
        adc + np.random.default_rng(0).normal(0, 20, adc.shape)
    ),  # 200 units a mV
}


def distance(p_value: NDArray[np.float64]) -> float:
    """Kolmogorov and Smirnov's distance from uniform at the tenths, as the recording rule has it."""
    below = np.searchsorted(np.sort(p_value), TENTHS, side="right") / len(p_value)
    return float(np.abs(below - TENTHS).max())


def p_values(recording: Recording, fault: Fault, minutes: float) -> NDArray[np.float64]:
    """p-values of the beats of a recording's beginning."""
    adc = recording.adc[: round(minutes * 60 * recording.rate_hz)]
    zero = np.array([lead.zero for lead in recording.leads])
    changed = np.rint(fault(adc - zero, recording.rate_hz) + zero).astype(np.int16)
    windows = scan(replace(recording, adc=changed), Detector(load_model())).windows
    beats = np.array(windows.kind) != "fixed"
    found: NDArray[np.float64] = windows.p_value[beats].astype(np.float64)
    return found[~np.isnan(found)]


def rows(data: Path, minutes: float) -> Iterator[str]:
    """A table of fault, size of fleet, and what the 200 distances are like."""
    folder = database(data, "mitdb")
    unseen = [name for name in record_names(folder) if name not in TRAINING]
    yield f"{len(unseen)} records, {minutes:g} minutes each\n"
    yield "| every device | streams | smallest | median | 95 % | largest |\n|---|---|---|---|---|---|"
    for what, fault in FAULTS.items():
        known = [p_values(read_recording(folder / name), fault, minutes) for name in unseen]
        for size in SIZES:
            draws = [np.random.default_rng(seed).permutation(len(known))[:size] for seed in range(GROUPS)]
            gaps = [distance(np.concatenate([known[index] for index in draw])) for draw in draws]
            figures = (min(gaps), np.median(gaps), np.quantile(gaps, 0.95), max(gaps))
            yield f"| {what} | {size} | " + " | ".join(f"{value:.2f}" for value in figures) + " |"


if __name__ == "__main__":
    for line in rows(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 30.0):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
