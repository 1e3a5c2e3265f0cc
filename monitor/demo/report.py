"""What the demo found, against the annotations, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from monitor.demo.follower import Found
from monitor.formats.beats import ScoredWindows
from monitor.formats.figures import Figure, figure
from monitor.recordings.recording import Recording
from monitor.recordings.wfdb_records import Annotations
from monitor.scan.comparison import Comparison, compare, comparison_figures
from monitor.scan.terminal import comparison_table

# What the five minutes of record 208 must show, from a cold start.
EXCERPT_TARGETS = {("sensitivity", "V"): 87 / 93, ("false_beats", "N"): 12.0}
LATENCY_TARGET_S = 2.0  # p99, R peak to event


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DemoRun:
    """One finished demo."""

    recording: Recording
    labels: Annotations | None
    found: Found
    latency_s: NDArray[np.float64]  # (n_events,)
    speed: float
    targets: dict[tuple[str, str], float]

    @property
    def windows(self) -> ScoredWindows | None:
        """Every scored window, in time order; None if there was none."""
        return ScoredWindows.joined(self.found.windows).in_time_order() if self.found.windows else None


def write_report(run: DemoRun, output: Path, console: Console) -> None:
    """Write summary.json and events.jsonl, and print the summary."""
    windows = run.windows
    comparison = None
    if windows is not None and run.labels is not None:
        comparison = compare(run.labels, windows, run.found.events, run.recording.rate_hz)
    figures = demo_figures(run, comparison)
    (output / "events.jsonl").write_bytes(b"".join(_event_lines(run.found)))
    summary = _summary(run, comparison, figures)
    (output / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    _print(console, comparison, figures)


def demo_figures(run: DemoRun, comparison: Comparison | None) -> list[Figure]:
    """Sensitivities, false beats and latencies, with what they should be."""
    figures = (
        [] if comparison is None else comparison_figures(comparison, run.recording.duration_s, run.targets)
    )
    waits = run.latency_s
    p50, p99 = (float(np.quantile(waits, part)) if len(waits) else float("nan") for part in (0.5, 0.99))
    return [
        *figures,
        figure("latency_p50_s", p50, better="lower"),
        figure("latency_p99_s", p99, target=LATENCY_TARGET_S, better="lower"),
    ]


def _event_lines(found: Found) -> list[bytes]:
    lines = []
    for event, value in zip(found.events, found.event_values, strict=True):
        envelope = msgspec.json.decode(value, type=dict[str, Any])
        lines.append(msgspec.json.encode(envelope | {"r_peak_sample": event.r_peak_sample}) + b"\n")
    return lines


def _summary(run: DemoRun, comparison: Comparison | None, figures: list[Figure]) -> dict[str, Any]:
    found = run.found
    model = found.events[0] if found.events else None
    return {
        "figures": [msgspec.to_builtins(each) for each in figures],
        "record": run.recording.name,
        "duration_s": run.recording.duration_s,
        "speed": run.speed,
        "classes": None
        if comparison is None
        else {group: asdict(count) for group, count in comparison.counts.items() if count.annotated},
        "false_events": None if comparison is None else comparison.false_events,
        "extra_beats": None if comparison is None else comparison.extra_beats,
        "beats": found.beats,
        "anomalous_beats": found.anomalous,
        "events": len(found.events),
        "model": None if model is None else {"name": model.model, "version": model.model_version},
    }


def _print(console: Console, comparison: Comparison | None, figures: list[Figure]) -> None:
    if comparison is not None:
        console.print(comparison_table(comparison))
    for each in figures:
        value = "–" if each.value is None else f"{each.value:.4g}"
        wanted = (
            ""
            if each.target is None
            else f"  (wanted {'≥' if each.better == 'higher' else '≤'} {each.target:.4g})"
        )
        style = {True: "green", False: "bold red", None: ""}[each.met]
        console.print(f"{each.name:<22}{each.group:<5}{value:>9}{wanted}", style=style, highlight=False)
