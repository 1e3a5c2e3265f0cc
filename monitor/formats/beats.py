"""Beats and fixed windows as they were scored, as columns: the records of `ecg.beats`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

BEATS_SCHEMA = 1


@dataclass(slots=True, eq=False)
class ScoredWindows:
    """Every window scored in a batch, as columns of equal length, in each stream's order of decision."""

    stream: list[str]
    session: list[str]
    sample: NDArray[np.int64]  # R peak, or a fixed window's centre: input sample number
    time_us: NDArray[np.int64]
    rr_s: NDArray[np.float32]  # RR interval to the beat before; NaN for fixed windows
    score: NDArray[np.float32]  # NaN where the window was gated
    p_value: NDArray[np.float32]
    anomalous: NDArray[np.bool_]
    kind: list[str]  # "beat", or "fixed"; anomalous beats carry their event kind
    quality: list[str]  # "good", "noise", "saturated", "flat", "missing"

    def __len__(self) -> int:
        return len(self.sample)

    def rows(self, index: NDArray[np.int64] | Sequence[int]) -> ScoredWindows:
        """Some of the windows, in that order."""
        return ScoredWindows(**{name: _picked(getattr(self, name), index) for name in self.__slots__})

    @classmethod
    def joined(cls, parts: Sequence[ScoredWindows]) -> ScoredWindows:
        """One table of several, one part after the other."""
        return cls(**{name: _joined([getattr(part, name) for part in parts]) for name in cls.__slots__})

    def in_time_order(self) -> ScoredWindows:
        """Windows of one stream by sample; of equal ones the first decided comes first."""
        return self.rows(np.argsort(self.sample, kind="stable"))

    def of(self, stream: str, session: str) -> ScoredWindows:
        """Windows of one stream's session."""
        pairs = zip(self.stream, self.session, strict=True)
        return self.rows([row for row, pair in enumerate(pairs) if pair == (stream, session)])


def _picked(column: Any, index: NDArray[np.int64] | Sequence[int]) -> Any:
    return [column[row] for row in index] if isinstance(column, list) else column[index]


def _joined(columns: Sequence[Any]) -> Any:
    return list(chain.from_iterable(columns)) if isinstance(columns[0], list) else np.concatenate(columns)


_COLUMNS = ("sample", "time_us", "rr_s", "score", "p_value", "anomalous")
_DTYPES = dict(zip(_COLUMNS, ("<i8", "<i8", "<f4", "<f4", "<f4", "?"), strict=True))


def encode_beats(windows: ScoredWindows) -> bytes:
    """One columnar MessagePack record; numeric columns are little-endian bytes."""
    columns: dict[str, Any] = {
        name: getattr(windows, name).astype(dtype).tobytes() for name, dtype in _DTYPES.items()
    }
    columns |= {name: getattr(windows, name) for name in ("stream", "session", "kind", "quality")}
    return msgspec.msgpack.encode({"schema": BEATS_SCHEMA, "columns": columns})


def beats_records(windows: ScoredWindows, max_bytes: int) -> Iterator[bytes]:
    """Records of the windows in their order, none longer than max_bytes but one of a single window.

    Ids have up to 200 characters each, so that no number of windows is a bound by itself.
    """
    value = encode_beats(windows)
    if len(value) <= max_bytes or len(windows) < 2:
        yield value
        return
    half = len(windows) // 2
    for rows in (np.arange(half), np.arange(half, len(windows))):
        yield from beats_records(windows.rows(rows), max_bytes)


def decode_beats(value: bytes) -> ScoredWindows:
    """The columns in a record of `ecg.beats`; raises ValueError for another schema."""
    record = msgspec.msgpack.decode(value)
    if record["schema"] != BEATS_SCHEMA:
        raise ValueError(f"beats schema is {record['schema']!r}, wanted {BEATS_SCHEMA}")
    columns = record["columns"]
    numeric = {name: np.frombuffer(columns[name], _DTYPES[name]) for name in _COLUMNS}
    return ScoredWindows(**{**columns, **numeric})
