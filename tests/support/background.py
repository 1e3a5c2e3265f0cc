"""Work beside a test, on a thread that is over when the test goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def beside(run: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run this on a thread while in the block; then set the event that it was given, and wait for it."""
    over = threading.Event()
    thread = threading.Thread(target=run, args=(over,))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
