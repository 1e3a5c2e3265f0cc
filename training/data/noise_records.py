"""Real noise for the denoising objective: electrode motion, muscle, baseline, of the noise stress test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitor.ecg.filters import FilterState, to_internal
from monitor.ecg.windows import WindowSpec
from monitor.recordings.wfdb_records import read_wfdb
from training.data.normals import NormalRecord, whole
from training.data.records import NOISE, database


def training_noise(data: Path) -> NDArray[np.float32]:
    """The records' noise to train on, (n,); raises DataError without nstdb."""
    return np.concatenate([first for first, _ in noise_halves(data, WindowSpec()).values()])


def noise_halves(data: Path, spec: WindowSpec) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Each noise as the networks would see it, by name: a half to learn from, and one to be judged by.

    (n,) each, of both signals one after the other, filtered and at the windows' rate; scaled to a power
    of 1, so that no kind of noise outweighs the others.
    """
    folder, halves = database(data, "nstdb"), {}
    for name in NOISE:
        recording = read_wfdb(folder / name)
        ecg_mv = recording.ecg_mv
        band = _filtered(NormalRecord(name, recording.rate_hz, ecg_mv, np.zeros(0, np.int64)))[:: spec.step]
        band = (band / band.std(axis=0)).astype(np.float32)
        middle = len(band) // 2
        halves[name] = (band[:middle].T.ravel(), band[middle:].T.ravel())
    return halves


def _filtered(record: NormalRecord) -> NDArray[np.float64]:
    """The band-passed signal at the internal rate, (n, leads)."""
    samples, leads = whole(record), record.ecg_mv.shape[1]
    return to_internal(
        FilterState.create(1, leads),
        samples.slots,
        samples.offsets,
        samples.ecg_mv,
        samples.flags,
        samples.n_leads,
        samples.rates_hz,
    ).band_mv
