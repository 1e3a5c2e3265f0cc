"""A stream's whole state ↔ bytes, for `ecg.state`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import zstandard
from numpy.typing import NDArray

from monitor.detect.order import Stream
from monitor.errors import StateError
from monitor.formats.chunks import Chunk

STATE_SCHEMA = 2
_READ_SCHEMAS = (1, STATE_SCHEMA)  # 1: before there were rivals and a base of numbers
_MAX_BYTES = 1 << 26
_HELD = ("held", "rival")  # fields of a stream that are chunks
_APART = (*_HELD, "tuning", "partition")
# What sound MessagePack of another shape raises, beside damaged bytes.
_BROKEN = (zstandard.ZstdError, msgspec.MsgspecError, KeyError, TypeError, ValueError, AttributeError)


def pack(stream: Stream, arrays: Mapping[str, Mapping[str, NDArray[Any]]], model_version: str) -> bytes:
    """Compressed MessagePack of a stream's facts, held chunks and arrays."""
    facts = {name: getattr(stream, name) for name in Stream.__slots__ if name not in _APART}
    record = {
        "schema": STATE_SCHEMA,
        "model_version": model_version,
        "stream": {
            **facts,
            **{name: [_pack_chunk(chunk) for chunk in getattr(stream, name)] for name in _HELD},
        },
        "arrays": {
            part: {name: _pack_array(a) for name, a in fields.items()} for part, fields in arrays.items()
        },
    }
    # A checksum: a damaged number would go unseen, and a wrong state is worse than a fresh one.
    compressor = zstandard.ZstdCompressor(level=1, write_checksum=True)
    return compressor.compress(msgspec.msgpack.encode(record))


def unpack(state: bytes, model_version: str, name: str) -> tuple[Stream, dict[str, dict[str, NDArray[Any]]]]:
    """The inverse; raises StateError if the bytes are broken, or of another schema, model or stream."""
    try:
        if zstandard.frame_content_size(state) > _MAX_BYTES:  # which the library reserves
            raise StateError(f"snapshot of {name!r:.60} promises more than {_MAX_BYTES} bytes")
        plain = zstandard.ZstdDecompressor().decompress(state, max_output_size=_MAX_BYTES)
        record = msgspec.msgpack.decode(plain)
        found = record["schema"], record["model_version"], record["stream"]["name"]
        if found[0] not in _READ_SCHEMAS or found[1:] != (model_version, name):
            wanted = _READ_SCHEMAS, model_version, name
            raise StateError(f"snapshot has schema, model version and stream {found}, wanted {wanted}")
        facts = record["stream"]
        stream = Stream(
            **{
                **facts,
                "leads": tuple(facts["leads"]),
                "clocks": [(at, us) for at, us in facts["clocks"]],
                "recent": [(first, n, crc) for first, n, crc in facts.get("recent", ())],
                "gaps": [(first, after) for first, after in facts["gaps"]],
                **{name: [_unpack_chunk(chunk) for chunk in facts.get(name, ())] for name in _HELD},
            }
        )
        arrays = {
            part: {field: _unpack_array(value) for field, value in fields.items()}
            for part, fields in record["arrays"].items()
        }
    except _BROKEN as exc:
        raise StateError(f"snapshot of {name!r:.60} can't be read: {exc}") from exc
    return stream, arrays


def _pack_array(array: NDArray[Any]) -> tuple[str, tuple[int, ...], bytes]:
    return array.dtype.str, array.shape, array.tobytes()


def _unpack_array(value: tuple[str, list[int], bytes]) -> NDArray[Any]:
    dtype, shape, data = value
    return np.frombuffer(data, dtype).reshape(shape)


def _pack_chunk(chunk: Chunk) -> dict[str, Any]:
    fields = {name: getattr(chunk, name) for name in Chunk.__slots__}
    return {name: _pack_array(v) if isinstance(v, np.ndarray) else v for name, v in fields.items()}


def _unpack_chunk(fields: dict[str, Any]) -> Chunk:
    arrays = {name: _unpack_array(fields[name]) for name in ("ecg_mv", "valid", "saturated")}
    return Chunk(**{**fields, **arrays, "leads": tuple(fields["leads"])})
