"""The kinds of encoder-decoder beside each other as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from monitor.formats import figures
from monitor.scan.paper import png
from training.compare.compare import ECG5000, INTER_PATIENT
from training.compare.contenders import DEFAULT
from training.measure.tables import by_key

_DEFAULT_COLOUR, _COLOUR = "#d8402a", "#1f66ad"
# Title, figure's name and group, and whether a kind's place is told by powers of ten.
_PANELS = (
    ("average precision, DS2", "average_precision", f"all{INTER_PATIENT}", False),
    ("AUROC of V, DS2", "auroc", f"V{INTER_PATIENT}", False),
    ("AUROC, ECG5000", "auroc", f"all{ECG5000}", False),
    ("error, µV", "reconstruction_error_uv", "", False),
    ("windows a second", "windows_per_second", "", True),
    ("parameters", "parameters", "", True),
    ("training, s", "training_time_s", "", True),
)


def draw_kinds(found: Sequence[figures.Figure]) -> bytes:
    """A row a kind, a column a measure, with intervals where there are any; as PNG."""
    kinds = list(dict.fromkeys(each.group.partition("/")[0] for each in found))
    places = by_key(found)
    figure = Figure(figsize=(15, 1.3 + 0.3 * len(kinds)), dpi=110, layout="constrained", facecolor="white")
    canvas = FigureCanvasAgg(figure)
    for axes, (title, name, group, powers) in zip(
        figure.subplots(1, len(_PANELS), sharey=True), _PANELS, strict=True
    ):
        for row, kind in enumerate(kinds):
            _mark(axes, row, kind, places.get((name, f"{kind}/{group}".rstrip("/"))))
        if powers:
            axes.set_xscale("log")
        axes.set_title(title, fontsize=10)
        axes.set(yticks=np.arange(len(kinds)), yticklabels=kinds, ylim=(len(kinds) - 0.5, -0.5))
        axes.tick_params(axis="x", labelsize=8)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return png(canvas)


def _mark(axes: Any, row: int, kind: str, figure: figures.Figure | None) -> None:
    if figure is None or figure.value is None:
        return
    is_default = kind == DEFAULT
    # Colour is not the only sign of the default: its mark has another shape.
    color, marker = (_DEFAULT_COLOUR, "D") if is_default else (_COLOUR, "o")
    if figure.low is not None and figure.high is not None:
        axes.plot([figure.low, figure.high], [row, row], color=color, linewidth=1.5, alpha=0.5)
    axes.plot([figure.value], [row], marker, color=color, markersize=6)
    if is_default:
        axes.axvline(figure.value, color=color, linewidth=0.7, alpha=0.5)
