"""A tile's row: how a stream is, and how soon somebody should look at it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.adapt.usual_beat import LEARN
from monitor.ecg.quality import Quality
from monitor.formats.events import PRIORITY, Kind
from monitor.formats.profiles import Profile
from monitor.web.held.beats import FIXED, QUALITIES
from monitor.web.held.events import EventHeld
from monitor.web.held.store import Store, StreamHeld

SILENT_S = 2.5  # beyond a chunk's own length: a stream that stops sending is stale within 5 s
LOOKED_AT = 128  # windows of a stream that a row is made from: half a minute of 180 beats a minute
RATE_BEATS = 8  # RR intervals whose median gives the heart rate
RATE_S = 10.0  # of signal without a beat, after which there is no heart rate
JUDGED_S = 15.0  # of signal that no window has been scored of: nobody is looking at the stream
RECENT_S = 60.0  # in which an event's urgency fades
OPEN_URGENCY = 100.0  # of an episode of priority 1 that has not ended
EVENT_URGENCY = {1: 90.0, 2: 70.0, 3: 40.0, 4: 10.0}  # of an event that has just come, by its priority
LOST_URGENCY = 50.0  # of a stream that is silent, or whose signal is lost
MUTED_URGENCY = -1000.0
_GOOD = QUALITIES.index("good")
_OFF = {QUALITIES.index(quality.name.lower()) for quality in (Quality.FLAT, Quality.MISSING)}


def stale(now_us: int, received_us: int, chunk_s: float) -> bool:
    """True if a stream's next chunk is overdue."""
    return now_us - received_us > (SILENT_S + chunk_s) * 1e6


def heart_rate(windows: NDArray[Any], last_us: int) -> int | None:
    """Beats a minute by the median of the last RATE_BEATS intervals; None without recent beats."""
    beats = windows[(windows["kind"] != FIXED) & (windows["time_us"] > last_us - (RATE_S + JUDGED_S) * 1e6)]
    if not len(beats):
        return None
    newest_us = max(int(windows["time_us"].max()), int(beats["time_us"].max()))
    if newest_us - int(beats["time_us"].max()) > RATE_S * 1e6:
        return None
    rr_s = np.sort(beats, order="time_us")["rr_s"]
    rr_s = rr_s[np.isfinite(rr_s) & (rr_s > 0)][-RATE_BEATS:]
    return round(60 / float(np.median(rr_s))) if len(rr_s) else None


def quality(windows: NDArray[Any]) -> str | None:
    """ "good", "poor" or "off" by the last fixed window, which no sample escapes; None without one."""
    fixed = windows[windows["kind"] == FIXED]
    if not len(fixed):
        return None
    found = int(fixed[-1]["quality"])
    if found == _GOOD:
        return "good"
    return "off" if found in _OFF else "poor"


def judged(windows: NDArray[Any], last_us: int) -> bool:
    """True if some window of the last JUDGED_S of signal has been scored: a worker reads this stream."""
    return bool(len(windows)) and int(windows["time_us"].max()) > last_us - JUDGED_S * 1e6


def learning(windows: NDArray[Any]) -> bool:
    """True while a session has shown fewer beats than make a usual beat."""
    taught = (windows["kind"] != FIXED) & (windows["quality"] == _GOOD) & ~windows["anomalous"]
    return bool(taught.sum() < LEARN)


def urgency(
    now_us: int,
    *,
    is_stale: bool,
    opened: Sequence[EventHeld],
    last: EventHeld | None,
    profile: Profile | None,
) -> float:
    """How soon somebody should look, most urgent highest; tiles are sorted by it.

    The largest of: an open episode of priority 1, OPEN_URGENCY and up to 10 more while it is new; the last
    event, by its priority, fading over RECENT_S; lost or silent signal, LOST_URGENCY. A muted stream keeps
    its order among the muted ones, below all others.
    """
    fading = [EVENT_URGENCY[PRIORITY[last.event.kind]] * _fresh(now_us, last)] if last is not None else []
    runs = [OPEN_URGENCY + 10 * _fresh(now_us, held) for held in opened if PRIORITY[held.event.kind] == 1]
    lost = is_stale or any(held.event.kind is Kind.SIGNAL_LOST for held in opened)
    value = max([0.0, LOST_URGENCY if lost else 0.0, *fading, *runs])
    return round(value + (MUTED_URGENCY if profile is not None and profile.muted(now_us) else 0.0), 1)


def _fresh(now_us: int, held: EventHeld) -> float:
    """1 for an event that has just come, 0 from RECENT_S on."""
    age_s = max(0.0, (now_us - held.received_us) / 1e6)
    return max(0.0, 1.0 - math.floor(age_s) / RECENT_S)


def row(store: Store, name: str, known: StreamHeld, now_us: int) -> dict[str, Any]:
    """One stream's row; the fields are those of docs/bedside.md."""
    held = known.history.last
    windows = known.beats.last(held.session, LOOKED_AT)
    profile, last = store.profile(name), store.last_event(name)
    opened = store.open_episodes(name, held.session)
    is_stale = stale(now_us, known.received_us, held.samples / held.rate_hz)
    is_judged = judged(windows, held.end_us)
    found = quality(windows) if is_judged else None
    return {
        "stream": name,
        "leads": held.leads,
        "rate_hz": held.rate_hz,
        "session": held.session,
        "last_us": held.end_us,
        "received_us": known.received_us,
        "stale": is_stale,
        "judged": is_judged,
        "heart_rate": None if is_stale or found in (None, "off") else heart_rate(windows, held.end_us),
        "quality": found,
        "learning": is_judged and learning(windows),
        "paced": profile is not None and profile.paced,
        "muted_until_us": profile.muted_until_us if profile is not None and profile.muted(now_us) else None,
        "budget": profile.false_alarm_budget_per_hour if profile is not None else None,
        "event": None if last is None else store.page_event(last),
        "open": sorted({str(each.event.kind) for each in opened}),
        "urgency": urgency(now_us, is_stale=is_stale, opened=opened, last=last, profile=profile),
    }


def rows(store: Store, now_us: int) -> list[dict[str, Any]]:
    """A row a stream, the most urgent first."""
    found = store.each(lambda name, known: row(store, name, known, now_us))
    return sorted(found, key=lambda each: (-each["urgency"], each["stream"]))
