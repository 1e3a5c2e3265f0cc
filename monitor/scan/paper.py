"""Pictures of ECG on ECG paper: 25 mm a second, 10 mm a millivolt."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator
from PIL import Image

from monitor.scan.strip import (
    BAND,
    DUE,
    ERROR,
    ERROR_AREA,
    EXPECTED_LINE,
    FLAGGED,
    SIGNAL,
    USUAL,
    Strip,
    draw_tracing,
)

MM_PER_S, MM_PER_MV = 25.0, 10.0
_INCH = 25.4  # mm
_MARGIN_MM = (13.0, 10.0, 5.0, 14.0)  # left, bottom, right, top of every strip, for its texts
_HEAD_MM = 12.0  # for the picture's own title
_PAGE_MM = 280.0  # three strips of 3 s side by side
_LEAST_MM = 262.0  # that title and legend need
_COLOURS = 256  # a palette makes the file a third as large; with fewer, the blues turn grey
_HEIGHT_MV = (2.0, 7.0)  # least and most that a strip shows
_WHY_LINES, _LINE_MM, _LETTER_MM = 2, 3.2, 1.25  # of the reason over a strip
_LEGEND = (SIGNAL, EXPECTED_LINE, BAND, ERROR_AREA, DUE, USUAL, FLAGGED)  # in this order
_PAPER, _FINE, _COARSE = "#fffaf7", "#f7ddd6", "#ecb3a6"


def draw_strips(strips: Sequence[Strip], path: Path, *, title: str, dpi: int = 130) -> None:
    """Write the strips as one PNG, left to right and top to bottom, all at the same scale."""
    left, bottom, right, top = _MARGIN_MM
    rows = _rows(strips)
    heights = [max(_range_mv(strip)[1] - _range_mv(strip)[0] for strip in row) * MM_PER_MV for row in rows]
    width = max([_LEAST_MM, *(sum(_outer_mm(strip) for strip in row) for row in rows)])
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
    place = {
        "loc": "upper right",
        "bbox_to_anchor": (1 - right / width, 1 - 2 / height),
        "ncols": len(_LEGEND),
    }
    named = {label: legend[label] for label in _LEGEND if label in legend}
    figure.legend(named.values(), named.keys(), fontsize=7, frameon=False, **place)
    path.write_bytes(png(canvas))


def strip_picture(strip: Strip, dpi: int = 150) -> bytes:
    """One strip with its title and reason as a PNG."""
    left, bottom, _, top = _MARGIN_MM
    low, high = _range_mv(strip)
    width, height = _outer_mm(strip), (high - low) * MM_PER_MV + bottom + top
    figure = Figure(figsize=(width / _INCH, height / _INCH), dpi=dpi, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    box = (left / width, bottom / height, _width_mm(strip) / width, 1 - (bottom + top) / height)
    draw_strip(figure.add_axes(box), strip)
    return png(canvas)


def png(canvas: FigureCanvasAgg) -> bytes:
    """What is on the canvas, with a palette."""
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    out = BytesIO()
    picture.quantize(_COLOURS).save(out, "png", optimize=True)
    return out.getvalue()


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
    draw_tracing(axes, strip)
    mm = 1 / (2 * half * MM_PER_MV)  # in units of the axes' height
    above = 1 + (1.6 + _WHY_LINES * _LINE_MM) * mm
    axes.text(0, above, strip.title, transform=axes.transAxes, fontsize=8.5, weight="bold")
    for at, line in enumerate(_why_lines(strip), 1):
        axes.text(0, above - at * _LINE_MM * mm, line, transform=axes.transAxes, fontsize=7, color=ERROR)


def _why_lines(strip: Strip) -> list[str]:
    """The reason in lines that fit over the paper."""
    width = int((_width_mm(strip) + _MARGIN_MM[2]) / _LETTER_MM)
    return textwrap.wrap(strip.why, width, max_lines=_WHY_LINES, placeholder=" …")


def _paper(axes: Any, strip: Strip, low_mv: float, high_mv: float) -> None:
    """Grid, limits and units: fine lines each mm, coarse ones each 5 mm."""
    axes.set_facecolor(_PAPER)
    first_s = float(strip.time_s[0])
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


def _width_mm(strip: Strip) -> float:
    """Width on paper, in whole coarse squares."""
    return 5 * math.ceil(float(strip.time_s[-1] - strip.time_s[0]) * MM_PER_S / 5 - 1e-9) or 5.0


def _outer_mm(strip: Strip) -> float:
    return _MARGIN_MM[0] + _width_mm(strip) + _MARGIN_MM[2]


def _range_mv(strip: Strip) -> tuple[float, float]:
    """Least and greatest mV to show, on coarse lines, with room for the beat marks."""
    values = strip.ecg_mv
    if strip.expected is not None:
        values = np.concatenate([values, strip.expected.expected_mv])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (-1.0, 1.0)
    low, high = math.floor(low * 2 - 0.2) / 2, math.ceil(high * 2 + 0.6) / 2
    if high - low > _HEIGHT_MV[1]:
        middle = round(float(np.median(values)) * 2) / 2
        return middle - _HEIGHT_MV[1] / 2, middle + _HEIGHT_MV[1] / 2
    return low, max(high, low + _HEIGHT_MV[0])
