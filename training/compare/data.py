"""What every kind of encoder-decoder is trained and judged on when kinds are compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from monitor.ecg.windows import WindowSpec
from monitor.model.calibration import Calibration
from training.compare.baselines import fit_early, normal_values
from training.compare.beat_windows import BeatWindows, beat_windows
from training.data.ecg5000_beats import read_beats, split_normals
from training.data.normals import folds
from training.data.records import DS2, TRAINING, database, read_record
from training.measure.tables import ODD_ONE
from training.progress import Bar

HELD_OUT_OF = 4  # one patient of so many stops the training and calibrates the score


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What each kind gets: the same for all."""

    train: tuple[str, ...] = TRAINING
    test: tuple[str, ...] = tuple(name for name in DS2 if name != ODD_ONE)
    epochs: int = 8
    examples_per_epoch: int = 0  # a random part of the windows; 0 = all
    splits: int = 3  # of ECG5000
    split_epochs: int = 60


# Minutes rather than half an hour: enough to see that all runs, not enough to choose by.
QUICK = Budget(
    train=("101", "106", "109", "119", "203", "215", "220", "223"),
    test=("105", "200", "213", "222", "233"),
    epochs=4,
    examples_per_epoch=12_800,
    splits=1,
    split_epochs=6,
)


@dataclass(frozen=True, slots=True, eq=False)
class KindData:
    """Beats of patients to learn from, to hold out, and to be judged on, and splits of ECG5000.

    train, held_out: at annotated R peaks; test: as our own detector finds them; early: of the first two;
    splits: normal beats to learn from and to test on, (n, 140) each; anomalous: (n, 140).
    """

    spec: WindowSpec
    train: list[BeatWindows]
    held_out: list[BeatWindows]
    test: list[BeatWindows]
    early: Calibration
    splits: list[tuple[NDArray[np.float32], NDArray[np.float32]]]
    anomalous: NDArray[np.float32]

    def normals(self, patients: list[BeatWindows]) -> NDArray[np.float32]:
        """(n, samples) mV: every usable lead of the patients' normal beats, as centred on its R peak."""
        return np.concatenate([normal_values(beats, beats.centred_mv(self.spec)) for beats in patients])


def read_kind_data(data: Path, budget: Budget, bar: Bar) -> KindData:
    """All of it; raises DataError where records or ECG5000 are missing."""
    folder, spec = database(data, "mitdb"), WindowSpec()
    read = {}
    with bar("reading", len(budget.train) + len(budget.test)) as advance:
        for name in (*budget.train, *budget.test):
            read[name] = beat_windows(read_record(folder / name), spec, detected=name in budget.test)
            advance(1)
    out = folds(list(budget.train), HELD_OUT_OF)[0]
    train = [read[name] for name in budget.train if name not in out]
    held_out = [read[name] for name in out]
    splits, anomalous = _ecg5000(data, budget.splits)
    return KindData(
        spec=spec,
        train=train,
        held_out=held_out,
        test=[read[name] for name in budget.test],
        early=fit_early([*train, *held_out]),
        splits=splits,
        anomalous=anomalous,
    )


def _ecg5000(
    data: Path, count: int
) -> tuple[list[tuple[NDArray[np.float32], NDArray[np.float32]]], NDArray[np.float32]]:
    """The first of the splits that protocol `ecg5000` makes."""
    beats, normal = read_beats(data)
    return [split_normals(beats[normal], seed) for seed in range(count)], beats[~normal]
