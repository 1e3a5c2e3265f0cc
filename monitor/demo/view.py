"""The demo as it runs: a scrolling strip, the last events, the figures and a progress bar."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from monitor.demo.braille import braille_trace
from monitor.demo.follower import Found, latencies_s
from monitor.recordings.recording import Recording
from monitor.scan.terminal import clock, event_table, probability

SHOWN_S = 8.0  # of signal in the strip
HEIGHT = 7  # lines
LAST_EVENTS = 6
PLAIN_EVERY_S = 5.0  # between lines where there is no terminal
_RANGE_MV = (-2.5, 2.5)
_FLAG_S = 0.2  # around a flagged R peak the trace is red


@dataclass(slots=True, eq=False)
class DemoView:
    """Shows a replay; `sent` moves on, `found` fills."""

    recording: Recording
    found: Found
    speed: float
    measured_s: Callable[[int], float]  # wall time of a sample under the replay
    sent: int = 0  # samples

    def __rich__(self) -> RenderableType:
        return Group(
            self._strip(),
            self._figures(),
            event_table(self.found.events[: -LAST_EVENTS - 1 : -1]),
            self._bar(),
        )

    def line(self) -> str:
        """The same in one line, for logs."""
        rate_hz, found = self.recording.rate_hz, self.found
        return (
            f"{clock(self.sent / rate_hz)} of {clock(self.recording.duration_s)}: {found.beats} beats, "
            f"{found.anomalous} anomalous, {len(found.events)} events, latency {self._latency()}"
        )

    def _strip(self) -> Panel:
        rate_hz = self.recording.rate_hz
        first = max(0, self.sent - round(SHOWN_S * rate_hz))
        ecg_mv = np.full(round(SHOWN_S * rate_hz), np.nan, np.float32)
        shown = self.recording.piece_mv(first, self.sent)[:, 0]
        ecg_mv[: len(shown)] = shown - (np.nanmedian(shown) if np.isfinite(shown).any() else 0)
        width = 100
        beats = self._recent_beats(first)
        cell = SHOWN_S * rate_hz / width
        marks = Text(" " * width)
        red: set[int] = set()
        for sample, flagged in beats:
            at = min(width - 1, int((sample - first) / cell))
            marks = (
                marks[:at]
                + Text("▼" if flagged else "▾", "bold red" if flagged else "green")
                + marks[at + 1 :]
            )
            if flagged:
                reach = int(_FLAG_S * rate_hz / cell)
                red.update(range(at - reach, at + reach + 1))
        lines = [Text(line, "white") for line in braille_trace(ecg_mv, width, HEIGHT, _RANGE_MV)]
        for line in lines:
            for at in red:
                line.stylize("bold red", max(0, at), max(0, at + 1))
        name = f"{self.recording.name}  {self.recording.leads[0].name}  {clock(self.sent / rate_hz)}"
        return Panel(Group(marks, *lines), title=name, title_align="left", width=width + 4)

    def _recent_beats(self, first: int) -> list[tuple[int, bool]]:
        """Sample and verdict of the beats in sight, from the batches that came last."""
        recent = []
        for windows in self.found.windows[-40:]:
            for index, kind in enumerate(windows.kind):
                if kind != "fixed" and windows.sample[index] >= first:
                    recent.append((int(windows.sample[index]), bool(windows.anomalous[index])))
        return recent

    def _figures(self) -> Table:
        table = Table.grid(padding=(0, 3))
        found = self.found
        p_value = None if np.isnan(found.last_p_value) else found.last_p_value
        table.add_row(
            f"beats [bold]{found.beats}[/]",
            f"anomalous [bold red]{found.anomalous}[/]",
            f"events [bold]{len(found.events)}[/]",
            f"last p [bold]{probability(p_value)}[/]",
            f"R peak → event [bold]{self._latency()}[/]",
        )
        return table

    def _latency(self) -> str:
        waits = latencies_s(self.found, self.measured_s)
        if not len(waits) or not self.speed:
            return "–"
        return f"p50 {np.median(waits):.2f} s, p99 {np.quantile(waits, 0.99):.2f} s"

    def _bar(self) -> Progress:
        bar = Progress(TextColumn(f"×{self.speed:g}"), BarColumn(80), TextColumn("{task.percentage:.0f} %"))
        bar.add_task("", total=len(self.recording), completed=self.sent)
        return bar


class PlainLines:
    """The view where there is no terminal: a line every few seconds."""

    def __init__(self, console: Console, view: DemoView, every_s: float = PLAIN_EVERY_S) -> None:
        self._console, self._view, self._every_s = console, view, every_s
        self._next_s = time.monotonic()

    def update(self) -> None:
        """Print a line if one is due."""
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + self._every_s
            self._console.print(self._view.line(), highlight=False, soft_wrap=True)
