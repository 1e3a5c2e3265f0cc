"""Beat-by-beat comparison of two annotations, as ANSI/AAMI EC57 and WFDB's `bxb` do it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOLERANCE_S = 0.15  # EC57 4.3: two annotations within 150 ms are the same beat
LEARNING_S = 300.0  # EC57 4.3: the first five minutes are the detector's to learn


@dataclass(frozen=True, slots=True, eq=False)
class BeatMatches:
    """Which reference and test beats are the same; every array indexes the inputs of `match_beats`."""

    pairs: NDArray[np.int64]  # (n_pairs, 2): reference index, test index, both increasing
    missed: NDArray[np.int64]  # (n_missed,) reference beats without a test beat
    extra: NDArray[np.int64]  # (n_extra,) test beats without a reference beat

    def partners(self, count: int) -> NDArray[np.int64]:
        """(count,) for each of so many reference beats the index of its test beat, or -1."""
        partner = np.full(count, -1, np.int64)
        partner[self.pairs[:, 0]] = self.pairs[:, 1]
        return partner

    @property
    def sensitivity(self) -> float:
        """Part of the reference beats that were found; NaN without reference beats."""
        return sensitivity(len(self.pairs), len(self.missed))

    @property
    def positive_predictivity(self) -> float:
        """Part of the test beats that are beats; NaN without test beats."""
        return positive_predictivity(len(self.pairs), len(self.extra))


def sensitivity(found: int, missed: int) -> float:
    """TP / (TP + FN); NaN if there was nothing to find."""
    return found / (found + missed) if found + missed else float("nan")


def positive_predictivity(found: int, extra: int) -> float:
    """TP / (TP + FP); NaN if nothing was found."""
    return found / (found + extra) if found + extra else float("nan")


def tolerance_samples(sampling_rate_hz: float, tolerance_s: float = TOLERANCE_S) -> int:
    """Largest distance in whole samples that is within `tolerance_s`."""
    # The small term keeps 0.15 s at 360 Hz at 54 samples, whatever the product's rounding.
    return int(tolerance_s * sampling_rate_hz + 1e-9)


def match_beats(reference: NDArray[np.int64], test: NDArray[np.int64], tolerance: int) -> BeatMatches:
    """Pair beats one to one and in time order, each with its nearest.

    reference, test: (n,) sorted sample numbers of one sampling rate; tolerance: samples. As in `bxb`,
    the earlier of the two next beats is paired with the other one if they are within the tolerance
    and the beat that follows it is further from the other one, or has a nearer one of its own;
    otherwise it is missed (reference) or extra (test).
    """
    if tolerance < 0:
        raise ValueError(f"need tolerance >= 0 samples; got {tolerance}")
    for name, samples in (("reference", reference), ("test", test)):
        if samples.ndim != 1 or np.any(samples[1:] < samples[:-1]):
            raise ValueError(f"need 1-D sorted sample numbers; {name} is not")
    # Python integers: element access on arrays is several times slower.
    pairs, missed, extra = _walk(reference.tolist(), test.tolist(), tolerance)
    return BeatMatches(
        np.array(pairs, np.int64).reshape(-1, 2), np.array(missed, np.int64), np.array(extra, np.int64)
    )


def _walk(
    reference: list[int], test: list[int], tolerance: int
) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Pairs, missed and extra indices; both lists are walked once, the earlier beat first."""
    pairs: list[tuple[int, int]] = []
    missed: list[int] = []
    extra: list[int] = []
    i = j = 0
    while i < len(reference) and j < len(test):
        if reference[i] <= test[j]:
            if _pairs_with(reference[i : i + 2], test[j : j + 2], tolerance):
                pairs.append((i, j))
                j += 1
            else:
                missed.append(i)
            i += 1
        else:
            if _pairs_with(test[j : j + 2], reference[i : i + 2], tolerance):
                pairs.append((i, j))
                i += 1
            else:
                extra.append(j)
            j += 1
    missed.extend(range(i, len(reference)))
    extra.extend(range(j, len(test)))
    return pairs, missed, extra


def _pairs_with(own: list[int], other: list[int], tolerance: int) -> bool:
    """Whether the first of `own` goes with the later one of `other`; each with the beat after it, if any."""
    distance = other[0] - own[0]
    if distance > tolerance or len(own) < 2:
        return distance <= tolerance
    following = abs(own[1] - other[0])
    return distance < following or (len(other) == 2 and abs(own[1] - other[1]) < following)


def outside_intervals(samples: NDArray[np.int64], intervals: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n,) whether a beat lies in none of the intervals, such as ventricular flutter.

    samples: (n,); intervals: (n_intervals, 2) first and last sample, in any order.
    """
    bounds = intervals.reshape(-1, 2)
    inside = (samples[:, None] >= bounds[:, 0]) & (samples[:, None] <= bounds[:, 1])
    return np.asarray(~inside.any(axis=1), dtype=np.bool_)
