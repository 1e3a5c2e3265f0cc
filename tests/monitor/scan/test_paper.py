"""Pictures on ECG paper."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure

from monitor.scan.explain import Explanation
from monitor.scan.paper import MM_PER_MV, MM_PER_S, draw_strip, draw_strips
from monitor.scan.strip import (
    BAND,
    DUE,
    ERROR_AREA,
    EXPECTED_LINE,
    FLAGGED,
    SIGNAL,
    USUAL,
    Mark,
    Strip,
)


def _strip(seconds: float = 2.0, scale: float = 1.0) -> Strip:
    time_s = np.arange(0, seconds, 0.004)
    ecg_mv = (scale * np.sin(7 * time_s)).astype(np.float32)
    return Strip(
        time_s=time_s,
        ecg_mv=ecg_mv,
        expected=Explanation("II", time_s, ecg_mv, ecg_mv / 2, np.full_like(ecg_mv, 0.1)),
        marks=[Mark(0.2), Mark(1.0, "morphology", shown=True), Mark(1.1, "early"), Mark(1.99, "?")],
        due_s=1.4,
        part_s=(0.9, 1.0),
        part="QRS",
        title="0:01.00  beat.morphology",
        why="morphology",
        lead="II",
    )


def _pixels(path: Path) -> np.ndarray:
    return matplotlib.image.imread(path)


def test_paper_has_its_scale(tmp_path: Path) -> None:
    """Twelve seconds are 300 mm wide, in pixels; strips that do not fit go below each other."""
    for count in (1, 2):
        draw_strips([_strip(6.0)] * count, tmp_path / f"{count}.png", title="t", dpi=127)
    one, two = (_pixels(tmp_path / f"{count}.png") for count in (1, 2))
    assert two.shape[0] - one.shape[0] == pytest.approx(one.shape[0] - 5 * 12, abs=2)
    draw_strips([_strip(12.0)], tmp_path / "long.png", title="t", dpi=127)
    assert _pixels(tmp_path / "long.png").shape[1] == pytest.approx(5 * (12 * MM_PER_S + 18), abs=2)


def test_axes_have_units() -> None:
    """Seconds across, the lead in mV up, and a line every millimetre."""
    axes = Figure().add_axes((0.0, 0.0, 1.0, 1.0))
    draw_strip(axes, _strip())
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("s", "II (mV)")
    ticks = axes.yaxis.get_minor_locator().tick_values(0, 1)
    assert np.diff(ticks)[0] == pytest.approx(1 / MM_PER_MV)


def _axes() -> Any:
    return Figure().add_axes((0.0, 0.0, 1.0, 1.0))


def _texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_everything_that_explains_is_drawn() -> None:
    """Signal, expectation with its band, error, and when a beat was due; usual and flagged beats."""
    axes = _axes()
    draw_strip(axes, _strip())
    labels = set(axes.get_legend_handles_labels()[1])
    assert labels == {SIGNAL, EXPECTED_LINE, BAND, ERROR_AREA, DUE, USUAL, FLAGGED}


def test_words_stand_where_there_is_room() -> None:
    """A flagged beat says what it is, unless a word is already there or the paper ends; so does the part."""
    axes = _axes()
    draw_strip(axes, _strip())
    assert {"shape", "QRS"} <= set(_texts(axes))
    assert not {"early", "?"} & set(_texts(axes))


def test_without_a_spread_there_is_no_band() -> None:
    """The population's network does not tell how far it may be wrong."""
    axes, strip = _axes(), _strip()
    assert strip.expected is not None
    draw_strip(axes, replace(strip, expected=replace(strip.expected, spread_mv=None)))
    labels = axes.get_legend_handles_labels()[1]
    assert BAND not in labels
    assert ERROR_AREA in labels


def test_without_expectation_there_is_the_signal() -> None:
    """A pause has no reconstruction, only signal and its length."""
    axes = _axes()
    draw_strip(axes, Strip(time_s=np.arange(5.0), ecg_mv=np.zeros(5, np.float32), span_s=(1.0, 3.5)))
    assert axes.get_legend_handles_labels()[1] == [SIGNAL]
    assert "2.50 s" in _texts(axes)


def test_a_long_reason_is_cut() -> None:
    """Two lines fit over the paper; more would cover the strip above."""
    axes = _axes()
    draw_strip(axes, replace(_strip(), why="word " * 60))
    lines = [text for text in _texts(axes) if text.startswith("word")]
    assert len(lines) == 2
    assert lines[-1].endswith("…")


def test_a_wild_signal_does_not_burst_the_page(tmp_path: Path) -> None:
    """Hundreds of mV and nothing at all both give a picture of sensible size."""
    nothing = Strip(time_s=np.arange(0, 2, 0.004), ecg_mv=np.full(500, np.nan, np.float32))
    draw_strips([_strip(scale=300.0), nothing], tmp_path / "wild.png", title="wild")
    assert max(_pixels(tmp_path / "wild.png").shape) < 2000


def test_arrays_of_two_lengths_are_refused() -> None:
    """A strip whose parts do not fit is the caller's mistake."""
    with pytest.raises(ValueError, match="one length"):
        Strip(time_s=np.arange(4.0), ecg_mv=np.zeros(5, np.float32))
