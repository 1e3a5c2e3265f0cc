"""Checks what `make demo` wrote: `check_demo.py build/demo` ends with 0 only if it is whole and on target."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PNG = b"\x89PNG\r\n\x1a\n"
EXCERPT_SAMPLES = 108_000


def problems(folder: Path) -> list[str]:
    """What is wrong with the three files, a sentence each."""
    names = ("summary.json", "events.jsonl", "strip.png")
    missing = [f"{folder / name} is missing" for name in names if not (folder / name).is_file()]
    if missing:
        return missing
    return [
        *_figure_problems(json.loads((folder / "summary.json").read_text(encoding="utf-8"))),
        *_event_problems((folder / "events.jsonl").read_text(encoding="utf-8").splitlines()),
        *([] if (folder / "strip.png").read_bytes().startswith(PNG) else ["strip.png is no PNG"]),
    ]


def _figure_problems(summary: dict[str, Any]) -> list[str]:
    figures = summary.get("figures", [])
    if not any(figure["target"] is not None for figure in figures):
        return ["summary.json has no figure with a target"]
    return [
        f"{one['name']} of {one['group']} is {one['value']}, wanted {one['better']} than {one['target']}"
        for one in figures
        if one["target"] is not None and one["met"] is not True
    ]


def _event_problems(lines: list[str]) -> list[str]:
    events = [json.loads(line) for line in lines]
    if not events:
        return ["events.jsonl is empty"]
    # Whether the sample stands in the CloudEvent's data or beside it is the demo's affair.
    samples = [event.get("r_peak_sample", event.get("data", {}).get("r_peak_sample")) for event in events]
    ids = {event["id"] for event in events}
    found = [] if len(ids) == len(events) else [f"{len(events)} events have {len(ids)} ids"]
    if not all(isinstance(sample, int) and 0 <= sample < EXCERPT_SAMPLES for sample in samples):
        found.append("an event's r_peak_sample is not in the excerpt")
    return found


if __name__ == "__main__":
    found = problems(Path(sys.argv[1]))
    sys.exit("\n".join(found) if found else 0)
