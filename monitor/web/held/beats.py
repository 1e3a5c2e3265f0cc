"""The last scored windows of one stream, as rows of fixed size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.ecg.quality import Quality
from monitor.formats.beats import ScoredWindows
from monitor.formats.events import Kind
from monitor.web.held.limits import weigh

CAPACITY = 4096  # windows: ten minutes of 300 beats a minute, and a fixed one a second
_FIRST = 64  # rows to begin with, once there is one
KINDS = ("beat", "fixed", *(str(kind) for kind in Kind))
QUALITIES = tuple(quality.name.lower() for quality in Quality)
_KIND = {name: code for code, name in enumerate(KINDS)}
_QUALITY = {name: code for code, name in enumerate(QUALITIES)}
FIXED = _KIND["fixed"]
_MAX_SESSIONS = 8
ROW = np.dtype(
    [
        ("sample", "<i8"),
        ("time_us", "<i8"),
        ("rr_s", "<f4"),
        ("score", "<f4"),
        ("p_value", "<f4"),
        ("anomalous", "?"),
        ("kind", "u1"),
        ("quality", "u1"),
        ("session", "u1"),
    ]
)


class BeatsHeld:
    """A ring of windows in order of decision."""

    def __init__(self) -> None:
        self._rows = np.zeros(0, ROW)
        self._count = 0  # rows ever taken
        self._sessions: list[str] = []

    @property
    def bytes(self) -> int:
        """Memory that it takes, about."""
        return self._rows.nbytes + weigh(self._sessions)

    def take(self, windows: ScoredWindows, index: int) -> None:
        """Keep row `index`; one of a kind or quality that is not known here is left out."""
        kind, quality = _KIND.get(windows.kind[index]), _QUALITY.get(windows.quality[index])
        if kind is None or quality is None:
            return
        if self._count == len(self._rows) < CAPACITY:
            self._rows = np.concatenate([self._rows, np.zeros(max(_FIRST, len(self._rows)), ROW)])
        self._rows[self._count % len(self._rows)] = (
            windows.sample[index],
            windows.time_us[index],
            windows.rr_s[index],
            windows.score[index],
            windows.p_value[index],
            windows.anomalous[index],
            kind,
            quality,
            self._session(windows.session[index]),
        )
        self._count += 1

    def rows(self, session: str) -> NDArray[Any]:
        """Windows of a session by time, each once, (n,) of ROW; a copy."""
        if session not in self._sessions:
            return np.zeros(0, ROW)
        held = self._rows[: min(self._count, len(self._rows))]
        mine = held[held["session"] == self._sessions.index(session)]
        # At-least-once delivery may bring a window twice.
        _, first = np.unique(mine["sample"] * 2 + (mine["kind"] == FIXED), return_index=True)
        once: NDArray[Any] = mine[first]
        return once

    def last(self, session: str, count: int) -> NDArray[Any]:
        """The last windows of a session in order of decision, at most `count`."""
        if session not in self._sessions:
            return np.zeros(0, ROW)
        size = len(self._rows)
        newest = np.arange(max(0, self._count - min(count, size)), self._count) % max(1, size)
        rows = self._rows[newest]
        mine: NDArray[Any] = rows[rows["session"] == self._sessions.index(session)]
        return mine

    def _session(self, name: str) -> int:
        if name not in self._sessions:
            if len(self._sessions) == _MAX_SESSIONS:
                # The oldest session's rows are given up for its number.
                self._rows["session"][self._rows["session"] == 0] = _MAX_SESSIONS
                self._rows["session"][self._rows["session"] < _MAX_SESSIONS] -= 1
                self._sessions.pop(0)
            self._sessions.append(name)
        return self._sessions.index(name)
