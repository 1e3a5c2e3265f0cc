"""Rows, events and frames over the WebSocket."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from monitor.web import live
from monitor.web.app import Page
from monitor.web.feed import Fresh
from monitor.web.held.store import Store
from monitor.web.live import MAX_PENDING, MAX_PENDING_BYTES, Hub
from monitor.web.metrics import WebMetrics, new_web_metrics
from monitor.web.outbox import MAX_EVENTS, Outbox
from tests.support.web.made import CHUNK, chunk_value, event, held, limits, send, store_of
from tests.support.web.pages import client, page

LIVE = "ws://localhost/api/live"
HEADERS = {"origin": "http://localhost"}


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Page:
    """A page over two streams whose feed reads nothing."""
    made, _ = page(store_of(10))
    send(made.store, chunk_value(0, "b"))
    monkeypatch.setattr(made.feed, "start", lambda: None)
    monkeypatch.setattr(made.feed, "stop", lambda: None)
    return made


def until(socket: WebSocketTestSession, wanted: Callable[[Any], bool]) -> Any:
    """The first message that is wanted: text decoded, frames as bytes."""
    for _ in range(200):
        message = socket.receive()
        socket._raise_on_close(message)
        found = json.loads(message["text"]) if message.get("text") else message.get("bytes")
        if wanted(found):
            return found
    raise AssertionError("never came")


def is_rows(message: Any) -> bool:
    """A message of rows that holds some."""
    return isinstance(message, dict) and message["type"] == "rows" and bool(message["rows"])


def test_a_browser_is_greeted_and_gets_all_rows(served: Page) -> None:
    """And then a heartbeat a second."""
    with client(served) as browser, browser.websocket_connect(LIVE, headers=HEADERS) as socket:
        hello = json.loads(socket.receive_text())
        assert (hello["type"], hello["history_s"], hello["version"]) == ("hello", 600.0, "0.1.0")
        assert {row["stream"] for row in until(socket, is_rows)["rows"]} == {"a", "b"}
        began = time.monotonic()
        beat = until(socket, lambda message: isinstance(message, dict) and message["type"] == "rows")
        assert beat["broker"] == "reading"
        assert time.monotonic() - began < 5
        assert served.metrics.clients._value.get() == 1
    assert served.metrics.clients._value.get() == 0


def test_a_watched_stream_comes_with_its_last_seconds(served: Page) -> None:
    """And then with what the feed brings."""
    with client(served) as browser, browser.websocket_connect(LIVE, headers=HEADERS) as socket:
        socket.send_text('{"watch": ["a", "nobody"]}')
        recent = served.store.frames("a")
        got = [until(socket, lambda message: isinstance(message, bytes)) for _ in recent]
        assert got == recent
        frame = send(served.store, chunk_value(10))
        assert frame is not None
        served.hub.tell(Fresh(frames=[("a", frame), ("b", b"not watched")]))
        assert until(socket, lambda message: isinstance(message, bytes)) == frame


def test_an_event_is_told_as_soon_as_it_is_read(served: Page) -> None:
    """To everyone, whatever they watch."""
    found = held(event(500))
    served.store.take_event(found)
    with client(served) as browser, browser.websocket_connect(LIVE, headers=HEADERS) as socket:
        until(socket, is_rows)
        served.hub.tell(Fresh(events=[found]))
        told = until(socket, lambda message: isinstance(message, dict) and message["type"] == "event")
        assert told["event"] == {"muted": False} | found.data | {"id": found.id, "verdict": None}


@pytest.mark.parametrize("message", ["", "[]", '{"watch": 1}', '{"look": []}', "\ud7ff{"])
def test_a_browser_that_talks_nonsense_is_hung_up_on(served: Page, message: str) -> None:
    """The others go on."""
    with client(served) as browser, browser.websocket_connect(LIVE, headers=HEADERS) as socket:
        socket.send_text(message)
        with pytest.raises(WebSocketDisconnect) as ended:
            until(socket, lambda message: False)
        assert ended.value.code == 1003


@pytest.mark.parametrize("headers", [{}, {"origin": "http://evil.example"}])
def test_another_sites_page_gets_nothing(served: Page, headers: dict[str, str]) -> None:
    """A browser sends its cookies and its place in the network along; the origin tells who asks."""
    with pytest.raises(WebSocketDisconnect), client(served).websocket_connect(LIVE, headers=headers):
        pass


def test_there_are_no_more_browsers_than_allowed() -> None:
    """A further one is told to try later."""
    made, _ = page(store_of(1), max_clients=1)
    browser = client(made)
    with (
        browser.websocket_connect(LIVE, headers=HEADERS),
        pytest.raises(WebSocketDisconnect),
        browser.websocket_connect(LIVE, headers=HEADERS),
    ):
        pass


def hub(store: Store | None = None) -> tuple[Hub, Outbox, WebMetrics]:
    """A hub with one browser's outbox."""
    metrics = new_web_metrics()
    made, outbox = Hub(store or Store(limits()), metrics, 10, 600.0), Outbox()
    made._outboxes.add(outbox)
    return made, outbox, metrics


def test_an_event_loop_that_stands_still_costs_frames_and_no_memory() -> None:
    """What waits for it is bounded; what is lost is counted."""

    async def stand_still() -> tuple[int, float]:
        made, outbox, metrics = hub()
        outbox.watch(["a"])
        made._loop = asyncio.get_running_loop()
        for _ in range(100):
            made.tell(Fresh(frames=[("a", b"x")] * 100))
        waiting = sum(len(fresh.frames) for fresh in made._pending)
        return waiting, metrics.frames_lost._value.get()

    waiting, lost = asyncio.run(stand_still())
    assert waiting <= MAX_PENDING
    assert lost == 100 * 100 - waiting


def told(outbox: Outbox) -> Any:
    """The message of rows that waits."""
    return json.loads(asyncio.run(asyncio.wait_for(outbox.next(), 1)))


def test_a_row_is_sent_again_when_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times alone are no change for five seconds."""
    made, outbox, _ = hub()
    row = {"stream": "a", "last_us": 1, "received_us": 1, "stale": False, "heart_rate": 60}
    sent = []
    for second, changes in ((0, {}), (1, {"last_us": 2}), (2, {"heart_rate": 61}), (7, {"last_us": 3})):
        made._publish_rows([row | changes], second * 1_000_000)
        message = json.loads(outbox._take() or "")
        sent.append(bool(message["rows"]))
        row |= changes
    assert sent == [True, False, True, True]
    assert live.REPEAT_US == 5_000_000


def test_a_stream_that_is_forgotten_is_gone() -> None:
    """The page takes its tile away."""
    made, outbox, _ = hub()
    row = {"stream": "a", "last_us": 1, "received_us": 1, "stale": False}
    made._publish_rows([row], 0)
    told(outbox)
    made._publish_rows([], 1_000_000)
    assert told_again(outbox) == ["a"]


def told_again(outbox: Outbox) -> Any:
    """Who is gone by the message that waits."""
    return json.loads(outbox._take() or "")["gone"]


def test_what_is_held_is_measured() -> None:
    """Streams, stale ones, bytes and events."""
    store = store_of(3)
    store.take_event(held(event(CHUNK)))
    made, _, metrics = hub(store)
    rows = [{"stream": "a", "last_us": 1, "received_us": 1, "stale": True}]
    made._publish_rows(rows, 0)
    assert metrics.streams._value.get() == metrics.stale_streams._value.get() == 1
    assert metrics.events_held._value.get() == 1
    assert metrics.signal_bytes._value.get() == store.counts()["signal_bytes"] > 0


def test_what_waits_for_the_loop_is_bounded_in_bytes_and_events() -> None:
    """Frames may be long, and a topic of events may be read at once."""

    async def stand_still() -> tuple[int, int, bool]:
        made, _, _ = hub()
        made._loop = asyncio.get_running_loop()
        newest = held(event(1))
        for _ in range(100):
            made.tell(Fresh(frames=[("a", b"x" * 100_000)] * 10, events=[held(event(0))] * 100))
        made.tell(Fresh(events=[newest]))
        frames = sum(len(frame) for fresh in made._pending for _, frame in fresh.frames)
        return frames, sum(len(fresh.events) for fresh in made._pending), newest in made._pending[-1].events

    frames, events, newest = asyncio.run(stand_still())
    assert frames <= MAX_PENDING_BYTES
    assert events <= MAX_EVENTS + 100
    assert newest
