"""What the page holds, and that it holds no more."""

from __future__ import annotations

import uuid

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.formats.chunks import MSGPACK, decode_chunk
from monitor.formats.profiles import Profile
from monitor.formats.reviews import Opinion, Review
from monitor.web.held.limits import weigh
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


def bytes_held(store: Store) -> int:
    """What the store should have counted: of every stream, and of windows that came ahead of theirs."""
    return sum(known.bytes for known in store._streams.values()) + sum(
        beats.bytes for beats in store._ahead.values()
    )


def padded(number: int, stream: str, kilobytes: int = 900) -> bytes:
    """A valid record with a field that nobody knows, as long as a record may be."""
    record = msgspec.msgpack.decode(chunk_value(number, stream))
    return msgspec.msgpack.encode({**record, "pad": "x" * (1000 * kilobytes)})


def test_padding_is_not_kept() -> None:
    """A valid record is held as long as its samples make it, whatever else it brought."""
    store, plain = Store(limits()), Store(limits())
    for number in range(5):
        send(store, padded(number, "a"))
        send(plain, chunk_value(number, "a"))
    assert store.counts() == plain.counts()


def test_many_records_of_one_stream_do_not_shorten_anothers_history() -> None:
    """Whoever holds more than its share gives way first."""
    store = Store(limits(memory_bytes=100_000))
    for number in range(20):
        send(store, chunk_value(number, "quiet"))
    for number in range(500):
        send(store, chunk_value(number, "loud"))
    assert store.look("quiet", lambda known: len(known.history)) == 20
    assert store.counts()["signal_bytes"] <= 100_000


def test_a_hundred_thousand_invented_ids_fill_nothing() -> None:
    """Of records, windows and settings: beyond the limits they are counted and not kept."""
    store = Store(limits(max_streams=50, memory_bytes=1 << 20))
    found = windows([(10, "beat", False, "good")])
    for number in range(100_000):
        found.stream[0] = f"w{number}"
        store.take_windows(found)
        if number % 100 == 0:
            send(store, chunk_value(0, f"s{number}"))
            store.take_profile(f"p{number}", Profile(stream=f"p{number}", at_us=1, by="x" * 100))
    assert store.counts()["streams"] == 50
    assert len(store._streams) + len(store._ahead) == 50
    assert store.take_refused() > 99_000
    assert store.counts()["signal_bytes"] == bytes_held(store) <= 1 << 20


def test_settings_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream's new settings take no more room than its old ones."""
    one = weigh(Profile(stream="a", at_us=1))
    monkeypatch.setattr("monitor.web.held.store.PROFILE_BYTES", 2 * one)
    store = Store(limits())
    for _ in range(3):
        for stream in ("a", "b", "c"):
            store.take_profile(stream, Profile(stream=stream, at_us=1))
    assert [store.profile(stream) is not None for stream in ("a", "b", "c")] == [True, True, False]
    assert store.take_refused() == 3
    store.take_profile("a", None)
    store.take_profile("c", Profile(stream="c", at_us=1))
    assert store.profile("c") is not None


def test_windows_may_come_ahead_of_their_signal() -> None:
    """After a start they are read first; they give way to a stream whose signal is there."""
    store = Store(limits(max_streams=2))
    for stream in ("a", "b"):
        store.take_windows(windows([(10, "beat", False, "good")], stream=stream))
    assert store.counts()["streams"] == 0
    send(store, chunk_value(0, "b"))
    rows = store.look("b", lambda known: known.beats.rows("s"))
    assert rows is not None
    assert rows["sample"].tolist() == [10]
    send(store, chunk_value(0, "c"))
    assert store.counts()["streams"] == 2
    assert store._ahead == {}
    assert store.take_refused() == 0


@settings(max_examples=60, deadline=None)
@given(
    sent=st.lists(
        st.tuples(
            st.sampled_from("abcde"), st.integers(0, 5), st.sampled_from([1, 250, 4000]), st.booleans()
        ),
        max_size=60,
    )
)
def test_what_is_held_never_exceeds_the_limit(sent: list[tuple[str, int, int, bool]]) -> None:
    """In any order of records and windows of any size, and the count is the true one."""
    store = Store(limits(max_streams=4, memory_bytes=30_000))
    for number, (stream, session, samples, of_beats) in enumerate(sent):
        if of_beats:
            rows = [(number + at, "beat", False, "good") for at in range(samples // 50 + 1)]
            store.take_windows(windows(rows, stream, str(session)))
        else:
            adc = np.full((samples, 2), number, np.int16)
            send(store, chunk_value(number, stream, str(session), adc=adc))
        assert store.counts()["signal_bytes"] == bytes_held(store) <= 30_000
        assert all(len(known.history) for known in store._streams.values())
    store.forget_silent(START_US * 2)
    assert store.counts()["signal_bytes"] == bytes_held(store)
