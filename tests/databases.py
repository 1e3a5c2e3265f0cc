"""Small WFDB databases of made-up ECG, in the places where the real ones lie."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from monitor.readers.wfdb_records import wfdb_library
from monitor.synthetic import synthetic_ecg

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
