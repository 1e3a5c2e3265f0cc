"""How often people agree with the monitor."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from monitor.formats.events import Kind, Phase
from monitor.formats.reviews import Opinion, Review
from monitor.web.held.store import Store
from monitor.web.views.agreement import agreement
from tests.support.web.made import RATE_HZ, START_US, event, held, store_of

HOUR = round(3600 * RATE_HZ)  # samples


def said(
    store: Store, opinion: Opinion, event_id: str | None = None, sample: int = 0, undoes: str | None = None
) -> str:
    """Keep a verdict; returns its id."""
    review = Review(
        id=uuid.uuid4().hex,
        event_id=event_id,
        stream="a",
        time_us=START_US + round(sample * 1e6 / RATE_HZ),
        verdict=opinion,
        by="Ada",
        at_us=1,
        undoes=undoes,
    )
    store.take_review(review)
    return review.id


def reviewed() -> tuple[Store, list[str]]:
    """Stream a: six events within two hours of one model, one of another, and those that nobody judges."""
    store = store_of(1)
    made = [held(event(100 + number * HOUR // 3)) for number in range(5)]
    made.append(held(event(100 + 2 * HOUR, Kind.RUN, phase=Phase.ONSET)))
    for each in made:
        store.take_event(each)
    store.take_event(held(event(100 + 2 * HOUR, Kind.RUN, phase=Phase.END, last_sample=3 * HOUR)))
    store.take_event(held(event(500, Kind.SIGNAL_LOST, phase=Phase.ONSET)))
    store.take_event(held(event(100 + 3 * HOUR, model_version="2")))
    return store, [each.id for each in made]


def row(store: Store, version: str = "1") -> dict[str, Any]:
    """The row of a model version."""
    return next(each for each in agreement(store) if each["model_version"] == version)


def test_nobody_has_said_anything_yet() -> None:
    """Then there is no share, rather than one of 0."""
    store, _ = reviewed()
    found = row(store)
    assert (found["stream"], found["model"], found["events"], found["unreviewed"]) == ("a", "m", 6, 6)
    assert (found["agreement"], found["false_alarms_per_hour"]) == (None, None)


def test_verdicts_are_counted_once_an_event() -> None:
    """By the last one that stands."""
    store, ids = reviewed()
    said(store, Opinion.FALSE_ALARM, ids[0])
    said(store, Opinion.CONFIRMED, ids[0])
    said(store, Opinion.CONFIRMED, ids[1])
    said(store, Opinion.FALSE_ALARM, ids[2])
    said(store, Opinion.OTHER, ids[3])
    undone = said(store, Opinion.CONFIRMED, ids[4])
    said(store, Opinion.CONFIRMED, ids[4], undoes=undone)
    found = row(store)
    assert (found["confirmed"], found["false_alarm"], found["other"], found["unreviewed"]) == (2, 1, 1, 2)
    assert found["agreement"] == 0.5
    assert found["hours"] == 2.0
    assert found["false_alarms_per_hour"] == pytest.approx(0.5)


def test_a_missed_event_counts_for_the_version_in_force() -> None:
    """And does not count as a reviewed event."""
    store, _ = reviewed()
    said(store, Opinion.MISSED, sample=HOUR)
    said(store, Opinion.MISSED, sample=4 * HOUR)
    said(store, Opinion.MISSED, sample=0)
    assert (row(store)["missed"], row(store)["unreviewed"]) == (2, 6)
    assert row(store, "2")["missed"] == 1


def test_most_events_come_first() -> None:
    """Rows are sorted."""
    store, _ = reviewed()
    assert [each["events"] for each in agreement(store)] == [6, 1]


def test_without_events_there_are_no_rows() -> None:
    """A stream that was never flagged has nothing to agree on."""
    assert agreement(store_of(2)) == []
