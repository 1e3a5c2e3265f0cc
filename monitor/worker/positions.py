"""What a partition's place is told by: the offset commit's metadata, and the headers of `ecg.state`."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import msgspec
from kafka.structs import OffsetAndMetadata

from monitor.broker.unreadable import fault_of
from monitor.errors import StateError

logger = logging.getLogger(__name__)
METADATA_SCHEMA = 1
_GROUP, _OFFSET, _SETTING = "group", "input-offset", "setting"


class _Metadata(msgspec.Struct):
    """Travels in the offset commit; Kafka keeps at most 4096 bytes."""

    schema: int
    replay: int


def commit_entry(next_offset: int, replay_offset: int) -> OffsetAndMetadata:
    """The committed offset with the replay offset in its metadata."""
    metadata = msgspec.json.encode(_Metadata(METADATA_SCHEMA, replay_offset)).decode()
    return OffsetAndMetadata(next_offset, metadata, -1)


def replay_offset(committed: OffsetAndMetadata) -> int:
    """The offset from which input is read again; the committed one if the commit is not ours."""
    try:
        metadata = msgspec.json.decode(committed.metadata or "", type=_Metadata)
    except msgspec.MsgspecError:
        logger.warning("commit at offset %d carries no replay offset", committed.offset)
        return int(committed.offset)
    return int(min(metadata.replay, committed.offset))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One stream's state, valid up to (not including) an input offset."""

    stream: str
    offset: int
    state: bytes
    setting: bytes | None = None  # in force there, as monitor.worker.settings names it


def snapshot_headers(group_id: str, offset: int, setting: bytes | None = None) -> list[tuple[str, bytes]]:
    """Headers of a record of `ecg.state`; the group keeps another group's state from being taken for ours."""
    headers = [(_GROUP, group_id.encode()), (_OFFSET, str(offset).encode())]
    return headers if setting is None else [*headers, (_SETTING, setting)]


@dataclass(slots=True)
class StartPoint:
    """How a newly assigned partition is taken up."""

    replay: int  # input is read from here
    committed: int  # output of earlier records has been sent
    lost: int = 0  # records that retention deleted before they were committed
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    refused: int = 0  # records that are no snapshots, and snapshots of input that was never committed

    def take(self, record: Any, group_id: str) -> None:
        """Take in a record of `ecg.state`, if it is of this group; one without a value ends its stream.

        Raises StateError for one that is none: nothing keeps others from writing there.
        """
        fault = fault_of(record)
        if fault is not None:
            raise StateError(f"unreadable: {fault}")
        headers = dict(record.headers)
        if headers.get(_GROUP) != group_id.encode() or record.key is None:
            return
        try:
            stream = record.key.decode()
            offset = int(headers.get(_OFFSET) or b"none")
        except ValueError as exc:
            raise StateError(f"no snapshot: {exc}") from exc
        if record.value is None:
            self.snapshots.pop(stream, None)
        else:
            self.snapshots[stream] = Snapshot(stream, offset, bytes(record.value), headers.get(_SETTING))

    def refuse_beyond(self, end: int) -> list[str]:
        """Drop state that holds input from this offset on; returns its streams.

        It is of another life of the topic or of the group's offsets: input up to there would be taken for
        known and passed over.
        """
        beyond = [stream for stream, snapshot in self.snapshots.items() if snapshot.offset > end]
        for stream in beyond:
            del self.snapshots[stream]
        self.refused += len(beyond)
        return beyond
