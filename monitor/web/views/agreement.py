"""How often people agree with the monitor, and how many false alarms they saw, by stream and model."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from monitor.formats.events import Event, Phase
from monitor.formats.reviews import Opinion, Review, standing
from monitor.web.held.store import Store

Key = tuple[str, str, str]  # stream, model, version


def reviewable(event: Event) -> bool:
    """True for what a person judges: events about the patient, an episode once, by its onset."""
    return not event.technical and event.phase in (None, Phase.ONSET)


def agreement(store: Store) -> list[dict[str, Any]]:
    """A row a stream and model version over the events that are held, most events first.

    hours: from the first of its events to the last signal of the stream, or to its last event under an
    older version. agreement: confirmed ÷ (confirmed + false alarms + of another kind), of the reviewed
    events. A missed event counts for the version that was in force at its time.
    """
    events: dict[Key, list[Event]] = defaultdict(list)
    ids: dict[str, Key] = {}
    for held in store.events():
        if reviewable(held.event):
            key = (held.event.stream, held.event.model, held.event.model_version)
            events[key].append(held.event)
            ids[held.id] = key
    streams = sorted({stream for stream, _, _ in events})
    said = {key: dict.fromkeys(Opinion, 0) for key in events}
    for stream in streams:
        mine = {key: found for key, found in events.items() if key[0] == stream}
        last = {review.event_id or review.id: review for review in standing(store.reviews(stream))}
        for review in last.values():
            of = ids.get(review.event_id) if review.event_id else _in_force(mine, review)
            if of is not None:
                said[of][review.verdict] += 1
    rows = [_row(store, key, events, said[key]) for key in events]
    return sorted(rows, key=lambda row: (-row["events"], row["stream"], row["model_version"]))


def _in_force(events: dict[Key, list[Event]], review: Review) -> Key | None:
    """The version whose events began last before the missed one, or else the first."""
    begun = sorted((min(event.time_us for event in found), key) for key, found in events.items())
    before = [key for since_us, key in begun if since_us <= review.time_us]
    return before[-1] if before else begun[0][1] if begun else None


def _row(store: Store, key: Key, events: dict[Key, list[Event]], said: dict[Opinion, int]) -> dict[str, Any]:
    stream, model, version = key
    hours = _hours(store, key, events)
    confirmed, false = said[Opinion.CONFIRMED], said[Opinion.FALSE_ALARM]
    reviewed = confirmed + false + said[Opinion.OTHER]
    return {
        "stream": stream,
        "model": model,
        "model_version": version,
        "hours": round(hours, 4),
        "events": len(events[key]),
        "confirmed": confirmed,
        "false_alarm": false,
        "other": said[Opinion.OTHER],
        "missed": said[Opinion.MISSED],
        "unreviewed": len(events[key]) - reviewed,
        "agreement": confirmed / reviewed if reviewed else None,
        "false_alarms_per_hour": false / hours if hours > 0 and reviewed else None,
    }


def _hours(store: Store, key: Key, events: dict[Key, list[Event]]) -> float:
    times = [event.time_us for event in events[key]]
    newest = max(
        (max(e.time_us for e in found), other) for other, found in events.items() if other[0] == key[0]
    )
    end_us = max(times)
    if newest[1] == key:
        end_us = max(end_us, store.look(key[0], lambda known: known.history.latest_us) or 0)
    return (end_us - min(times)) / 3.6e9
