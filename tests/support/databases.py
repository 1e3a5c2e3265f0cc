"""Small WFDB databases of made-up ECG, in the places where the real ones lie."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from monitor.recordings.synthetic import synthetic_ecg
from monitor.recordings.wfdb_records import wfdb_library

RATE_HZ = 360


def write_record(
    folder: Path, name: str, seconds: float = 10.0, *, ventricular: Collection[int] = (0,), seed: int = 0
) -> Path:
    """A record of two leads with its annotations, listed in the folder's RECORDS; its path without suffix."""
    folder.mkdir(parents=True, exist_ok=True)
    ecg = synthetic_ecg(seconds, rate_hz=RATE_HZ, ventricular=ventricular, seed=seed)
    symbols = ["V" if wide else "N" for wide in ecg.ventricular]
    ecg_mv = ecg.ecg_mv.astype(float)
    with wfdb_library() as wfdb:
        places = {"write_dir": str(folder)}
        wfdb.wrsamp(name, RATE_HZ, ["mV", "mV"], ["MLII", "V1"], ecg_mv, fmt=["16", "16"], **places)
        wfdb.wrann(name, "atr", ecg.r_peak, symbols, fs=RATE_HZ, **places)
    with (folder / "RECORDS").open("a", encoding="utf-8") as records:
        records.write(f"{name}\n")
    return folder / name


def write_ecg5000(folder: Path, normal: int, anomalous: int) -> None:
    """ECG5000's file with beats of 140 samples: a bump each, an inverted one where anomalous."""
    rng = np.random.default_rng(0)
    bump = np.exp(-(((np.arange(140) - 60) / 10) ** 2))
    lines = ["split,normal,class," + ",".join(f"t{i}" for i in range(140))]
    for row in range(normal + anomalous):
        usual = row < normal
        beat = (1 if usual else -1) * bump * rng.normal(1, 0.1) + rng.normal(0, 0.05, 140)
        values = ",".join(f"{value:.5f}" for value in beat)
        lines.append(f"{'TRAIN' if row % 2 else 'TEST'},{int(usual)},{1 if usual else 0},{values}")
    (folder / "ecg5000").mkdir()
    (folder / "ecg5000" / "ECG5000_ALL.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
