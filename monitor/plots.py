"""Pictures of ECG on ECG paper: 25 mm a second, 10 mm a millivolt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator
from numpy.typing import NDArray

MM_PER_S, MM_PER_MV = 25.0, 10.0
_INCH = 25.4  # mm
_MARGIN_MM = (13.0, 11.0, 5.0, 11.0)  # left, bottom, right, top of every strip, for its texts
_HEAD_MM = 12.0  # for the picture's own title
_PAGE_MM = 280.0  # three strips of 3 s side by side
_EMPTY_MM = 120.0  # of a picture that shows nothing but its title
_HEIGHT_MV = (2.0, 7.0)  # least and most that a strip shows
_PAPER, _FINE, _COARSE = "#fffaf7", "#f7ddd6", "#ecb3a6"
_INK, _EXPECTED, _ERROR, _AROUND = "#1a1a1a", "#1f66ad", "#d8402a", "#8d8d8d"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Strip:
    """One piece of ECG to draw; arrays are (n,), NaN where there is nothing."""

    time_s: NDArray[np.float64]  # on whatever clock `r_peak_s` is
    ecg_mv: NDArray[np.float32]
    expected_mv: NDArray[np.float32] | None = None  # what the model expected
    band_mv: NDArray[np.float32] | None = None  # by how much it expects to be wrong
    context: tuple[NDArray[np.float64], NDArray[np.float32]] | None = None  # s and mV around it, in grey
    r_peak_s: Sequence[float] = ()  # beats to mark, the judged one first
    title: str = ""
    why: str = ""
    lead: str = ""

    def __post_init__(self) -> None:
        lengths = {
            len(part)
            for part in (self.time_s, self.ecg_mv, self.expected_mv, self.band_mv)
            if part is not None
        }
        if len(lengths) != 1 or not len(self.time_s):
            raise ValueError(f"need arrays of one length of at least 1; got lengths {sorted(lengths)}")


def draw_strips(strips: Sequence[Strip], path: Path, *, title: str, dpi: int = 130) -> None:
    """Write the strips as one PNG, left to right and top to bottom, all at the same scale."""
    left, bottom, right, top = _MARGIN_MM
    rows = _rows(strips)
    heights = [max(_range_mv(strip)[1] - _range_mv(strip)[0] for strip in row) * MM_PER_MV for row in rows]
    width = max((sum(_outer_mm(strip) for strip in row) for row in rows), default=_EMPTY_MM)
    height = sum(heights) + len(rows) * (bottom + top) + _HEAD_MM
    figure = Figure(figsize=(width / _INCH, height / _INCH), dpi=dpi, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    figure.text(left / width, 1 - 6 / height, title, fontsize=11, weight="bold", va="center")
    ceiling = height - _HEAD_MM
    legend: dict[str, Any] = {}
    for row, row_height in zip(rows, heights, strict=True):
        x, y = left, ceiling - top - row_height
        for strip in row:
            box = (x / width, y / height, _width_mm(strip) / width, row_height / height)
            axes = figure.add_axes(box)
            draw_strip(axes, strip, height_mv=row_height / MM_PER_MV)
            legend |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
            x += _outer_mm(strip)
        ceiling -= row_height + bottom + top
    # One for all: a legend in every strip would cover the signal.
    place = {"loc": "upper right", "bbox_to_anchor": (1 - right / width, 1 - 2 / height), "ncols": 4}
    figure.legend(legend.values(), legend.keys(), fontsize=7, frameon=False, **place)
    canvas.print_png(str(path))


def _rows(strips: Sequence[Strip]) -> list[list[Strip]]:
    """As many strips in a row as the page is wide."""
    rows: list[list[Strip]] = []
    for strip in strips:
        if rows and sum(_outer_mm(each) for each in [*rows[-1], strip]) <= _PAGE_MM:
            rows[-1].append(strip)
        else:
            rows.append([strip])
    return rows


def draw_strip(axes: Any, strip: Strip, *, height_mv: float | None = None) -> None:
    """One strip into matplotlib axes, whose size decides the scale."""
    low, high = _range_mv(strip)
    middle, half = (low + high) / 2, (height_mv or high - low) / 2
    _paper(axes, strip, middle - half, middle + half)
    if strip.context is not None:
        axes.plot(*strip.context, color=_AROUND, linewidth=0.8)
    expected = strip.expected_mv
    if expected is not None:
        if strip.band_mv is not None:
            axes.fill_between(
                strip.time_s,
                expected - strip.band_mv,
                expected + strip.band_mv,
                color=_EXPECTED,
                alpha=0.18,
                linewidth=0,
                label="expected error",
            )
        axes.fill_between(
            strip.time_s, strip.ecg_mv, expected, color=_ERROR, alpha=0.3, linewidth=0, label="error"
        )
        axes.plot(strip.time_s, expected, color=_EXPECTED, linewidth=1.0, label="expected")
    axes.plot(strip.time_s, strip.ecg_mv, color=_INK, linewidth=1.0, label="signal")
    for index, beat_s in enumerate(strip.r_peak_s):
        style = {"color": _ERROR if index == 0 else "#777777", "markersize": 6 if index == 0 else 4}
        axes.plot([beat_s], [middle + half - 0.1], marker="v", linestyle="none", clip_on=True, **style)
    axes.set_title(strip.title, fontsize=8.5, loc="left", pad=3)
    why_at = 1 + 5.0 / (2 * half * MM_PER_MV)  # 5 mm above the paper, over the title
    axes.text(0, why_at, strip.why, transform=axes.transAxes, fontsize=7.5, color=_ERROR)


def _paper(axes: Any, strip: Strip, low_mv: float, high_mv: float) -> None:
    """Grid, limits and units: fine lines each mm, coarse ones each 5 mm."""
    axes.set_facecolor(_PAPER)
    first_s = _span_s(strip)[0]
    axes.set_xlim(first_s, first_s + _width_mm(strip) / MM_PER_S)
    axes.set_ylim(low_mv, high_mv)
    for axis, mm in ((axes.xaxis, MM_PER_S), (axes.yaxis, MM_PER_MV)):
        axis.set_major_locator(MultipleLocator(5 / mm))
        axis.set_minor_locator(MultipleLocator(1 / mm))
        axis.grid(visible=True, which="minor", color=_FINE, linewidth=0.35)
        axis.grid(visible=True, which="major", color=_COARSE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", length=0, labelsize=6)
    # A coarse line each 5 mm is much for numbers: whole seconds and millivolts are enough.
    axes.xaxis.set_major_formatter(FuncFormatter(_whole))
    axes.yaxis.set_major_formatter(FuncFormatter(_whole))
    axes.set_xlabel("s", fontsize=7, labelpad=1)
    axes.set_ylabel(f"{strip.lead} (mV)".strip(), fontsize=7, labelpad=2)


def _whole(value: float, position: int | None) -> str:
    del position
    return f"{value:.0f}" if abs(value - round(value)) < 1e-6 else ""


def _span_s(strip: Strip) -> tuple[float, float]:
    times = strip.time_s if strip.context is None else np.append(strip.time_s, strip.context[0])
    return float(times.min()), float(times.max())


def _width_mm(strip: Strip) -> float:
    """Width on paper, in whole coarse squares."""
    first_s, last_s = _span_s(strip)
    return 5 * math.ceil((last_s - first_s) * MM_PER_S / 5 - 1e-9) or 5.0


def _outer_mm(strip: Strip) -> float:
    return _MARGIN_MM[0] + _width_mm(strip) + _MARGIN_MM[2]


def _range_mv(strip: Strip) -> tuple[float, float]:
    """Least and greatest mV to show, on coarse lines, with room for the beat marks."""
    around = None if strip.context is None else strip.context[1]
    parts = [part for part in (strip.ecg_mv, strip.expected_mv, around) if part is not None]
    values = np.concatenate(parts)
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (-1.0, 1.0)
    low, high = math.floor(low * 2 - 0.2) / 2, math.ceil(high * 2 + 0.6) / 2
    if high - low > _HEIGHT_MV[1]:
        middle = round(float(np.median(values)) * 2) / 2
        return middle - _HEIGHT_MV[1] / 2, middle + _HEIGHT_MV[1] / 2
    return low, max(high, low + _HEIGHT_MV[0])
