"""JSON records with a schema number ↔ structs: what profiles and verdicts have in common."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from monitor.errors import DecodeError

T = TypeVar("T", bound=msgspec.Struct)


class Versioned(msgspec.Struct, frozen=True, kw_only=True):
    """Just enough to tell an unknown version from a broken record."""

    schema: Any = None


def decode_versioned(value: bytes | None, kind: type[T], schema: int) -> T:
    """The record in these bytes, JSON; raises DecodeError: empty, malformed, schema_version or field."""
    if not value:
        raise DecodeError("empty", "record has no value")
    try:
        version = msgspec.json.decode(value, type=Versioned).schema
        if version != schema:
            raise DecodeError("schema_version", f"schema is {version!r:.40}, wanted {schema}")
        return msgspec.json.decode(value, type=kind)
    except msgspec.ValidationError as exc:
        raise DecodeError("field", str(exc)) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise DecodeError("malformed", f"not JSON: {exc}") from exc
