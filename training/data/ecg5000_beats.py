"""ECG5000 of the UCR archive: 5,000 beats of one patient, 2,919 of them normal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.errors import DataError

FILE = Path("ecg5000") / "ECG5000_ALL.csv"
TRAIN_SHARE = 0.85  # of the normal beats, as in the LSTM autoencoder tutorials
HELD_OUT = 0.15  # of the beats to learn from: stop a network's training and set its threshold


def read_beats(data: Path) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The file's beats, (n, 140), and which are normal, (n,); raises DataError if it is not there."""
    path = data / FILE
    if not path.is_file():
        raise DataError(f"{path}: no such file; it is ECG5000 of the UCR archive, both splits in one table")
    try:
        table = np.loadtxt(
            path, np.float32, delimiter=",", skiprows=1, converters={0: lambda _: 0.0}, ndmin=2
        )
    except ValueError as exc:
        raise DataError(f"{path}: not a table of split, normal, class and samples: {exc}") from exc
    return np.ascontiguousarray(table[:, 3:]), table[:, 1] == 1


def split_normals(normals: NDArray[np.float32], seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Normal beats to learn from and to test on, (n, 140) each, both shuffled."""
    order = np.random.default_rng(seed).permutation(len(normals))
    kept = round(TRAIN_SHARE * len(order))
    return normals[order[:kept]], normals[order[kept:]]
