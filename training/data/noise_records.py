"""Real noise for the denoising objective: electrode motion, muscle, baseline, of the noise stress test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitor.ecg.filters import filtered
from monitor.ecg.samples import Samples
from monitor.ecg.windows import WindowSpec
from monitor.recordings.wfdb_records import read_wfdb
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
        band = filtered(Samples.of_signal(recording.ecg_mv, recording.rate_hz)).band_mv[:: spec.step]
        band = (band / band.std(axis=0)).astype(np.float32)
        middle = len(band) // 2
        halves[name] = (band[:middle].T.ravel(), band[middle:].T.ravel())
    return halves
