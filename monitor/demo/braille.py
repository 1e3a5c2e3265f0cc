"""ECG as text: two columns and four rows of dots in every character."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BLANK = 0x2800  # Unicode's first braille pattern
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])  # by row and column in a cell


def braille_trace(
    ecg_mv: NDArray[np.float32], width: int, height: int, range_mv: tuple[float, float]
) -> list[str]:
    """`height` lines of `width` characters that show the signal; NaN leaves a gap.

    ecg_mv: (n,) mV, the whole width; range_mv: at the bottom and the top edge, beyond which it is cut.
    """
    if width < 1 or height < 1 or range_mv[1] <= range_mv[0]:
        raise ValueError(f"need width, height >= 1 and a range; got {width=}, {height=}, {range_mv=}")
    columns, rows = 2 * width, 4 * height
    dots = np.zeros((rows, columns), np.bool_)
    edges = np.linspace(0, len(ecg_mv), columns + 1).astype(int)
    unit = (range_mv[1] - ecg_mv) / (range_mv[1] - range_mv[0])  # 0 at the top, 1 at the bottom
    row_of = np.clip(unit * (rows - 1), 0, rows - 1)
    for column in range(columns):
        # The sample before belongs to it, too: so steep lines have no gaps.
        piece = row_of[max(0, edges[column] - 1) : edges[column + 1]]
        piece = piece[np.isfinite(piece)]
        if len(piece):
            dots[round(float(piece.min())) : round(float(piece.max())) + 1, column] = True
    cells = dots.reshape(height, 4, width, 2).transpose(0, 2, 1, 3)  # (height, width, 4, 2)
    codes = _BLANK + (cells * _DOTS).sum(axis=(2, 3))
    return ["".join(map(chr, line)) for line in codes]
