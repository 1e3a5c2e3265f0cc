"""What people said, and that it is found without a search."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.formats.reviews import Opinion, Review, standing
from monitor.web.held import reviews
from monitor.web.held.limits import REVIEWS_OF_STREAM
from monitor.web.held.reviews import ReviewsHeld
from tests.support.web.made import START_US


def review(event_id: str | None = None, stream: str = "a", undoes: str | None = None) -> Review:
    """Somebody's word."""
    return Review(
        id=uuid.uuid4().hex,
        event_id=event_id,
        stream=stream,
        time_us=START_US,
        verdict=Opinion.MISSED if event_id is None else Opinion.CONFIRMED,
        by="Ada",
        at_us=START_US,
        undoes=undoes,
    )


def test_an_events_verdict_is_looked_up_among_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not among the thousands of its stream: that is counted, since time would depend on the machine."""
    looked_at: list[int] = []

    def counted(own: list[Review]) -> list[Review]:
        looked_at.append(len(own))
        return standing(own)

    monkeypatch.setattr(reviews, "standing", counted)
    held, events = ReviewsHeld(), [uuid.uuid4().hex for _ in range(1000)]
    for number in range(50_000):
        held.add(review(events[number % len(events)]))
    found = [held.on("a", event) for event in events]
    assert all(found)
    assert sum(looked_at) == len(held) == REVIEWS_OF_STREAM


def test_one_event_has_so_many_verdicts() -> None:
    """The newest; a quarrel over one event takes no other's place."""
    held, other = ReviewsHeld(max_of_event=3), review("1" * 32)
    held.add(other)
    said = [review("0" * 32) for _ in range(10)]
    for each in said:
        held.add(each)
    assert held.of("a") == [other, *said[-3:]]
    assert held.on("a", "0" * 32) == said[-1]


def test_one_stream_has_so_many_verdicts() -> None:
    """The newest, missed events among them."""
    held, said = ReviewsHeld(max_of_stream=3), [review() for _ in range(5)]
    others = review(stream="b")
    for each in (others, *said):
        held.add(each)
    assert (held.of("a"), held.of("b")) == (said[2:], [others])
    assert held.get(said[0].id) is None


def test_an_undo_never_outlives_what_came_after_it() -> None:
    """The oldest goes first, so that what is taken back does not come back."""
    held, first = ReviewsHeld(max_of_event=2), review("0" * 32)
    held.add(first)
    held.add(review("0" * 32, undoes=first.id))
    assert held.on("a", "0" * 32) is None
    held.add(review("0" * 32, undoes=uuid.uuid4().hex))
    assert held.on("a", "0" * 32) is None


def test_a_verdict_is_kept_once() -> None:
    """One that was written from here comes through the topic, too."""
    held, said = ReviewsHeld(), review()
    assert (held.add(said), held.add(said), len(held)) == (True, False, 1)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, "0" * 32, "1" * 32])), max_size=40))
def test_all_of_them_are_bounded_in_bytes(said: list[tuple[str, str | None]]) -> None:
    """And nothing is left in an index of what has given way."""
    one = ReviewsHeld()
    one.add(review("0" * 32))
    held = ReviewsHeld(max_bytes=5 * one.bytes, max_of_stream=4, max_of_event=2)
    for stream, event_id in said:
        held.add(review(event_id, stream))
        assert held.bytes <= 5 * one.bytes
    kept = [each for stream in "abc" for each in held.of(stream)]
    assert len(kept) == len(held)
    assert set(held._of) == {each.stream for each in kept}
    assert set(held._on) == {(each.stream, each.event_id) for each in kept if each.event_id}
