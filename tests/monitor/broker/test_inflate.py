"""Decompression with a bound, against the client's own."""

from __future__ import annotations

import gzip
import struct

import pytest
import snappy
from hypothesis import given
from hypothesis import strategies as st
from kafka import codec as codecs

from monitor.broker.inflate import TooLargeError, inflated

ENCODERS = {1: codecs.gzip_encode, 2: codecs.snappy_encode, 3: codecs.lz4_encode, 4: codecs.zstd_encode}
EACH = pytest.mark.parametrize("codec", ENCODERS)


@EACH
@given(data=st.binary(min_size=1, max_size=200), times=st.sampled_from([1, 500, 20_000]))
def test_what_was_compressed_comes_back(codec: int, data: bytes, times: int) -> None:
    """Of any codec, short or of several pieces."""
    assert inflated(codec, ENCODERS[codec](data * times)) == data * times


@EACH
def test_nothing_is_read_beyond_the_bound(codec: int) -> None:
    """As much as the bound is read, a byte more is refused."""
    made = ENCODERS[codec](bytes(3_000_000))
    assert len(inflated(codec, made, 3_000_000)) == 3_000_000
    with pytest.raises(TooLargeError, match="are more than 2999999 decompressed"):
        inflated(codec, made, 2_999_999)


def test_snappy_without_frames_is_bounded_before_it_is_read() -> None:
    """A block's own claim of its size is believed, since the library would take the memory for it."""
    plain = codecs.snappy_encode(bytes(100_000), xerial_compatible=False)
    assert len(inflated(2, plain)) == 100_000
    with pytest.raises(TooLargeError):
        inflated(2, b"\xff\xff\xff\xff\x0f" + plain[3:])


def test_several_members_are_one_batch() -> None:
    """gzip, lz4 and zstd may follow themselves."""
    for codec in (1, 3, 4):
        assert inflated(codec, ENCODERS[codec](b"ab") + ENCODERS[codec](b"c")) == b"abc"
    assert inflated(1, gzip.compress(b"")) == b""


@pytest.mark.parametrize("codec", [1, 2, 3])
def test_what_ends_too_early_is_an_error(codec: int) -> None:
    """And no batch that is shorter than it was; of zstd the records themselves tell."""
    made = ENCODERS[codec](bytes(range(256)) * 100)
    with pytest.raises((EOFError, RuntimeError, ValueError, struct.error, snappy.UncompressError)):
        inflated(codec, made[: len(made) // 2])
