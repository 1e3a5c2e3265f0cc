"""Figures of the `qrs` protocol from counts that can be checked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.measure.qrs_counts import (
    NEARLY,
    OURS,
    QrsCount,
    clean_figures,
    f1,
    noise_figures,
    record_table,
    summary_table,
)
from training.measure.qrs_peers import GQRS_PERCENT, PEERS


def counted(name: str, found: int, missed: int, extra: int) -> QrsCount:
    """One record."""
    return QrsCount(name, found, missed, extra)


def test_each_record_counts_alike() -> None:
    """A short record weighs as much as a long one, but for the gross figures."""
    rows = [counted("100", 90, 10, 0), counted("101", 10, 0, 0), counted("103", 1, 0, 1)]
    figures = {(each.name, each.group): each for each in clean_figures({OURS: rows, "XQRS": rows})}
    assert figures["sensitivity", "all"].value == pytest.approx(2.9 / 3)
    assert figures["sensitivity", "gross"].value == pytest.approx(101 / 111)
    assert figures["sensitivity", "all"].met is False
    assert figures["sensitivity", "all/XQRS"].target is None


def test_noise_target_is_the_best_of_the_others() -> None:
    """At 6 dB ours must be better than every other detector; at 24 dB nearly as good is enough."""
    ours = [counted("118e06", 90, 10, 10), counted("118e24", 100, 0, 0)]
    peer = [counted("118e06", 95, 5, 5), counted("118e24", 100, 0, 0)]
    figures = {(each.name, each.group): each for each in noise_figures({OURS: ours, "XQRS": peer})}
    assert figures["f1", "6dB"].target == pytest.approx(0.95)
    assert figures["f1", "6dB"].met is False
    assert figures["f1", "24dB"].target == pytest.approx(1 - NEARLY)
    assert figures["f1", "24dB"].met is True
    assert figures["f1", "6dB/gqrs"].value == pytest.approx(f1(*(np.array(GQRS_PERCENT["6"]) / 100)))
    assert "12dB" not in {group for _, group in figures}


def test_f1_of_nothing_is_no_number() -> None:
    """Neither a beat nor a detection: there is no F1."""
    assert math.isnan(f1(0.0, 0.0))
    assert f1(1.0, 0.5) == pytest.approx(2 / 3)


def test_tables_show_every_detector() -> None:
    """A column a detector for each record, and targets beside what they ask of."""
    counts = {OURS: [counted("100", 1, 0, 0)], "XQRS": [counted("100", 3, 1, 0)]}
    table = record_table("MIT-BIH", counts)
    assert table.columns[-2:] == (OURS, "XQRS")
    assert table.rows[0] == ("100", "1", "0", "0", "100.0/100.0", "75.0/100.0")
    rows = {row[0]: row[1:] for row in summary_table(clean_figures(counts)).rows}
    assert rows["all"] == ("100.00 ≥ 0.998 ✓", "100.00 ≥ 0.9975 ✓", "100.00")
    assert rows["all/XQRS"] == ("75.00", "100.00", "85.71")


@pytest.mark.parametrize("peer", PEERS)
def test_published_detectors_find_plain_beats(peer: str) -> None:
    """Their wrappers take our arrays and give R peaks in order."""
    rate_hz = 360.0
    time_s = np.arange(round(40 * rate_hz)) / rate_hz
    beats_s = np.arange(0.5, 39.5, 0.8)
    ecg_mv = np.exp(-0.5 * ((time_s[:, None] - beats_s) / 0.012) ** 2).sum(axis=1)
    found = PEERS[peer](ecg_mv, rate_hz)
    assert found.dtype == np.int64
    assert np.all(np.diff(found) > 0)
    near = np.abs(found[:, None] / rate_hz - beats_s).min(axis=0) < 0.15
    assert near[3:-1].all()
