"""What an earlier release has written, by commit; `make.py` says how it was made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import zstandard

_FOLDER = Path(__file__).parent


class Kept(msgspec.Struct):
    """A record as Kafka gives it."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    offset: int = 0
    timestamp: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A partition's records: three streams, stopped at the second of two commits and gone on undisturbed.

    The first commit holds every stream's state, the second that of `bed-3` alone, so that the other two are
    to be replayed from the first; there `bed-3` holds a chunk that has come early.
    """

    group: str
    state: list[Kept]  # of `ecg.state`
    commits: list[tuple[int, str]]  # offset and metadata, two
    signal: list[Kept]  # from the first commit on
    events: list[Kept]  # what came out after the second commit
    beats: list[Kept]  # the same

    @classmethod
    def by(cls, commit: str) -> Written:
        """What that commit's code has written."""
        packed = (_FOLDER / f"{commit}.msgpack.zst").read_bytes()
        fields: dict[str, Any] = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(packed))
        records = {name: msgspec.convert(fields[name], list[Kept]) for name in fields["records"]}
        commits = [(offset, metadata) for offset, metadata in fields["commits"]]
        return cls(group=fields["group"], commits=commits, **records)


class _Metadata(msgspec.Struct):
    schema: int
    replay: int


def replay_offset_of(offset: int, metadata: str) -> int:
    """What f2233cd makes of a commit; taken from its monitor/recovery.py."""
    try:
        found = msgspec.json.decode(metadata or "", type=_Metadata)
    except msgspec.MsgspecError:
        return offset
    return min(found.replay, offset)


def snapshot_of(headers: list[tuple[str, bytes]]) -> tuple[bytes, int, bytes | None]:
    """Group, offset and setting as f2233cd takes them from a record of `ecg.state`; from the same file."""
    fields = dict(headers)
    return fields["group"], int(fields["input-offset"]), fields.get("setting")


def kept_of(records: Iterable[Any], group: str) -> dict[str, tuple[int, bytes]]:
    """Offset and state of each stream as f2233cd takes them from `ecg.state`; from the same file."""
    kept: dict[str, tuple[int, bytes]] = {}
    for record in records:
        headers = dict(record.headers)
        if headers.get("group") != group.encode() or record.key is None:
            continue
        stream = record.key.decode()
        if record.value is None:
            kept.pop(stream, None)
        else:
            kept[stream] = int(headers["input-offset"]), bytes(record.value)
    return kept


def identity_of(state: bytes) -> tuple[int, str, str]:
    """Schema, model version and stream of a state; f2233cd refuses it if one is not what it wants.

    From its monitor/snapshots.py; whatever this raises would make the stream begin afresh, too.
    """
    plain = zstandard.ZstdDecompressor().decompress(state, max_output_size=1 << 26)
    record: dict[str, Any] = msgspec.msgpack.decode(plain)
    return record["schema"], record["model_version"], record["stream"]["name"]


def beats_schema_of(value: bytes) -> int:
    """The schema of a record of `ecg.beats`, by which f2233cd leaves it out; from monitor/events.py."""
    record: dict[str, Any] = msgspec.msgpack.decode(value)
    return int(record["schema"])
