"""Ctrl-C and SIGTERM as one way out, which cleaning up is not interrupted by."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupts:
    """While in a `with` block, the first SIGINT or SIGTERM raises SystemExit(128 + number).

    Later ones are ignored. Needs the main thread, as all Python signal handlers do.
    """

    def __init__(self) -> None:
        self._old: dict[int, Any] = {}
        self._held = 0
        self._pending: int | None = None
        self._done = False

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._old[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Signals wait until the block ends: between a child's start and the note to stop it, say."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        if self._pending is not None and not self._held:
            self._raise(self._pending)

    def ignore(self) -> None:
        """From now on nothing is interrupted: what follows is the cleaning up."""
        self._done = True

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._done:
            return
        if self._held:
            self._pending = number
            return
        self._raise(number)

    def _raise(self, number: int) -> None:
        self._done = True
        raise SystemExit(128 + number)
