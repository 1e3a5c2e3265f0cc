"""A stream's state as bytes."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.detect.order import Stream, new_stream
from monitor.detect.snapshots import STATE_SCHEMA, pack, unpack
from monitor.errors import StateError
from tests.support.made_up import chunk_of


def stream() -> Stream:
    """A stream that holds a chunk, with a gap and two clocks."""
    ecg_mv = np.array([[0.5, np.nan], [1.0, 2.0]], np.float32)
    known = new_stream(chunk_of(ecg_mv, 100))
    known.expected = 500
    known.gaps = [(200, 300)]
    known.clocks.append((300, 77))
    known.held = [chunk_of(ecg_mv, 900)]
    return known


ARRAYS = {
    "filters": {"tail": np.arange(6, dtype=np.float64).reshape(2, 3), "n": np.array(7)},
    "usual": {"ready": np.array(True), "past": np.zeros((0, 4), np.float32)},
}


def test_what_is_packed_comes_back() -> None:
    """All facts, held chunks and arrays, with shapes and types."""
    before = stream()
    after, arrays = unpack(pack(before, ARRAYS, "v1"), "v1", "a")
    for name in Stream.__slots__:
        if name != "held":
            assert getattr(after, name) == getattr(before, name)
    for part, fields in ARRAYS.items():
        for name, array in fields.items():
            assert arrays[part][name].dtype == array.dtype
            assert arrays[part][name].shape == array.shape
            assert np.array_equal(arrays[part][name], array)
    held, kept = before.held[0], after.held[0]
    for name in type(held).__slots__:
        first, second = getattr(held, name), getattr(kept, name)
        assert np.array_equal(first, second) if isinstance(first, np.ndarray) else first == second


def test_packing_is_deterministic() -> None:
    """The same state gives the same bytes."""
    assert pack(stream(), ARRAYS, "v1") == pack(stream(), ARRAYS, "v1")


@pytest.mark.parametrize(("version", "name"), [("v2", "a"), ("v1", "b")])
def test_another_model_or_stream_is_refused(version: str, name: str) -> None:
    """A snapshot belongs to one stream and one model version."""
    with pytest.raises(StateError, match="snapshot has schema"):
        unpack(pack(stream(), ARRAYS, "v1"), version, name)


def repacked(**changes: object) -> bytes:
    """A snapshot with some of its record changed."""
    record = msgspec.msgpack.decode(zstandard.decompress(pack(stream(), ARRAYS, "v1")))
    return zstandard.compress(msgspec.msgpack.encode(record | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": STATE_SCHEMA + 1},
        {"stream": {"name": "a"}},
        {"stream": []},
        {"arrays": {"filters": {"tail": ["<f8", [9], b"1234"]}}},
        {"arrays": {"filters": {"tail": ["no type", [1], b"1"]}}},
        {"arrays": {"filters": {"tail": 3}}},
        {"arrays": {"filters": 3}},
        {"arrays": []},
    ],
)
def test_other_contents_are_refused(changes: dict[str, object]) -> None:
    """Sound bytes of another form are a state error, whatever they hold."""
    with pytest.raises(StateError):
        unpack(repacked(**changes), "v1", "a")


@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_truncated_bytes_are_refused(share: float) -> None:
    """No part of a snapshot is a snapshot."""
    state = pack(stream(), ARRAYS, "v1")
    with pytest.raises(StateError):
        unpack(state[: int(share * len(state))], "v1", "a")


def test_a_promise_of_memory_is_refused() -> None:
    """A frame that says it holds terabytes is not believed, and no memory is reserved for it."""
    frame = bytearray(zstandard.ZstdCompressor().compress(bytes(1000)))
    frame[5:13] = (1 << 42).to_bytes(8, "little")
    frame[4] |= 0b11100000  # the size has eight bytes
    with pytest.raises(StateError):
        unpack(bytes(frame), "v1", "a")


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_damage_is_refused(place: float, bit: int) -> None:
    """After a flipped bit the state is refused or still right: never taken over wrong."""
    state = bytearray(pack(stream(), ARRAYS, "v1"))
    state[int(place * len(state))] ^= 1 << bit
    try:
        known, arrays = unpack(bytes(state), "v1", "a")
    except StateError:
        return
    assert pack(known, arrays, "v1") == pack(stream(), ARRAYS, "v1")
