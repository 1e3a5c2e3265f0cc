"""What the model expected of the beats of a strip: the one signal path, run over the history in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.ecg.filters import INTERNAL_RATE_HZ
from monitor.ecg.quality import Quality
from monitor.formats.events import Event
from monitor.model.model import Model
from monitor.scan.explain import CONTEXT_S, Explanation, Wanted, explain
from monitor.web.held.beats import FIXED, KINDS
from monitor.web.held.store import Store
from monitor.web.views.cuts import Cut, cut, on_the_grid
from monitor.web.views.strips import number

MAX_STRIP_S = 30.0
_AFTER_US = 6_000_000  # until the last window is complete


def reconstruction(
    model: Model, store: Store, stream: str, from_us: int, to_us: int
) -> dict[str, Any] | None:
    """Every judged beat between two times and each anomalous fixed window; None without signal there.

    Verdicts, scores and p-values are the worker's own, as read from Kafka; what was expected is computed
    anew with the CONTEXT_S before the strip, or as much of them as is held.
    """
    whole = cut(store, stream, from_us - round(CONTEXT_S * 1e6), to_us + _AFTER_US)
    if whole is None:
        return None
    spec = model.manifest.windows
    whole = on_the_grid(whole, store, stream, spec)
    rows = _wanted_rows(store, stream, whole, from_us, to_us)
    leads = [lead.name for lead in whole.recording.leads]
    after = round(spec.fixed_span / 2 * whole.recording.rate_hz / INTERNAL_RATE_HZ)
    wanted = [
        Wanted(
            whole.index(int(row["sample"])) + (after if row["kind"] == FIXED else 0),
            lead,
            fixed=row["kind"] == FIXED,
        )
        for row in rows
        for lead in leads
    ]
    found = explain(model, whole.recording, wanted)
    return {
        "rate_hz": INTERNAL_RATE_HZ / spec.step,
        "windows": [
            _window(store, stream, whole, row, found[at * len(leads) : (at + 1) * len(leads)], leads)
            for at, row in enumerate(rows)
        ],
    }


def _wanted_rows(store: Store, stream: str, whole: Cut, from_us: int, to_us: int) -> list[Any]:
    rows = store.look(stream, lambda known: known.beats.rows(whole.session))
    if rows is None:
        return []
    good = rows["quality"] == int(Quality.GOOD)
    shown = (rows["time_us"] >= from_us) & (rows["time_us"] < to_us)
    told = (rows["kind"] != FIXED) | rows["anomalous"]
    return [row for row in rows[good & shown & told] if int(row["sample"]) in whole]


def _window(
    store: Store,
    stream: str,
    whole: Cut,
    row: Any,
    explained: Sequence[Explanation | None],
    leads: Sequence[str],
) -> dict[str, Any]:
    sample = int(row["sample"])
    axis_us = store.look(stream, lambda known: known.history.time_of(whole.session, sample))
    time_us = int(row["time_us"]) if axis_us is None else axis_us
    event = _event_at(store, stream, whole, sample)
    at_s = whole.index(sample) / whole.recording.rate_hz
    return {
        "time_us": time_us,
        "sample": sample,
        "kind": KINDS[row["kind"]],
        "anomalous": bool(row["anomalous"]),
        "p_value": number(row["p_value"]),
        "score": number(row["score"]),
        "why": event.why if event is not None else None,
        "part": event.part if event is not None else None,
        "part_s": event.part_s if event is not None else None,
        "parts": [
            _part(each, time_us + round((each.time_s[0] - at_s) * 1e6))
            # A lead that was not judged is explained by another one.
            for each, lead in zip(explained, leads, strict=True)
            if each is not None and each.lead == lead
        ],
    }


def _event_at(store: Store, stream: str, whole: Cut, sample: int) -> Event | None:
    """The event of a window, if it is one of the patient's."""
    for held in store.events(stream):
        event = held.event
        if (event.session, event.r_peak_sample) == (whole.session, sample) and not event.technical:
            return event
    return None


def _part(explained: Explanation, start_us: int) -> dict[str, Any]:
    spread = explained.spread_mv
    return {
        "lead": explained.lead,
        "start_us": start_us,
        "observed": _millivolts(explained.ecg_mv),
        "expected": _millivolts(explained.expected_mv),
        "spread": None if spread is None else _millivolts(spread),
    }


def _millivolts(values: NDArray[np.float32]) -> list[float]:
    return [float(value) for value in np.round(values.astype(np.float64), 4)]
