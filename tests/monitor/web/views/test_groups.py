"""Groups of alike anomalous beats over the history in memory."""

from __future__ import annotations

from monitor.web.held.store import Store
from monitor.web.views.groups import groups
from tests.support.web.judged import VENTRICULAR, judged
from tests.support.web.made import limits


def test_ventricular_beats_of_one_shape_are_one_group() -> None:
    """With their events, and a typical one among them."""
    made = judged()
    found = groups(made.model, made.store, "p")
    assert found is not None
    first = found[0]
    assert first["name"].startswith("A: beat.")
    assert first["count"] >= 0.7 * len(VENTRICULAR)
    assert first["typical"] in first["event_ids"]
    own = {event.id: event for event in made.events}
    assert {own[each].kind for each in first["event_ids"]} <= set(first["kinds"])
    assert len({each for group in found for each in group["event_ids"]}) == sum(
        len(group["event_ids"]) for group in found
    )


def test_of_an_unknown_stream_there_are_none() -> None:
    """Which is not the same as none that are anomalous."""
    assert groups(judged().model, Store(limits()), "p") is None
