"""How long a stream is in false alarm."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.formats.events import Event
from training.data.records import Interval


def false_seconds(false: Sequence[Interval], events: Sequence[Event], rate_hz: float) -> float:
    """Seconds that false alarms cover together: a beat's whole window, an episode from onset to end.

    false: as `training.measure.evaluation.false_alarms` gives them, of these events.
    """
    windows = {
        (event.kind.value, event.r_peak_sample): (event.first_sample, event.last_sample)
        for event in events
        if event.phase is None
    }
    spans = sorted(windows.get((alarm.what, alarm.first), (alarm.first, alarm.last)) for alarm in false)
    return sum(last - first + 1 for first, last in union(spans)) / rate_hz


def union(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans joined where they overlap or touch; spans: first and last sample, sorted."""
    joined: list[tuple[int, int]] = []
    for first, last in spans:
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(last, joined[-1][1])
        else:
            joined.append((first, last))
    return joined
