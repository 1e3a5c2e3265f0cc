"""A stream's anomalous beats of the last minutes in groups of alike ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from monitor.detect.detector import Detector
from monitor.model.model import Model
from monitor.scan.groups import Group, group_anomalies
from monitor.scan.latents import LatentCollector
from monitor.scan.scan import scan
from monitor.web.held.events import EventHeld
from monitor.web.held.store import Store
from monitor.web.requests import LATEST_US
from monitor.web.views.cuts import Cut, cut

_SAME_S = 0.05  # a beat found again lies within this of the event's R peak


def groups(model: Model, store: Store, stream: str) -> list[dict[str, Any]] | None:
    """Groups, the largest first, with the events of their beats; None: unknown stream.

    The events' own latent vectors tell of the beats before a beat (monitor.scan.latents says why), so the
    history in memory goes through the detector once more, and its beats are encoded each by itself.
    """
    whole = cut(store, stream, 0, LATEST_US)
    if whole is None:
        return None
    collector = LatentCollector(model)
    scan(whole.recording, Detector(model, watch=collector))
    own = [
        held
        for held in store.events(stream)
        if held.event.session == whole.session and held.event.rr_s is not None
    ]
    found = group_anomalies(collector.latents())
    return [_group(at, group, whole, own) for at, group in enumerate(found)]


def _group(at: int, group: Group, whole: Cut, events: list[EventHeld]) -> dict[str, Any]:
    tolerance = _SAME_S * whole.recording.rate_hz
    samples = group.sample + whole.first_sample
    mine = [held for held in events if np.abs(samples - held.event.r_peak_sample).min() <= tolerance]
    typical = whole.first_sample + group.typical
    nearest = min(mine, key=lambda held: abs(held.event.r_peak_sample - typical), default=None)
    return {
        "name": f"{chr(ord('A') + at)}: {next(iter(group.kinds))}",
        "count": len(group),
        "kinds": group.kinds,
        "lead": whole.recording.leads[group.lead].name,
        "event_ids": [held.id for held in mine],
        "typical": None if nearest is None else nearest.id,
    }
