"""Batches decompressed up to a bound: 1 MB of zstd may hold many GB, and the client would take them all."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from kafka.codec import snappy_decode
from kafka.record.util import decode_varint
from lz4.frame import LZ4FrameDecompressor
from zstandard import ZstdDecompressor

# A producer fills a batch with one or some MB before it compresses them; 300 of the largest chunks have 430.
MAX_BATCH_BYTES = 512 << 20
_PIECE_BYTES = 1 << 20
_GZIP = zlib.MAX_WBITS | 16
_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_BYTES = 16  # magic and two versions, before the first block


class TooLargeError(Exception):
    """A batch is larger than any that is read."""


def inflated(codec: int, data: bytes, most: int | None = None) -> bytearray:
    """What a batch holds; codec: as Kafka numbers them, 1 to 4; most: bytes, else MAX_BATCH_BYTES.

    Raises TooLargeError beyond that, and what the codec's library raises for what it cannot read.
    """
    found = bytearray()
    most = MAX_BATCH_BYTES if most is None else most
    for piece in _PIECES[codec](data, most):
        found += piece
        if len(found) > most:
            raise TooLargeError(f"{len(data)} bytes are more than {most} decompressed")
    return found


def _gzip(data: bytes, _most: int) -> Iterator[bytes]:
    while data:
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            piece = member.decompress(data, _PIECE_BYTES)
            if not piece and not member.eof:
                raise EOFError("gzip ends before its end mark")
            yield piece
            data = member.unconsumed_tail
        data = member.unused_data


def _snappy(data: bytes, most: int) -> Iterator[bytes]:
    # A block says first how large it is, and the library takes the memory for it at once.
    if sum(_snappy_sizes(data)) > most:
        raise TooLargeError(f"{len(data)} bytes are more than {most} decompressed")
    yield snappy_decode(data)


def _snappy_sizes(data: bytes) -> Iterator[int]:
    if not data.startswith(_XERIAL):
        yield _unsigned(data, 0)
        return
    at = _XERIAL_BYTES
    while at + 4 < len(data):
        (length,) = struct.unpack_from(">i", data, at)
        yield _unsigned(data, at + 4)
        at += 4 + max(0, length)


def _unsigned(data: bytes, at: int) -> int:
    signed, _ = decode_varint(bytearray(data[at : at + 10]), 0)
    return int(signed << 1 ^ signed >> 63)  # the client knows only signed ones


def _lz4(data: bytes, _most: int) -> Iterator[bytes]:
    while data:
        frame: Any = LZ4FrameDecompressor()
        piece = frame.decompress(data, _PIECE_BYTES)
        while piece or not frame.eof:
            if not piece and frame.needs_input:
                raise EOFError("lz4 ends before its end mark")
            yield piece
            piece = b"" if frame.eof else frame.decompress(b"", _PIECE_BYTES)
        data = frame.unused_data or b""


def _zstd(data: bytes, _most: int) -> Iterator[bytes]:
    with ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True) as reader:
        while piece := reader.read(_PIECE_BYTES):
            yield piece


_PIECES: dict[int, Callable[[bytes, int], Iterator[bytes]]] = {1: _gzip, 2: _snappy, 3: _lz4, 4: _zstd}
