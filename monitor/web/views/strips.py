"""A stretch of one stream's signal with what was said of it, as the page draws it."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.web.held.beats import FIXED, KINDS, QUALITIES
from monitor.web.held.frames import offset_of, to_microvolts
from monitor.web.held.history import Held
from monitor.web.held.store import Store

MAX_STRIP_S = 120.0
MAX_OVERVIEW_POINTS = 4000


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Signal of one session on one grid; ecg_mv, valid: (n, leads)."""

    session: str
    rate_hz: float
    leads: tuple[str, ...]
    start_us: int
    ecg_mv: NDArray[np.float32]
    valid: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ecg_mv)


def stretch(held: Sequence[Held], from_us: int, to_us: int) -> Stretch | None:
    """The signal between two times, of the last session there; None without any.

    held: its records in order of arrival. Of two that hold the same time the first one counts, as for the
    worker.
    """
    if not held:
        return None
    last = held[-1]
    mine = [each for each in held if each.continues(last)]
    grid_us = min(each.time_us for each in mine)
    end_us = min(to_us, max(each.end_us for each in mine))
    first = max(0, math.ceil((from_us - grid_us) * last.rate_hz / 1e6 - 1e-6))
    count = max(0, math.ceil((end_us - grid_us) * last.rate_hz / 1e6 - 1e-6) - first)
    ecg_mv = np.zeros((count, len(last.leads)), np.float32)
    valid = np.zeros(ecg_mv.shape, np.bool_)
    for each in reversed(mine):
        chunk = each.chunk()
        at = round((each.time_us - grid_us) * last.rate_hz / 1e6) - first
        here, there = slice(max(0, at), max(0, at + len(chunk))), slice(max(0, -at), max(0, count - at))
        ecg_mv[here], valid[here] = chunk.ecg_mv[there], chunk.valid[there]
    start_us = grid_us + round(first * 1e6 / last.rate_hz)
    return Stretch(last.session, last.rate_hz, last.leads, start_us, ecg_mv, valid)


def strip(store: Store, stream: str, from_us: int, to_us: int) -> dict[str, Any] | None:
    """Signal, beats and events between two times; None if there is no signal of the stream at all."""
    held = store.look(stream, lambda known: known.history.between(from_us, to_us))
    reach = store.look(stream, lambda known: (known.history.earliest_us, known.history.latest_us))
    if held is None or reach is None:
        return None
    found = stretch(held, from_us, to_us)
    signal: dict[str, Any] = {"session": None, "rate_hz": None, "start_us": from_us, "leads": []}
    if found is not None:
        signal = {
            "session": found.session,
            "rate_hz": found.rate_hz,
            "start_us": found.start_us,
            "leads": [_lead(found, column) for column in range(len(found.leads))],
        }
    return {
        "stream": stream,
        **signal,
        "beats": [] if found is None else beats(store, stream, found.session, from_us, to_us),
        "events": events_between(store, stream, from_us, to_us),
        "earliest_us": reach[0],
        "latest_us": reach[1],
    }


def _lead(found: Stretch, column: int) -> dict[str, Any]:
    ecg_mv, valid = found.ecg_mv[:, column], found.valid[:, column]
    offset_uv = offset_of(ecg_mv[valid])
    samples = to_microvolts(ecg_mv, valid, offset_uv)
    return {
        "name": found.leads[column],
        "samples": base64.b64encode(samples.tobytes()).decode(),
        "offset_uv": offset_uv,
    }


def beats(store: Store, stream: str, session: str, from_us: int, to_us: int) -> list[dict[str, Any]]:
    """Scored beats of a session between two times, by time; their time is that on the strip's axis."""
    rows = store.look(stream, lambda known: known.beats.rows(session))
    if rows is None:
        return []
    # On the axis: a clock that was set anew moves it by as much as it strays.
    near = rows[(rows["kind"] != FIXED) & (rows["time_us"] > from_us - 2e6) & (rows["time_us"] < to_us + 2e6)]
    on_axis = store.look(
        stream, lambda known: [known.history.time_of(session, int(row["sample"])) for row in near]
    )
    found = []
    for row, axis_us in zip(near, on_axis or [], strict=True):
        time_us = int(row["time_us"]) if axis_us is None else axis_us
        if from_us <= time_us < to_us:
            found.append(
                {
                    "time_us": time_us,
                    "sample": int(row["sample"]),
                    "kind": KINDS[row["kind"]],
                    "anomalous": bool(row["anomalous"]),
                    "score": number(row["score"]),
                    "p_value": number(row["p_value"]),
                    "quality": QUALITIES[row["quality"]],
                    "rr_s": number(row["rr_s"]),
                }
            )
    return sorted(found, key=lambda beat: beat["time_us"])


def number(value: np.float32) -> float | None:
    """A float as JSON knows it: the shortest decimal that is this float32; NaN is null."""
    return None if np.isnan(value) else float(str(value))


def events_between(store: Store, stream: str, from_us: int, to_us: int) -> list[dict[str, Any]]:
    """Events that concern a sample between two times, by time."""
    found = []
    for held in store.events(stream):
        event = held.event
        last_us = event.time_us + round((event.last_sample - event.r_peak_sample) * 1e6 / event.rate_hz)
        first_us = event.time_us + round((event.first_sample - event.r_peak_sample) * 1e6 / event.rate_hz)
        if min(first_us, event.time_us) < to_us and max(last_us, event.time_us) >= from_us:
            found.append(store.page_event(held))
    return sorted(found, key=lambda event: int(event["time_us"]))


def overview(store: Store, stream: str, from_us: int, to_us: int, points: int) -> dict[str, Any] | None:
    """Lowest and highest µV of the first lead in each of `points` equal columns; None: unknown stream."""
    held = store.look(stream, lambda known: known.history.between(from_us, to_us))
    if held is None:
        return None
    step_us = (to_us - from_us) / points
    low, high = np.full(points, np.inf), np.full(points, -np.inf)
    for each in held:
        chunk = each.chunk()
        at_us = each.time_us + np.arange(len(chunk)) * (1e6 / each.rate_hz)
        column = np.floor((at_us - from_us) / step_us).astype(np.int64)
        used = chunk.valid[:, 0] & (column >= 0) & (column < points)
        np.minimum.at(low, column[used], chunk.ecg_mv[used, 0])
        np.maximum.at(high, column[used], chunk.ecg_mv[used, 0])
    return {
        "start_us": from_us,
        "step_us": step_us,
        "low": [_microvolts(value) for value in low],
        "high": [_microvolts(value) for value in high],
    }


def _microvolts(value: float) -> int | None:
    return round(1000 * value) if math.isfinite(value) else None
