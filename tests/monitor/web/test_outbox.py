"""What one browser has still to be sent: the newest, in bounded memory."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from monitor.web.outbox import MAX_EVENTS, MAX_FRAME_BYTES, MAX_FRAMES, MAX_WATCHED, Outbox, RowsNote

NOTE = RowsNote(7, "ok")


def drain(outbox: Outbox) -> list[Any]:
    """All messages that wait: text decoded, frames as they are."""

    async def take() -> list[Any]:
        found: list[Any] = []
        while True:
            try:
                message = await asyncio.wait_for(outbox.next(), 0.01)
            except TimeoutError:
                return found
            found.append(json.loads(message) if isinstance(message, str) else message)

    return asyncio.run(take())


def test_only_watched_streams_are_sent() -> None:
    """The others' frames are not even queued."""
    outbox = Outbox()
    assert outbox.watch(["a", "b", "a"]) == ["a", "b"]
    for stream in ("a", "c", "b"):
        assert outbox.put_frame(stream, stream.encode())
    assert drain(outbox) == [b"a", b"b"]


def test_no_frame_is_sent_twice() -> None:
    """The last seconds hold what the feed is about to hand on."""
    outbox, frames = Outbox(), [bytes([number]) * 9 for number in range(4)]
    outbox.watch(["a"])
    outbox.catch_up("a", frames[:3])
    for frame in frames[1:]:
        outbox.put_frame("a", frame)
    assert drain(outbox) == frames


def test_what_is_watched_no_longer_is_dropped() -> None:
    """Scrolling on, one does not wait for tiles that have gone."""
    outbox = Outbox()
    outbox.watch(["a", "b"])
    for stream in ("a", "b"):
        outbox.put_frame(stream, stream.encode())
    assert outbox.watch(["b", "c"]) == ["c"]
    assert drain(outbox) == [b"b"]


def test_no_more_tiles_are_watched_than_can_be_drawn() -> None:
    """A page that asks for a thousand gets the first ones."""
    outbox = Outbox()
    assert len(outbox.watch(str(number) for number in range(1000))) == MAX_WATCHED


def test_a_slow_browser_loses_the_oldest_frames_and_is_told() -> None:
    """Once, with their number."""
    outbox = Outbox()
    outbox.watch(["a"])
    kept = [outbox.put_frame("a", number.to_bytes(2, "big")) for number in range(MAX_FRAMES + 3)]
    assert kept.count(False) == outbox.lost == 3
    told, *frames = drain(outbox)
    assert told == {"type": "lost", "frames": 3}
    assert [int.from_bytes(frame, "big") for frame in frames] == list(range(3, MAX_FRAMES + 3))


def test_rows_are_merged() -> None:
    """Of each stream the latest, and none of those that have gone."""
    outbox = Outbox()
    outbox.put_rows(NOTE, {"a": b'{"n":1}', "b": b'{"n":2}'}, [])
    outbox.put_rows(RowsNote(8, "unreachable"), {"a": b'{"n":3}'}, ["b"])
    assert drain(outbox) == [
        {"type": "rows", "now_us": 8, "broker": "unreachable", "gone": ["b"], "rows": [{"n": 3}]}
    ]


def test_a_second_without_news_is_a_heartbeat() -> None:
    """An empty list of rows says that the server lives."""
    outbox = Outbox()
    outbox.put_rows(NOTE, {}, [])
    assert drain(outbox) == [{"type": "rows", "now_us": 7, "broker": "ok", "gone": [], "rows": []}]


def test_events_come_first_and_are_kept() -> None:
    """Up to a bound, beyond which the oldest go."""
    outbox = Outbox()
    outbox.watch(["a"])
    outbox.put_frame("a", b"frame")
    for number in range(MAX_EVENTS + 1):
        outbox.put_event(str(number).encode())
    found = drain(outbox)
    assert [message["event"] for message in found[:-1]] == list(range(1, MAX_EVENTS + 1))
    assert found[-1] == b"frame"


def test_long_frames_are_bounded_in_bytes() -> None:
    """A slow browser costs a megabyte at most, however long the chunks are."""
    outbox = Outbox()
    outbox.watch(["a"])
    for number in range(100):
        outbox.put_frame("a", bytes([number]) * 40_000)
    waiting = drain(outbox)
    frames = [message for message in waiting if isinstance(message, bytes)]
    assert sum(map(len, frames)) <= MAX_FRAME_BYTES
    assert len(frames) + outbox.lost == 100
    assert frames[-1][0] == 99
