"""One strip of ECG: what belongs on it, and its drawing into axes whose scale someone else has set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.scan.explain import Explanation

INK, EXPECTED, ERROR, GREY = "#1a1a1a", "#1f66ad", "#d8402a", "#777777"
SPREADS = 2.0  # of the expected error to either side: nine in ten normal samples lie within
# Labels, for a legend.
SIGNAL, EXPECTED_LINE, BAND, ERROR_AREA = "signal", "expected", f"± {SPREADS:g} expected spreads", "error"
DUE, USUAL, FLAGGED = "a beat was due", "usual beat", "flagged beat"
_LETTER_S = 0.042  # a letter under a mark takes so much room
# What a beat was flagged as, the word under its mark, and the colour of both.
_FLAGGED = {
    "morphology": ("shape", ERROR),
    "early": ("early", "#b0620a"),
    "late": ("late", "#7a4fb5"),
    "missed": ("missed", INK),
    "?": ("?", GREY),
}


@dataclass(frozen=True, slots=True)
class Mark:
    """A beat on the strip."""

    time_s: float
    what: str = ""  # "morphology", "early", "late", "missed"; "?" = could not be judged; "" = usual
    shown: bool = False  # the beat that the strip is about
    label: str = ""  # what a person says that it is


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Strip:
    """One piece of ECG to draw; arrays are (n,), NaN where there is nothing. Times are on one clock, in s."""

    time_s: NDArray[np.float64]
    ecg_mv: NDArray[np.float32]
    expected: Explanation | None = None  # of one window of it
    marks: Sequence[Mark] = ()
    due_s: float | None = None  # when a beat was to come
    span_s: tuple[float, float] | None = None  # of a pause or of lost signal
    part_s: tuple[float, float] | None = None  # with the largest error
    part: str = ""  # its name
    title: str = ""
    why: str = ""
    lead: str = ""

    def __post_init__(self) -> None:
        lengths = sorted({len(self.time_s), len(self.ecg_mv)})
        if len(lengths) != 1 or not len(self.time_s):
            raise ValueError(f"need arrays of one length of at least 1; got lengths {lengths}")


def draw_tracing(axes: Any, strip: Strip) -> None:
    """Signal, expectation, and marks into matplotlib axes whose limits are set."""
    low, high = axes.get_ylim()
    if strip.span_s is not None:
        _span(axes, strip.span_s, low)
    if strip.expected is not None:
        _expectation(axes, strip.expected)
    axes.plot(strip.time_s, strip.ecg_mv, color=INK, linewidth=1.0, label=SIGNAL)
    if strip.part_s is not None:
        _part(axes, strip.part_s, strip.part, low)
    if strip.due_s is not None:
        axes.axvline(strip.due_s, color=EXPECTED, linewidth=0.9, linestyle=(0, (4, 3)), label=DUE)
    taken: list[tuple[float, float]] = []
    # The beat that the strip is about has its word, whatever its neighbours' are.
    for mark in sorted(strip.marks, key=lambda mark: not mark.shown):
        _mark(axes, mark, high)
        _word(axes, mark, high, taken)


def _expectation(axes: Any, expected: Explanation) -> None:
    """The window's expectation with its band, and the error in red, strong where it leaves the band."""
    time_s, ecg_mv, mean = expected.time_s, expected.ecg_mv, expected.expected_mv
    band = np.zeros_like(mean)
    if expected.spread_mv is not None:
        band = np.float32(SPREADS) * expected.spread_mv
        style = {"color": EXPECTED, "alpha": 0.18, "linewidth": 0}
        axes.fill_between(time_s, mean - band, mean + band, label=BAND, **style)
    error = {"color": ERROR, "linewidth": 0}
    axes.fill_between(time_s, ecg_mv, mean, alpha=0.12, **error)
    edge = np.clip(ecg_mv, mean - band, mean + band)
    axes.fill_between(time_s, ecg_mv, edge, alpha=0.3, label=ERROR_AREA, **error)
    axes.plot(time_s, mean, color=EXPECTED, linewidth=1.1, label=EXPECTED_LINE)


def _part(axes: Any, part_s: tuple[float, float], name: str, low: float) -> None:
    """A bar along the bottom under the part with the largest error."""
    axes.plot(part_s, [low + 0.06] * 2, color=ERROR, linewidth=2.5, solid_capstyle="butt")
    where = {"ha": "center", "va": "bottom", "clip_on": True}
    axes.text(sum(part_s) / 2, low + 0.1, name, fontsize=5.5, color=ERROR, **where)


def _span(axes: Any, span_s: tuple[float, float], low: float) -> None:
    """The interval's ground in grey, and its length."""
    axes.axvspan(*span_s, color=GREY, alpha=0.12, linewidth=0)
    # Of a long interval only the beginning is on the paper, and the words belong there.
    middle = (span_s[0] + min(span_s[1], axes.get_xlim()[1])) / 2
    text = f"{span_s[1] - span_s[0]:.2f} s"
    axes.text(middle, low + 0.1, text, fontsize=6.5, color=INK, ha="center", va="bottom", clip_on=True)


def _mark(axes: Any, mark: Mark, high: float) -> None:
    _, color = _FLAGGED.get(mark.what, ("", GREY))
    fill = {"markerfacecolor": color if mark.what else "none", "markeredgecolor": color}
    size = 7 if mark.shown else 4
    label = FLAGGED if mark.what else USUAL
    axes.plot([mark.time_s], [high - 0.1], marker="v", linestyle="none", markersize=size, label=label, **fill)


def _word(axes: Any, mark: Mark, high: float, taken: list[tuple[float, float]]) -> None:
    """The word under a mark, if no other has `taken` its place."""
    word, color = _FLAGGED.get(mark.what, ("", GREY))
    word = f"{mark.label} {word}".strip()
    half = len(word) * _LETTER_S / 2
    left, right = mark.time_s - half, mark.time_s + half
    first, last = axes.get_xlim()
    if left < first or right > last or any(left < end and begin < right for begin, end in taken):
        return
    below = high - (0.27 if mark.shown else 0.2)
    axes.text(mark.time_s, below, word, fontsize=5.5, color=color, ha="center", va="top")
    taken.append((left, right))
