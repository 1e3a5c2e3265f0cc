"""The live side of the page: what the feed brings and the rows of every second, to all browsers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from contextlib import suppress
from importlib.metadata import version
from typing import Any

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from monitor.web.feed import Feed, Fresh
from monitor.web.held.store import Store
from monitor.web.metrics import WebMetrics
from monitor.web.outbox import MAX_EVENTS, Outbox, RowsNote
from monitor.web.views import rows

ROWS_S = 1.0
REPEAT_US = 5_000_000  # a row is sent again after so long even if only its times have changed
MAX_PENDING = 4096  # frames from the feed that the event loop has not yet handed on
MAX_PENDING_BYTES = 1 << 24  # of the same
_TIMES = ("last_us", "received_us")
_TRY_LATER, _BAD_DATA = 1013, 1003  # WebSocket close codes


class Watchlist(msgspec.Struct):
    """The one message that a browser sends."""

    watch: list[str]


class Hub:
    """Hands what is new to every browser's outbox."""

    def __init__(self, store: Store, metrics: WebMetrics, max_clients: int, history_s: float) -> None:
        self.store, self._metrics = store, metrics
        self._max_clients, self._history_s = max_clients, history_s
        self._outboxes: set[Outbox] = set()
        self._rows: dict[str, tuple[dict[str, Any], bytes, int]] = {}  # as last sent, and when
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._pending: deque[Fresh] = deque()
        self._pending_frames = self._pending_bytes = self._pending_events = 0
        self.feed: Feed | None = None

    def tell(self, fresh: Fresh) -> None:
        """Take what a poll brought; called on the feed's thread."""
        with self._lock:
            if self._loop is None or not self._outboxes:
                return
            waiting = bool(self._pending)
            self._pending.append(fresh)
            self._pending_frames += len(fresh.frames)
            self._pending_bytes += _frame_bytes(fresh)
            self._pending_events += len(fresh.events)
            # No outbox would keep more events than that either.
            while (
                self._pending_frames > MAX_PENDING
                or self._pending_bytes > MAX_PENDING_BYTES
                or self._pending_events > MAX_EVENTS + len(fresh.events)
            ):
                oldest = self._pending.popleft()
                self._metrics.frames_lost.inc(len(oldest.frames))
                self._pending_frames -= len(oldest.frames)
                self._pending_bytes -= _frame_bytes(oldest)
                self._pending_events -= len(oldest.events)
        if not waiting:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._hand_out)

    async def run(self) -> None:
        """Send rows every second until cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            began = time.monotonic()
            now_us = time.time_ns() // 1000
            shown = await asyncio.to_thread(rows.rows, self.store, now_us)
            self._publish_rows(shown, now_us)
            await asyncio.sleep(max(0.1, ROWS_S - (time.monotonic() - began)))

    async def serve(self, socket: WebSocket) -> None:
        """Talk with one browser until it goes."""
        if len(self._outboxes) >= self._max_clients:
            await socket.close(_TRY_LATER)
            return
        await socket.accept()
        outbox = Outbox()
        self._outboxes.add(outbox)
        self._metrics.clients.set(len(self._outboxes))
        sender = asyncio.create_task(self._send(socket, outbox))
        try:
            await self._receive(socket, outbox)
        finally:
            self._outboxes.discard(outbox)
            self._metrics.clients.set(len(self._outboxes))
            sender.cancel()
            with suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError, OSError):
                await sender

    async def _send(self, socket: WebSocket, outbox: Outbox) -> None:
        now_us = time.time_ns() // 1000
        hello = {
            "type": "hello",
            "now_us": now_us,
            "version": version("ecg-monitor"),
            "history_s": self._history_s,
        }
        await socket.send_text(msgspec.json.encode(hello).decode())
        outbox.put_rows(self._note(now_us), {name: row for name, (_, row, _) in self._rows.items()}, ())
        while True:
            message = await outbox.next()
            if isinstance(message, bytes):
                await socket.send_bytes(message)
                self._metrics.frames_sent.inc()
            else:
                await socket.send_text(message)

    async def _receive(self, socket: WebSocket, outbox: Outbox) -> None:
        with suppress(WebSocketDisconnect):
            while True:
                try:
                    wanted = msgspec.json.decode(await socket.receive_text(), type=Watchlist)
                except (msgspec.MsgspecError, KeyError):
                    await socket.close(_BAD_DATA)
                    return
                for stream in outbox.watch(wanted.watch):
                    outbox.catch_up(stream, self.store.frames(stream))

    def _hand_out(self) -> None:
        with self._lock:
            fresh, self._pending = list(self._pending), deque()
            self._pending_frames = self._pending_bytes = self._pending_events = 0
        events = [msgspec.json.encode(self.store.page_event(held)) for each in fresh for held in each.events]
        for outbox in self._outboxes:
            for event in events:
                outbox.put_event(event)
            lost = outbox.lost
            for each in fresh:
                for stream, frame in each.frames:
                    outbox.put_frame(stream, frame)
            self._metrics.frames_lost.inc(outbox.lost - lost)

    def _publish_rows(self, rows: list[dict[str, Any]], now_us: int) -> None:
        changed: dict[str, bytes] = {}
        for row in rows:
            name = row["stream"]
            kept = {key: value for key, value in row.items() if key not in _TIMES}
            before = self._rows.get(name)
            if before is None or before[0] != kept or now_us - before[2] >= REPEAT_US:
                changed[name] = msgspec.json.encode(row)
                self._rows[name] = (kept, changed[name], now_us)
        gone = [name for name in self._rows if name not in {row["stream"] for row in rows}]
        for name in gone:
            del self._rows[name]
        for outbox in self._outboxes:
            outbox.put_rows(self._note(now_us), changed, gone)
        self._measure(rows)

    def _note(self, now_us: int) -> RowsNote:
        return RowsNote(now_us, "reading" if self.feed is None else self.feed.state)

    def _measure(self, rows: list[dict[str, Any]]) -> None:
        counts = self.store.counts()
        self._metrics.streams.set(len(rows))
        self._metrics.stale_streams.set(sum(row["stale"] for row in rows))
        self._metrics.signal_bytes.set(counts["signal_bytes"])
        self._metrics.events_held.set(counts["events"])
        self._metrics.refused.inc(self.store.take_refused())


def _frame_bytes(fresh: Fresh) -> int:
    return sum(len(frame) for _, frame in fresh.frames)
