"""Beats compared class by class as ANSI/AAMI EC57 does: the table of pairs, and what is read from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.scan.matching import (
    LEARNING_S,
    TOLERANCE_S,
    match_beats,
    outside_intervals,
    tolerance_samples,
)

NONE = "O"  # no beat there: a missed one's test label, an extra one's reference label
LABELS = "NSVFQ" + NONE

Ratio = tuple[int, int]  # a part and its whole


@dataclass(frozen=True, slots=True, eq=False)
class LabelledBeats:
    """One annotator's beats in time order; sample: (n,) sample numbers; label: (n,) AAMI classes."""

    sample: NDArray[np.int64]
    label: NDArray[np.str_]

    def rows(self, index: NDArray[np.bool_]) -> LabelledBeats:
        """Some of the beats."""
        return LabelledBeats(self.sample[index], self.label[index])


@dataclass(frozen=True, slots=True, eq=False)
class BeatTable:
    """How many reference beats of each class were given each label; counts: (6, 6), by LABELS."""

    counts: NDArray[np.int64]

    def pairs(self, reference: str, test: str) -> int:
        """Beats of any of these reference classes with any of these test labels."""
        rows, columns = ([LABELS.index(label) for label in labels] for labels in (reference, test))
        return int(self.counts[np.ix_(rows, columns)].sum())

    def ratios(self) -> dict[tuple[str, str], Ratio]:
        """EC57's statistics by name and group; the V and S ones as WFDB's `bxb` counts them.

        A fusion or an unclassifiable beat that is called V is no false V (nor an unclassifiable one
        that is called S a false S); as true negatives of the false positive rate they count.
        """
        beats, found = "NSVFQ", self.pairs("NSVFQ", "NSVFQ")
        ratios = {
            ("sensitivity", "QRS"): (found, self.pairs(beats, LABELS)),
            ("positive_predictivity", "QRS"): (found, self.pairs(LABELS, beats)),
        }
        for group, false_from in (("V", "NS" + NONE), ("S", "NVF" + NONE)):
            true, false = self.pairs(group, group), self.pairs(false_from, group)
            others = LABELS.replace(group, "")
            quiet = self.pairs(others, others.replace(NONE, ""))
            ratios["sensitivity", group] = true, self.pairs(group, LABELS)
            ratios["positive_predictivity", group] = true, true + false
            ratios["false_positive_rate", group] = false, false + quiet
        return ratios


def compare_beats(
    reference: LabelledBeats,
    test: LabelledBeats,
    rate_hz: float,
    flutter: NDArray[np.int64],
    learning_s: float = LEARNING_S,
) -> BeatTable:
    """The pairs after the learning period; what lies in annotated flutter or fibrillation is not counted.

    flutter: (n_intervals, 2) first and last sample.
    """
    tolerance, begin = tolerance_samples(rate_hz, TOLERANCE_S), round(learning_s * rate_hz)
    reference = reference.rows(outside_intervals(reference.sample, flutter))
    matches = match_beats(reference.sample, test.sample, tolerance)
    counts = np.zeros((len(LABELS), len(LABELS)), np.int64)

    def count(ours: Sequence[str] | NDArray[np.str_], theirs: Sequence[str] | NDArray[np.str_]) -> None:
        for one, other in zip(ours, theirs, strict=True):
            counts[LABELS.index(one), LABELS.index(other)] += 1

    pairs = matches.pairs[reference.sample[matches.pairs[:, 0]] >= begin]
    count(reference.label[pairs[:, 0]], test.label[pairs[:, 1]])
    missed = matches.missed[reference.sample[matches.missed] >= begin]
    count(reference.label[missed], [NONE] * len(missed))
    extra = LabelledBeats(test.sample[matches.extra], test.label[matches.extra])
    # As in `bxb`: just after the period's begin it may be the detection of a beat from before.
    extra = extra.rows((extra.sample > begin + tolerance) & outside_intervals(extra.sample, flutter))
    count([NONE] * len(extra.sample), extra.label)
    return BeatTable(counts)
