"""ECG as text."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.demo.braille import braille_trace


def test_a_level_line_fills_one_row_of_dots() -> None:
    """The middle of the range is in the middle of the lines."""
    lines = braille_trace(np.zeros(100, np.float32), 5, 3, (-1.0, 1.0))
    assert lines[0] == lines[2] == "⠀" * 5
    assert len(set(lines[1])) == 1
    assert lines[1] != "⠀" * 5


def test_top_and_bottom_are_where_they_belong() -> None:
    """A step goes from the last line to the first one and leaves no gap between."""
    step = np.repeat([-5.0, 5.0], 50).astype(np.float32)
    lines = braille_trace(step, 4, 3, (-1.0, 1.0))
    assert lines[2][:2] == "⣀⣀"
    assert lines[0][3] == "⠉"
    assert lines[1][2] != "⠀"


def test_missing_signal_is_blank() -> None:
    """NaN draws nothing."""
    assert braille_trace(np.full(50, np.nan, np.float32), 3, 2, (-1.0, 1.0)) == ["⠀⠀⠀"] * 2


def test_fewer_samples_than_dots() -> None:
    """A short signal is stretched over the width."""
    assert len(braille_trace(np.zeros(3, np.float32), 10, 1, (-1.0, 1.0))[0]) == 10


def test_an_empty_range_is_refused() -> None:
    """There is no scale from a point to itself."""
    with pytest.raises(ValueError, match="need width"):
        braille_trace(np.zeros(3, np.float32), 10, 1, (1.0, 1.0))
