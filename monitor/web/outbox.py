"""What one browser has still to be sent: bounded, so that a slow one loses frames and never costs memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

MAX_WATCHED = 64  # tiles that are drawn at once
MAX_FRAMES = 512  # 8 s of 64 streams in chunks of 1 s; 150 kB
MAX_FRAME_BYTES = 1 << 20  # of them: chunks may last a minute
MAX_EVENTS = 1000


@dataclass(frozen=True, slots=True)
class RowsNote:
    """What goes with the rows of one second."""

    now_us: int
    broker: str


class Outbox:
    """Frames, rows and events of one browser; used on the event loop alone."""

    def __init__(self) -> None:
        self.watched: frozenset[str] = frozenset()
        self.lost = 0  # frames left out in all
        self._untold = 0  # of these, what the browser was not yet told
        self._frames: deque[tuple[str, bytes]] = deque()
        self._frame_bytes = 0
        self._events: deque[bytes] = deque(maxlen=MAX_EVENTS)
        self._caught_up: dict[str, list[bytes]] = {}  # until the first frame that is newer
        self._rows: dict[str, bytes] = {}
        self._gone: set[str] = set()
        self._note: RowsNote | None = None
        self._wake = asyncio.Event()

    def watch(self, streams: Iterable[str]) -> list[str]:
        """Change what is watched, at most MAX_WATCHED; returns what was not watched before."""
        wanted = list(dict.fromkeys(streams))[:MAX_WATCHED]
        new = [stream for stream in wanted if stream not in self.watched]
        self.watched = frozenset(wanted)
        self._frames = deque(item for item in self._frames if item[0] in self.watched)
        self._frame_bytes = sum(len(frame) for _, frame in self._frames)
        self._caught_up = {stream: was for stream, was in self._caught_up.items() if stream in self.watched}
        return new

    def catch_up(self, stream: str, frames: list[bytes]) -> None:
        """Queue the last seconds of a newly watched stream; those on their way already are not sent twice."""
        for frame in frames:
            self.put_frame(stream, frame)
        self._caught_up[stream] = frames

    def put_frame(self, stream: str, frame: bytes) -> bool:
        """Queue a frame of a watched stream; the oldest ones give way. False if one was lost."""
        if stream not in self.watched or self._was_sent(stream, frame):
            return True
        self._frames.append((stream, frame))
        self._frame_bytes += len(frame)
        self._wake.set()
        before = len(self._frames)
        while len(self._frames) > MAX_FRAMES or self._frame_bytes > MAX_FRAME_BYTES:
            self._oldest()
        lost = before - len(self._frames)
        self.lost += lost
        self._untold += lost
        return not lost

    def _oldest(self) -> bytes:
        _, frame = self._frames.popleft()
        self._frame_bytes -= len(frame)
        return frame

    def put_event(self, event: bytes) -> None:
        """Queue an event, encoded."""
        self._events.append(event)
        self._wake.set()

    def put_rows(self, note: RowsNote, rows: dict[str, bytes], gone: Sequence[str]) -> None:
        """Queue rows, encoded, in place of earlier ones of the same streams."""
        self._rows |= rows
        self._gone = (self._gone | set(gone)) - set(rows)
        for stream in gone:
            self._rows.pop(stream, None)
        self._note = note
        self._wake.set()

    def _was_sent(self, stream: str, frame: bytes) -> bool:
        if any(frame is sent for sent in self._caught_up.get(stream, ())):
            return True
        self._caught_up.pop(stream, None)
        return False

    async def next(self) -> str | bytes:
        """The message to send next: events before rows before frames; waits for one."""
        while True:
            message = self._take()
            if message is not None:
                return message
            self._wake.clear()
            await self._wake.wait()

    def _take(self) -> str | bytes | None:
        if self._events:
            return '{"type":"event","event":' + self._events.popleft().decode() + "}"
        if self._note is not None:
            return self._take_rows(self._note)
        if self._untold:
            told, self._untold = self._untold, 0
            return f'{{"type":"lost","frames":{told}}}'
        return self._oldest() if self._frames else None

    def _take_rows(self, note: RowsNote) -> str:
        rows, gone = self._rows, sorted(self._gone)
        self._rows, self._gone, self._note = {}, set(), None
        head = msgspec.json.encode(
            {"type": "rows", "now_us": note.now_us, "broker": note.broker, "gone": gone}
        )
        return (head[:-1] + b',"rows":[' + b",".join(rows.values()) + b"]}").decode()
