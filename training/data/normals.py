"""Normal windows of the training patients, cut by the same signal path that runs in the worker.

Nothing here takes an anomaly label: a record comes with the R peaks of its normal beats, and every
other beat is one that "is not known to be normal".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.adapt.beats import BeatBatch, Lesson
from monitor.adapt.path import SignalPath, Windows
from monitor.ecg.filters import INTERNAL_RATE_HZ
from monitor.ecg.quality import Quality
from monitor.ecg.samples import Samples
from monitor.ecg.windows import WindowSpec
from monitor.scan.matching import match_beats, tolerance_samples
from training.errors import DataError

CLEAR_S = 0.4  # no beat that is not normal so near to a normal fixed window


@dataclass(frozen=True, slots=True, eq=False)
class NormalRecord:
    """One patient's recording and where its normal beats are; ecg_mv: (n, leads), NaN = not measured."""

    name: str
    rate_hz: float
    ecg_mv: NDArray[np.float32]
    normal_r: NDArray[np.int64]  # input sample numbers


@dataclass(frozen=True, slots=True, eq=False)
class PatientNormals:
    """One patient's normal beats (in order) and normal fixed windows.

    r_peak: (n,) internal samples; fixed_mv: (m, fixed samples, leads); fixed_good: (m, leads).
    """

    name: str
    beats: BeatBatch
    r_peak: NDArray[np.int64]
    fixed_mv: NDArray[np.float32]
    fixed_good: NDArray[np.bool_]


def normals_of(record: NormalRecord, spec: WindowSpec) -> PatientNormals:
    """Run a record through the signal path and keep what is normal; raises DataError if nothing is."""
    leads = record.ecg_mv.shape[1]
    path, slot = SignalPath(spec, 1, leads), np.zeros(1, np.int64)
    windows = path.advance(Samples.of_signal(record.ecg_mv, record.rate_hz))
    r_peaks = windows.beats.sample
    normal_r = np.round(record.normal_r * INTERNAL_RATE_HZ / record.rate_hz).astype(np.int64)
    normal = np.zeros(len(r_peaks), bool)
    normal[match_beats(normal_r, r_peaks, tolerance_samples(INTERNAL_RATE_HZ)).pairs[:, 1]] = True
    if not normal.any():
        raise DataError(f"{record.name}: none of its {len(r_peaks)} detected beats is normal; leave it out")
    parts: list[tuple[NDArray[np.int64], BeatBatch]] = []

    def judge(rows: NDArray[np.int64], beats: BeatBatch) -> Lesson:
        parts.append((rows, beats))
        no, nothing = np.zeros(len(rows), bool), np.full(len(rows), np.nan)
        return Lesson(flagged=no, usual=normal[rows], strange=no, surprise=nothing)

    path.judge_beats(windows, slot, judge)
    rows = np.concatenate([rows for rows, _ in parts])
    beats = BeatBatch.joined([beats for _, beats in parts])
    clear = _clear_fixed(windows, r_peaks[~normal], spec)
    return PatientNormals(
        name=record.name,
        beats=beats.rows(normal[rows]),
        r_peak=r_peaks[rows][normal[rows]],
        fixed_mv=windows.fixed_mv[clear],
        fixed_good=windows.fixed_quality[clear] == Quality.GOOD,
    )


def _clear_fixed(windows: Windows, other_r: NDArray[np.int64], spec: WindowSpec) -> NDArray[np.bool_]:
    """Fixed windows that no beat touches which is not known to be normal, (m,)."""
    near = round(CLEAR_S * INTERNAL_RATE_HZ)
    first = windows.fixed.sample
    before = np.searchsorted(other_r, first - near)
    after = np.searchsorted(other_r, first + spec.fixed_span + near)
    clear: NDArray[np.bool_] = before == after
    return clear


def folds(names: list[str], count: int) -> list[list[str]]:
    """Patients dealt out, the same way every time; raises ValueError for fewer patients than folds."""
    if not 2 <= count <= len(names):
        raise ValueError(f"need 2 to {len(names)} folds for {len(names)} patients; got {count}")
    return [sorted(names)[k::count] for k in range(count)]
