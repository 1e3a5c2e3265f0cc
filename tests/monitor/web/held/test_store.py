"""What the page holds, and that it holds no more."""

from __future__ import annotations

import uuid

import pytest

from monitor.formats.chunks import MSGPACK, decode_chunk
from monitor.formats.profiles import Profile
from monitor.formats.reviews import Opinion, Review
from monitor.web.held.store import Store
from tests.support.web.made import START_US, chunk_value, event, held, limits, send, store_of, windows


def review(event_id: str | None, opinion: Opinion = Opinion.CONFIRMED, undoes: str | None = None) -> Review:
    """Somebody's word on an event of stream a."""
    return Review(
        id=uuid.uuid4().hex,
        event_id=event_id,
        stream="a",
        time_us=START_US,
        verdict=opinion,
        by="Ada",
        at_us=START_US,
        undoes=undoes,
    )


def test_a_full_store_shortens_the_history_of_who_sends() -> None:
    """The bytes of signal stay below the limit, and no stream disappears."""
    store = Store(limits(memory_bytes=30_000))
    for number in range(50):
        for stream in ("a", "b"):
            send(store, chunk_value(number, stream))
    assert store.counts()["signal_bytes"] <= 30_000
    held_of = store.each(lambda name, known: (name, len(known.history), known.history.latest_us))
    assert [name for name, _, _ in held_of] == ["a", "b"]
    assert all(count > 5 and latest == START_US + 50_000_000 for _, count, latest in held_of)


def test_there_are_no_more_streams_than_allowed() -> None:
    """Records of further ones are counted and not kept."""
    store = Store(limits(max_streams=2))
    for stream in ("a", "b", "c", "c"):
        send(store, chunk_value(0, stream))
    assert store.counts()["streams"] == 2
    assert (store.take_refused(), store.take_refused()) == (2, 0)
    assert store.look("c", lambda known: known) is None


def test_a_stream_that_is_gone_for_long_is_forgotten() -> None:
    """Its signal goes, its events stay."""
    store = store_of(3, forget_after_s=60.0)
    store.take_event(held(event(100)))
    store.forget_silent(START_US + 50_000_000)
    assert store.counts()["streams"] == 1
    store.forget_silent(START_US + 70_000_000)
    assert store.counts() == {"streams": 0, "events": 1, "verdicts": 0, "signal_bytes": 0}
    assert store.knows("a")


def test_the_last_verdict_that_stands_is_the_events() -> None:
    """A later one replaces it, an undo brings the one before back."""
    store, found = store_of(1), held(event(100))
    store.take_event(found)
    first, second = review(found.id), review(found.id, Opinion.FALSE_ALARM)
    for each in (first, second, first):
        store.take_review(each)
    assert store.page_event(found)["verdict"] == second
    store.take_review(review(found.id, undoes=second.id))
    assert store.page_event(found)["verdict"] == first
    assert len(store.reviews("a")) == 3
    assert store.review(second.id) == second
    assert store.review("no such") is None


def test_a_profile_replaces_the_one_before() -> None:
    """And its absence takes everything back."""
    store = store_of(1)
    store.take_profile("a", Profile(stream="a", at_us=1, paced=True))
    store.take_profile("a", Profile(stream="a", at_us=2, by="Ada"))
    found = store.profile("a")
    assert found is not None
    assert (found.paced, found.by) == (False, "Ada")
    store.take_profile("a", None)
    assert store.profile("a") is None


def test_windows_go_to_their_streams() -> None:
    """One record of `ecg.beats` holds those of many."""
    store = Store(limits())
    for stream in ("a", "b"):
        send(store, chunk_value(0, stream))
        store.take_windows(windows([(10, "beat", False, "good")], stream=stream))
    rows = store.look("b", lambda known: known.beats.rows("s"))
    assert rows is not None
    assert rows["sample"].tolist() == [10]


def test_an_old_record_gives_no_frame() -> None:
    """History is kept; nobody draws a tile of it."""
    store, value = Store(limits()), chunk_value(0)
    assert store.take_chunk(decode_chunk(value), value, MSGPACK, START_US, recent=False) is None
    assert store.frames("a") == []
    assert send(store, chunk_value(1)) is not None
    assert len(store.frames("a")) == 1


def test_the_oldest_verdicts_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded whatever people say."""
    monkeypatch.setattr("monitor.web.held.store.MAX_REVIEWS", 2)
    store, made = store_of(1), [review(uuid.uuid4().hex) for _ in range(3)]
    for each in made:
        store.take_review(each)
    assert store.reviews("a") == made[1:]
    assert store.review(made[0].id) is None
    assert store.counts()["verdicts"] == 2
