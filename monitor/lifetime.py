"""How a worker's process ends in time: at once before the work begins, in order, or by its watchdog."""

from __future__ import annotations

import faulthandler
import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from monitor.errors import BrokerError

logger = logging.getLogger(__name__)
OUT_S = 20.0  # for the whole way out, whatever it waits for; an orchestrator kills after 30
TICK_S = 1.0
SAY_S = 2.0  # for the last words: a log that nobody reads must not keep the process
SEIZED_S = 10.0  # of CPU, beyond the limit, without a tick: compiled code does not let go of the interpreter
FORCED_EXIT = 130  # a second SIGINT or SIGTERM
STUCK_EXIT = BrokerError.exit_code


def quit_at_once(number: int, frame: FrameType | None = None) -> None:
    """End the process, as a signal's handler: there is nothing yet that must be finished.

    Not by an exception: what is going on, an import or the making of a client, might swallow it.
    """
    del frame
    try:
        logger.info("stopped by %s before the work began", signal.Signals(number).name)
    finally:
        os._exit(0)


class Watchdog:
    """Ends the process with code 4 if its main loop stands in one call, or is not out in time.

    On a thread while in a `with` block. Time during which the process itself was stopped does not count.
    turns: a number that changes whenever the loop gets on, 0 before it begins. limit_s: the longest that it
    may stand.
    """

    def __init__(self, turns: Callable[[], int], limit_s: float, tick_s: float = TICK_S) -> None:
        self._turns = turns
        self._limit_s, self._tick_s = limit_s, tick_s
        self._leaving = False
        self._main = threading.get_ident()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def leave(self) -> None:
        """The loop comes to its end: from now on OUT_S are left in all. Safe in a signal's handler."""
        self._leaving = True

    def __enter__(self) -> Self:
        self._main = threading.get_ident()
        # In C, and so also where compiled code keeps every thread of Python from running.
        faulthandler.register(signal.SIGPROF, file=sys.__stderr__ or 2, chain=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        faulthandler.unregister(signal.SIGPROF)

    def _watch(self) -> None:
        standstill = Standstill(self._limit_s, self._tick_s)
        while True:
            # CPU time, which does not pass while the process is stopped, unlike any other clock in C.
            signal.setitimer(signal.ITIMER_PROF, self._limit_s + SEIZED_S)
            if self._over.wait(self._tick_s):
                return
            verdict = standstill.tick(time.monotonic(), self._turns(), self._leaving)
            if verdict is not None:
                self._end(verdict)

    def _end(self, verdict: str) -> None:
        words = threading.Thread(target=self._say, args=(verdict,), daemon=True)
        words.start()
        words.join(SAY_S)
        os._exit(STUCK_EXIT)

    def _say(self, verdict: str) -> None:
        logger.critical("%s, so the process ends: it stands in %s", verdict, _where(self._main))
        faulthandler.dump_traceback(sys.__stderr__ or 2)


class Standstill:
    """How long the loop has stood, by ticks of the watchdog; knows no clock of its own."""

    def __init__(self, limit_s: float, tick_s: float) -> None:
        self._limit_s = limit_s
        self._most_s = 1.5 * tick_s  # a longer tick was the process's own standstill: stopped, or suspended
        self._before_s = math.inf
        self._turns = -1
        self._stood_s = 0.0
        self._leaving = False

    def tick(self, now_s: float, turns: int, leaving: bool) -> str | None:
        """Why the process must end, None while it need not."""
        passed_s = min(max(now_s - self._before_s, 0.0), self._most_s)
        self._before_s = now_s
        if leaving and not self._leaving:
            self._leaving, self._stood_s = True, 0.0
        elif not leaving and (turns != self._turns or not turns):
            self._turns, self._stood_s = turns, 0.0
        else:
            self._stood_s += passed_s
        if leaving and self._stood_s >= OUT_S:
            return f"not out {self._stood_s:.0f} s after being told to stop"
        if not leaving and self._stood_s >= self._limit_s:
            return f"the main loop has not got on for {self._stood_s:.0f} s"
        return None


def _where(thread: int) -> str:
    """The innermost calls of a thread, innermost first."""
    frame = sys._current_frames().get(thread)
    names: list[str] = []
    while frame is not None and len(names) < 12:
        code = frame.f_code
        names.append(f"{Path(code.co_filename).name}:{frame.f_lineno} {code.co_name}")
        frame = frame.f_back
    return " < ".join(names)
