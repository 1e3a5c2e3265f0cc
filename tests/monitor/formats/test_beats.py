"""Scored windows as columns: parted, joined, put in order."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import DecodeError
from monitor.formats.beats import ScoredWindows, beats_records, decode_beats, encode_beats
from tests.support.scan_fakes import windows_at


def windows(n: int = 3) -> ScoredWindows:
    """Some windows, one of them not judged."""
    random = np.random.default_rng(0)
    score = random.exponential(size=n).astype(np.float32)
    score[-1:] = np.nan
    return ScoredWindows(
        stream=[f"bed-{i}" for i in range(n)],
        session=["s"] * n,
        sample=random.integers(0, 1 << 40, n),
        time_us=random.integers(0, 1 << 50, n),
        rr_s=random.random(n).astype(np.float32),
        score=score,
        p_value=(10.0**-score).astype(np.float32),
        anomalous=score > 1,
        kind=(["beat", "fixed", "run"] * n)[:n],
        quality=(["good", "good", "missing"] * n)[:n],
    )


def test_late_windows_are_put_in_order() -> None:
    """A beat found by search-back stands where it belongs."""
    joined = ScoredWindows.joined([windows_at([500, 750]), windows_at([250])])
    assert joined.sample.tolist() == [500, 750, 250]
    ordered = joined.in_time_order()
    assert ordered.sample.tolist() == [250, 500, 750]
    assert ordered.kind == ["beat", "beat", "beat.morphology"]


def test_some_rows_keep_their_columns_together() -> None:
    """In the order asked for, text and numbers alike."""
    windows = windows_at([250, 500, 750], odd=[500])
    some = windows.rows(np.array([1, 0]))
    assert some.sample.tolist() == [500, 250]
    assert some.anomalous.tolist() == [True, False]
    assert some.kind == [windows.kind[1], windows.kind[0]]
    assert len(windows.rows([])) == 0


def test_other_streams_rows_are_left_out() -> None:
    """A record of `ecg.beats` mixes streams and sessions."""
    mixed = ScoredWindows.joined([windows_at([250]), windows_at([260], "other")])
    assert mixed.of("other", "recording").sample.tolist() == [260]
    assert len(mixed.of("other", "earlier")) == 0


@pytest.mark.parametrize("n", [0, 3])
def test_beats_come_back_as_they_were(n: int) -> None:
    """All columns of a record, types included."""
    before = windows(n)
    after = decode_beats(encode_beats(before))
    assert len(after) == n
    for name in ScoredWindows.__slots__:
        first, second = getattr(before, name), getattr(after, name)
        if isinstance(first, list):
            assert first == second
        else:
            assert first.dtype == second.dtype
            assert np.array_equal(first, second, equal_nan=first.dtype.kind == "f")


@given(n=st.integers(0, 40), max_bytes=st.integers(200, 3000))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_records_of_beats_are_bounded_in_bytes(n: int, max_bytes: int) -> None:
    """Every window is in one of them, in order; only a single window may be more than the limit."""
    before = windows(n)
    parts = [(len(value), decode_beats(value)) for value in beats_records(before, max_bytes)]
    assert all(size <= max_bytes or len(part) == 1 for size, part in parts)
    assert np.array_equal(np.concatenate([part.sample for _, part in parts]), before.sample)


def test_ids_stand_once_a_record() -> None:
    """However long they are, a row costs the same; so do words, and the model is told."""
    long, rows = windows(1000), 1000
    long.stream, long.session = ["s" * 200] * rows, ["t" * 200] * rows
    value = encode_beats(long, "mitdb", "v1")
    assert len(value) < 45 * rows + 700
    record = msgspec.msgpack.decode(value)
    lists = [record[name] for name in ("streams", "sessions", "kinds", "qualities")]
    assert lists == [["s" * 200], ["t" * 200], ["beat", "fixed", "run"], ["good", "missing"]]
    assert (record["schema"], record["model"], record["model_version"]) == (2, "mitdb", "v1")


def test_every_part_of_a_long_table_names_the_model() -> None:
    """And the ids that are in it, no others."""
    parts = [msgspec.msgpack.decode(value) for value in beats_records(windows(40), 900, "mitdb", "v1")]
    assert len(parts) > 2
    assert {part["model_version"] for part in parts} == {"v1"}
    assert [name for part in parts for name in part["streams"]] == [f"bed-{i}" for i in range(40)]


def test_another_schema_of_beats_is_refused() -> None:
    """Columns of a later release are not guessed at."""
    with pytest.raises(DecodeError, match="schema is 3"):
        decode_beats(msgspec.msgpack.encode({"schema": 3, "columns": {}}))


def first(windows: ScoredWindows) -> dict[str, Any]:
    """The columns of a record of schema 1."""
    numbers = {"sample": "<i8", "time_us": "<i8", "rr_s": "<f4", "score": "<f4", "p_value": "<f4"}
    columns = {name: getattr(windows, name).astype(form).tobytes() for name, form in numbers.items()}
    words = {name: getattr(windows, name) for name in ("stream", "session", "kind", "quality")}
    return {**columns, "anomalous": windows.anomalous.tobytes(), **words}


@pytest.mark.parametrize("n", [0, 3])
def test_the_first_schema_is_read_as_well(n: int) -> None:
    """The topic holds it for days after an upgrade."""
    before = windows(n)
    after = decode_beats(msgspec.msgpack.encode({"schema": 1, "columns": first(before)}))
    for name in ScoredWindows.__slots__:
        assert np.asarray(getattr(after, name)).tobytes() == np.asarray(getattr(before, name)).tobytes()


def changed_first(**columns: object) -> bytes:
    """A record of schema 1 with some columns replaced."""
    return msgspec.msgpack.encode({"schema": 1, "columns": first(windows()) | columns})


def changed(lists: dict[str, object] | None = None, **columns: object) -> bytes:
    """A record of three windows with some lists and columns replaced."""
    record = msgspec.msgpack.decode(encode_beats(windows())) | (lists or {})
    record["columns"] |= columns
    return msgspec.msgpack.encode(record)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "empty"),
        (b"\xc1", "malformed"),
        (changed_first(stream=["a", 5, "b"]), "field"),
        (changed_first(stream=["a" * 201, "b", "c"]), "field"),
        (changed_first(session=["s" * 201] * 3), "field"),
        (changed_first(kind=["k" * 41] * 3), "field"),
        (changed_first(stream=["a"]), "field"),
        (changed_first(sample=np.full(3, 1 << 62).tobytes()), "field"),
        (changed({"streams": ["a", 5, "b"]}), "field"),
        (changed({"streams": ["a" * 201, "b", "c"]}), "field"),
        (changed({"sessions": ["s" * 201]}), "field"),
        (changed({"kinds": ["k" * 41] * 3}), "field"),
        (changed({"qualities": None}), "field"),
        (changed({"streams": ["a"]}), "field"),  # rows name a second
        (changed(stream=["a", "b", "c"]), "field"),
        (changed(stream=b"abc"), "field"),
        (changed(stream=bytes(4)), "field"),
        (changed(quality=np.full(3, 1 << 31, "<u4").tobytes()), "field"),
        (changed(score=b"abc"), "field"),
        (changed(time_us=np.full(3, 1 << 62).tobytes()), "field"),
        (changed(sample=np.full(3, -(1 << 63)).tobytes()), "field"),
    ],
)
def test_columns_that_are_none_are_refused_by_a_reason(value: bytes | None, reason: str) -> None:
    """Nobody who reads them has to fear another type, a longer word or a time beyond all dates."""
    with pytest.raises(DecodeError) as refused:
        decode_beats(value)
    assert refused.value.reason == reason


def test_a_newer_releases_columns_are_ignored() -> None:
    """As in the other formats."""
    assert len(decode_beats(changed(model=["m"] * 3))) == 3
