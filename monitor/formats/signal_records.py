"""Records of `ecg.signal` as they lie on the topic → chunks: what a live record needs beside its value."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from monitor.errors import DecodeError
from monitor.formats.chunks import Chunk, content_type_of, decode_chunk

# What has no date is not live: a device without a clock, or times in another unit. µs since the epoch.
EARLIEST_US = round(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
LATEST_US = round(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
_UNITS = {"s": 1e6, "ms": 1e3, "ns": 1e-3}  # in µs


def decode_signal(record: Any) -> Chunk:
    """The chunk in a record; raises DecodeError, beside `decode_chunk`'s reasons with key and start_us.

    A record without a key lies in any partition, so that none sees all of its stream.
    """
    chunk = decode_chunk(record.value, content_type_of(record), record.key)
    if record.key is None:
        raise DecodeError("key", "record has no key, wanted the stream id")
    if not EARLIEST_US <= chunk.start_us < LATEST_US:
        raise DecodeError("start_us", f"start_us is {chunk.start_us}: {_what_it_is(chunk.start_us)}")
    return chunk


def _what_it_is(start_us: int) -> str:
    """What a time out of range may have been meant as."""
    for unit, factor in _UNITS.items():
        if EARLIEST_US <= start_us * factor < LATEST_US:
            return f"it looks like {unit} since the epoch, wanted µs"
    if start_us < 0:
        return "it is before 1970, wanted µs since the epoch, from 2000 to 2100"
    if start_us >= LATEST_US:
        return "it is beyond 2100, wanted µs since the epoch, from 2000 to 2100"
    year = datetime.fromtimestamp(start_us / 1e6, UTC).year
    clock = ", as of a device whose clock was not set" if year <= 1980 else ""
    return f"it is in {year}{clock}, wanted µs since the epoch, from 2000 to 2100"
