"""What an earlier release has written, by commit; `make.py` says how it was made."""

from __future__ import annotations

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
