"""EC57's table of pairs, held against what WFDB's own comparator printed."""

from __future__ import annotations

import numpy as np
import pytest

from training.data.records import AAMI
from training.measure.confusion import LABELS, BeatTable, LabelledBeats, compare_beats

RATE = 360
START = 300 * RATE
NO_FLUTTER = np.empty((0, 2), np.int64)
FLUTTER = np.array([[START + 5200, START + 5900]])
# Sample from minute 5 on, and symbol: every kind of pair, a beat just before the period and its detection
# just after it, distances of 54 and 55 samples, flutter, and two pairs of close beats.
REFERENCE = (
    (-400, "N"), (-30, "N"), (360, "N"), (720, "V"), (1080, "A"), (1440, "F"), (1800, "Q"), (2160, "V"),
    (2520, "N"), (2880, "V"), (3240, "N"), (3600, "N"), (3960, "a"), (4320, "L"), (4680, "V"), (5040, "N"),
    (6200, "N"), (6560, "E"), (6920, "S"), (7280, "F"), (7640, "N"), (7800, "V"), (7860, "V"), (8200, "N"),
    (8280, "N"), (8700, "N"),
)  # fmt: skip
TEST = (
    (-390, "N"), (20, "N"), (360, "N"), (725, "V"), (1080, "S"), (1444, "V"), (1800, "S"), (2214, "V"),
    (2575, "N"), (2826, "N"), (3240, "V"), (3600, "S"), (3960, "N"), (4320, "Q"), (4500, "V"), (4860, "S"),
    (5040, "N"), (5400, "V"), (5600, "N"), (6200, "N"), (6560, "S"), (6920, "V"), (7280, "N"), (7500, "N"),
    (7832, "V"), (7876, "S"), (8240, "N"), (8700, "N"),
)  # fmt: skip
# Printed by `bxb -r case -a atr mon -S -` of the WFDB Software Package 10.7 for these annotations.
BXB = [
    [5, 1, 1, 0, 1, 3],
    [1, 1, 1, 0, 0, 0],
    [1, 2, 3, 0, 0, 1],
    [1, 0, 1, 0, 0, 0],
    [0, 1, 0, 0, 0, 0],
    [2, 1, 1, 0, 0, 0],
]


def _beats(notes: tuple[tuple[int, str], ...]) -> LabelledBeats:
    samples, symbols = zip(*notes, strict=True)
    return LabelledBeats(np.array(samples) + START, np.array([AAMI[symbol] for symbol in symbols]))


@pytest.fixture(scope="module")
def table() -> BeatTable:
    """The pairs of the hand-made case."""
    return compare_beats(_beats(REFERENCE), _beats(TEST), RATE, FLUTTER)


def test_pairs_are_those_of_bxb(table: BeatTable) -> None:
    """Every cell of the comparator's table."""
    assert table.counts.tolist() == BXB


def test_statistics_are_those_of_bxb(table: BeatTable) -> None:
    """The ratios that it prints, parts and wholes."""
    ratios = table.ratios()
    assert ratios["sensitivity", "QRS"] == ratios["positive_predictivity", "QRS"] == (20, 24)
    assert (ratios["sensitivity", "V"], ratios["positive_predictivity", "V"]) == ((3, 7), (3, 6))
    assert (ratios["sensitivity", "S"], ratios["positive_predictivity", "S"]) == ((1, 3), (1, 5))


def test_false_positive_rate_is_of_all_that_is_not_the_class(table: BeatTable) -> None:
    """False ones of the false ones and all pairs that neither side gives the class; `bxb` does it for V."""
    not_v = table.pairs("NSFQO", "NSFQ")
    assert table.ratios()["false_positive_rate", "V"] == (3, 3 + not_v) == (3, 17)


def test_the_learning_period_can_be_left_out() -> None:
    """From the first sample on, the beats before minute 5 count, too."""
    whole = compare_beats(_beats(REFERENCE), _beats(TEST), RATE, FLUTTER, learning_s=0)
    assert whole.counts.sum() == sum(map(sum, BXB)) + 2


def test_flutter_counts_for_nothing() -> None:
    """Without its marks the detections inside it are extra beats."""
    table = compare_beats(_beats(REFERENCE), _beats(TEST), RATE, NO_FLUTTER)
    assert (table.pairs("O", "V"), table.pairs("O", "N")) == (2, 3)


def test_nothing_found() -> None:
    """All beats are missed; predictivity has nothing to be a part of."""
    none = LabelledBeats(np.zeros(0, np.int64), np.zeros(0, "U1"))
    ratios = compare_beats(_beats(REFERENCE), none, RATE, NO_FLUTTER).ratios()
    assert ratios["sensitivity", "V"] == (0, 7)
    assert ratios["positive_predictivity", "QRS"] == (0, 0)


def test_labels_are_the_classes_and_none() -> None:
    """One row and one column each."""
    assert LABELS == "NSVFQO"
