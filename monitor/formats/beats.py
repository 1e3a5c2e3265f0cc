"""Beats and fixed windows as they were scored, as columns: the records of `ecg.beats`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from monitor.errors import DecodeError
from monitor.formats.chunks import StreamId

BEATS_SCHEMA = 2
SCHEMAS = (1, BEATS_SCHEMA)  # that are read: a running daemon has written the first
MAX_BEAT_SAMPLE = 1 << 53
MAX_TIME_US = 1 << 53
SessionId = Annotated[str, Meta(max_length=200)]
_Word = Annotated[str, Meta(max_length=40)]  # a newer worker's kind or quality is one, too


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
_WORDS = {"stream": "streams", "session": "sessions", "kind": "kinds", "quality": "qualities"}
_PLACE = "<u4"  # a row's place in the list of words


def encode_beats(windows: ScoredWindows, model: str = "", model_version: str = "") -> bytes:
    """One columnar MessagePack record; columns are little-endian bytes, ids and words stand once."""
    columns = {name: getattr(windows, name).astype(dtype).tobytes() for name, dtype in _DTYPES.items()}
    record: dict[str, Any] = {"schema": BEATS_SCHEMA, "model": model, "model_version": model_version}
    for name, words in _WORDS.items():
        values: list[str] = getattr(windows, name)
        place = {word: number for number, word in enumerate(dict.fromkeys(values))}
        record[words] = list(place)
        columns[name] = np.array([place[value] for value in values], _PLACE).tobytes()
    return msgspec.msgpack.encode({**record, "columns": columns})


def beats_records(
    windows: ScoredWindows, max_bytes: int, model: str = "", model_version: str = ""
) -> Iterator[bytes]:
    """Records of the windows in their order, none longer than max_bytes but one of a single window.

    Ids have up to 200 characters each, so that no number of windows is a bound by itself.
    """
    value = encode_beats(windows, model, model_version)
    if len(value) <= max_bytes or len(windows) < 2:
        yield value
        return
    half = len(windows) // 2
    for rows in (np.arange(half), np.arange(half, len(windows))):
        yield from beats_records(windows.rows(rows), max_bytes, model, model_version)


class _Numbers(msgspec.Struct):
    """Columns as they are written; others are ignored."""

    sample: bytes
    time_us: bytes
    rr_s: bytes
    score: bytes
    p_value: bytes
    anomalous: bytes


class _FirstColumns(_Numbers):
    """In schema 1 ids and words stand in every row."""

    stream: list[StreamId]
    session: list[SessionId]
    kind: list[_Word]
    quality: list[_Word]


class _FirstRecord(msgspec.Struct):
    columns: _FirstColumns


class _Columns(_Numbers):
    stream: bytes
    session: bytes
    kind: bytes
    quality: bytes


class _Record(msgspec.Struct):
    streams: list[StreamId]
    sessions: list[SessionId]
    kinds: list[_Word]
    qualities: list[_Word]
    columns: _Columns


class _Versioned(msgspec.Struct):
    schema: Any = None


_decode_first = msgspec.msgpack.Decoder(_FirstRecord)
_decode = msgspec.msgpack.Decoder(_Record)
_decode_version = msgspec.msgpack.Decoder(_Versioned)


def decode_beats(value: bytes | None) -> ScoredWindows:
    """The columns in a record of `ecg.beats`; raises DecodeError: empty, malformed, schema_version, field."""
    if not value:
        raise DecodeError("empty", "record has no value")
    try:
        version = _decode_version.decode(value).schema
        if version not in SCHEMAS:
            raise DecodeError("schema_version", f"beats schema is {version!r:.40}, wanted one of {SCHEMAS}")
        if version == SCHEMAS[0]:
            first = _decode_first.decode(value).columns
            words = {name: getattr(first, name) for name in _WORDS}
            return _table(first, words)
        record = _decode.decode(value)
        return _table(record.columns, {name: _spelt(record, name) for name in _WORDS})
    except msgspec.ValidationError as exc:
        raise DecodeError("field", str(exc)) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise DecodeError("malformed", f"not MessagePack: {exc}") from exc


def _spelt(record: _Record, name: str) -> list[str]:
    """A column of words, row by row."""
    words: list[str] = getattr(record, _WORDS[name])
    column: bytes = getattr(record.columns, name)
    if len(column) % np.dtype(_PLACE).itemsize:
        raise DecodeError("field", f"column {name} is {len(column)} bytes long, wanted 4 a row")
    places = np.frombuffer(column, _PLACE)
    if len(places) and places.max() >= len(words):
        raise DecodeError("field", f"column {name} names word {places.max()}, wanted less than {len(words)}")
    return [words[place] for place in places.tolist()]


def _table(columns: _Numbers, words: dict[str, list[str]]) -> ScoredWindows:
    rows = len(words["stream"])
    lengths = {name: len(column) for name, column in words.items()}
    lengths |= {name: len(getattr(columns, name)) for name in _COLUMNS}
    wanted = {name: rows * np.dtype(_DTYPES.get(name, "u1")).itemsize for name in lengths}
    if lengths != wanted:
        raise DecodeError("field", f"columns are {lengths} long, wanted {wanted}")
    numeric = {name: np.frombuffer(getattr(columns, name), _DTYPES[name]) for name in _COLUMNS}
    for name, most in (("sample", MAX_BEAT_SAMPLE), ("time_us", MAX_TIME_US)):
        if rows and not -most <= numeric[name].min() <= numeric[name].max() <= most:
            raise DecodeError("field", f"{name} is beyond {most}")
    return ScoredWindows(
        stream=words["stream"],
        session=words["session"],
        kind=words["kind"],
        quality=words["quality"],
        **numeric,
    )
