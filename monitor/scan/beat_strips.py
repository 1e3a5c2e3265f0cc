"""Single beats as strips, each with its neighbours: alike ones side by side, or a group by a typical one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from monitor.formats.beats import ScoredWindows
from monitor.recordings.recording import Recording
from monitor.scan.explain import Explanation, Wanted
from monitor.scan.finding_strips import AFTER_S, BEFORE_S, Explain, beat_marks, signal_of
from monitor.scan.groups import Group
from monitor.scan.paper import draw_strips
from monitor.scan.strip import Mark, Strip
from monitor.scan.terminal import clock, kinds_shown, share_shown

_SAME_S = 0.05


def beat_strip(
    recording: Recording,
    sample: int,
    lead: str,
    *,
    title: str,
    why: str,
    marks: Sequence[Mark],
    expected: Explanation | None = None,
) -> Strip:
    """A beat on paper, filtered as the model saw it, with the seconds around it.

    sample: its R peak; marks: its own and its neighbours'.
    """
    time_s, ecg_mv = signal_of(recording, *_shown(recording, sample), lead, as_judged=True)
    at_s = sample / recording.rate_hz
    return Strip(
        time_s=time_s,
        ecg_mv=ecg_mv,
        expected=expected,
        marks=[replace(mark, shown=abs(mark.time_s - at_s) < _SAME_S) for mark in marks],
        title=title,
        why=why,
        lead=lead,
    )


def _shown(recording: Recording, sample: int) -> tuple[int, int]:
    """First and last sample (excluded) of a beat's strip."""
    before, after = (round(seconds * recording.rate_hz) for seconds in (BEFORE_S, AFTER_S))
    return max(0, sample - before), min(len(recording), sample + after)


def draw_groups(
    recording: Recording, groups: Sequence[Group], windows: ScoredWindows, explain: Explain, *, path: Path
) -> None:
    """Write a PNG with a typical beat of each group, the largest group first."""
    leads = [recording.leads[group.lead].name for group in groups]
    wanted = [Wanted(group.typical, lead) for group, lead in zip(groups, leads, strict=True)]
    total = sum(len(group) for group in groups)
    strips = [
        beat_strip(
            recording,
            group.typical,
            lead,
            title=f"{number}: {share_shown(len(group), total)}   {clock(group.typical / recording.rate_hz)}",
            why=kinds_shown(group.kinds),
            marks=beat_marks(windows, recording.rate_hz, _shown(recording, group.typical)),
            expected=expected,
        )
        for number, (group, lead, expected) in enumerate(
            zip(groups, leads, explain(recording, wanted), strict=True), 1
        )
    ]
    found = f"{total} anomalous beats in {len(groups)} groups" if strips else "no anomalous beats"
    draw_strips(strips, path, title=f"{recording.name}: {found}")
