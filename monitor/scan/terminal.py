"""What a scan found, for people at a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from monitor.formats.events import Event, Phase
from monitor.recordings.wfdb_records import Annotations
from monitor.scan.comparison import Comparison, compare
from monitor.scan.scan import ScanResult

if TYPE_CHECKING:  # torch, which the demo's own process does without until it draws
    from monitor.scan.groups import Group

MAX_ROWS = 40
_STYLES = {1: "bold red", 2: "yellow", 3: "cyan", 4: "dim"}


def clock(seconds: float) -> str:
    """Minutes and seconds, hours where there are any: 0:07.25, 1:02:33.10."""
    tenths = round(seconds * 100)
    minutes, rest = divmod(tenths, 6000)
    hours, minutes = divmod(minutes, 60)
    front = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{front}:{rest // 100:02d}.{rest % 100:02d}"


def probability(p_value: float | None) -> str:
    """A p-value in few characters."""
    return "" if p_value is None else f"{p_value:.1e}"


def event_table(events: list[Event], rows: int = MAX_ROWS) -> Table:
    """The first events as a table, episodes without their updates; a last line tells what is left out."""
    shown = [event for event in events if event.phase is not Phase.UPDATE]
    table = Table(title="Events", title_justify="left", header_style="bold")
    table.add_column("time", justify="right")
    for heading in ("kind", "why", "leads"):
        table.add_column(heading)
    table.add_column("p", justify="right")
    for event in shown[:rows]:
        kind = f"{event.kind} {event.phase}" if event.phase else str(event.kind)
        table.add_row(
            clock(_sample_of(event) / event.rate_hz),
            kind,
            event.why + (" (learning)" if event.learning else ""),
            " ".join(event.leads),
            probability(event.p_value),
            style=_STYLES[event.priority],
        )
    if len(shown) > rows:
        table.add_row("…", f"{len(shown) - rows} more", "all are in --json", "", "")
    return table


def _sample_of(event: Event) -> int:
    return event.last_sample if event.phase is Phase.END else event.r_peak_sample


def comparison_table(comparison: Comparison) -> Table:
    """Found against annotated, a row a class."""
    table = Table(title="Found against annotated", title_justify="left", header_style="bold")
    table.add_column("class")
    for heading in ("annotated", "scored", "flagged", "by beats", "by events"):
        table.add_column(heading, justify="right")
    for group, count in comparison.counts.items():
        if count.annotated:
            parts = (
                count.annotated,
                count.detected,
                count.flagged,
                count.flagged_beats,
                count.flagged_events,
            )
            table.add_row(group, *(str(part) for part in parts))
    return table


def kinds_shown(kinds: Mapping[str, int]) -> str:
    """How many beats were flagged as what, in words."""
    return ", ".join(f"{count} {kind.removeprefix('beat.')}" for kind, count in kinds.items())


def share_shown(count: int, total: int) -> str:
    """A number of beats and which part of all anomalous ones that is."""
    return f"{count} beats, {100 * count / total:.0f} %"


def group_table(groups: Sequence[Group], rate_hz: float) -> Table:
    """A row a group of alike anomalous beats, the largest first."""
    table = Table(title="Anomalous beats, grouped", title_justify="left", header_style="bold")
    for heading in ("group", "beats", "first", "last", "typical"):
        table.add_column(heading, justify="right")
    table.add_column("flagged as")
    total = sum(len(group) for group in groups)
    for number, group in enumerate(groups, 1):
        places = (group.sample[0], group.sample[-1], group.typical)
        table.add_row(
            str(number),
            share_shown(len(group), total),
            *(clock(float(sample) / rate_hz) for sample in places),
            kinds_shown(group.kinds),
        )
    return table


def print_scan(
    console: Console, result: ScanResult, labels: Annotations | None, groups: Sequence[Group] | None = None
) -> None:
    """Tables and summary of one recording; groups: of its anomalous beats, if asked for."""
    if result.events:
        console.print(event_table(result.events))
    if groups:
        console.print(group_table(groups, result.recording.rate_hz))
    recording, windows = result.recording, result.windows
    if labels is not None:
        comparison = compare(labels, windows, result.events, recording.rate_hz)
        console.print(comparison_table(comparison))
    beats = sum(kind != "fixed" for kind in windows.kind)
    kinds = Counter(str(event.kind) for event in result.events)
    found = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()) or "none"
    leads = " ".join(lead.name for lead in recording.leads)
    speed = recording.duration_s / result.elapsed_s if result.elapsed_s else 0.0
    console.print(
        f"{recording.name}: {clock(recording.duration_s)} at {recording.rate_hz:g} Hz, leads {leads}; "
        f"{beats} beats, {int(windows.anomalous.sum())} of {len(windows)} windows anomalous; "
        f"events: {found}; {result.elapsed_s:.1f} s, {speed:.0f} times real time",
        highlight=False,
        soft_wrap=True,
    )
