"""A record that was refused, as it is kept in `ecg.deadletter`."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from monitor.formats.chunks import CONTENT_TYPE, content_type_of

MAX_KEY, MAX_MESSAGE, MAX_CONTENT_TYPE = 1000, 1000, 200  # bytes


class DeadLetter(NamedTuple):
    """Key, value and headers of a record of `ecg.deadletter`."""

    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


def dead_letter(record: Any, reason: str, message: str, limit: int) -> DeadLetter:
    """The record as received, its value cut to `limit` bytes; headers say why and where it was."""
    value = record.value or b""
    headers = [
        ("reason", reason.encode()),
        ("message", message.encode()[:MAX_MESSAGE]),
        ("source-topic", record.topic.encode()),
        ("source-partition", str(record.partition).encode()),
        ("source-offset", str(record.offset).encode()),
        ("sha256", hashlib.sha256(value).hexdigest().encode()),
        ("length", str(len(value)).encode()),
        (CONTENT_TYPE, content_type_of(record).encode()[:MAX_CONTENT_TYPE]),
    ]
    key = None if record.key is None else bytes(record.key)[:MAX_KEY]
    return DeadLetter(key, bytes(value[:limit]), headers)
