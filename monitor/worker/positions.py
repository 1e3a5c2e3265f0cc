"""What a partition's place is told by: the offset commit's metadata, and the headers of `ecg.state`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from kafka.structs import OffsetAndMetadata

from monitor.broker.topics import differ
from monitor.broker.unreadable import fault_of
from monitor.errors import StateError

logger = logging.getLogger(__name__)
METADATA_SCHEMA = 1
_GROUP, _OFFSET, _SETTING, _TOPIC_ID = "group", "input-offset", "setting", "topic-id"
_LAST = "last-record"


class _Metadata(msgspec.Struct, omit_defaults=True):
    """Travels in the offset commit; Kafka keeps at most 4096 bytes.

    Fields may be added: releases before pass over what they do not know and write none of it. An ordinary
    commit has only the first three.
    """

    schema: int
    replay: int
    topic_id: str | None = None  # of the topic that the offset counts in; None: the broker gives no ids
    trying: int | None = None  # as Mark.first
    until: int | None = None  # as Mark.last
    deaths: dict[int, int] = {}
    reached_ms: int = 0  # the partition's time before `replay`; 0: not yet known, or a predecessor's


@dataclass(frozen=True, slots=True)
class Mark:
    """What was about to be judged when the commit was made: found at a start, its process ended in it."""

    first: int
    last: int | None = None  # None: whatever comes first from there on


def commit_entry(
    next_offset: int,
    replay_offset: int,
    topic_id: str | None = None,
    mark: Mark | None = None,
    deaths: Mapping[int, int] | None = None,
    reached_ms: int = 0,
) -> OffsetAndMetadata:
    """The committed offset with what else is known of the partition's place in its metadata.

    deaths: how many processes have ended at a record while it was judged alone, by its offset; reached_ms:
    the partition's time before the replay offset.
    """
    trying, until = (None, None) if mark is None else (mark.first, mark.last)
    known = dict(deaths or {})
    metadata = _Metadata(METADATA_SCHEMA, replay_offset, topic_id, trying, until, known, reached_ms)
    return OffsetAndMetadata(next_offset, msgspec.json.encode(metadata).decode(), -1)


def _metadata(committed: OffsetAndMetadata) -> _Metadata | None:
    try:
        return msgspec.json.decode(committed.metadata or "", type=_Metadata)
    except msgspec.MsgspecError:
        return None


def replay_offset(committed: OffsetAndMetadata) -> int:
    """The offset from which input is read again; the committed one if the commit is not ours."""
    metadata = _metadata(committed)
    if metadata is None:
        logger.warning("commit at offset %d carries no replay offset", committed.offset)
        return int(committed.offset)
    return int(min(metadata.replay, committed.offset))


def topic_id_of(committed: OffsetAndMetadata) -> str | None:
    """The id of the topic that was read; None if the commit says nothing of it."""
    metadata = _metadata(committed)
    return None if metadata is None else metadata.topic_id


def unclean_end(committed: OffsetAndMetadata) -> tuple[Mark | None, dict[int, int]]:
    """What an earlier process was about to judge and did not get beyond, and the deaths at single records."""
    metadata = _metadata(committed)
    if metadata is None:
        return None, {}
    mark = None if metadata.trying is None else Mark(metadata.trying, metadata.until)
    return mark, metadata.deaths


def reached_ms(committed: OffsetAndMetadata) -> int:
    """The partition's time before the replay offset; 0 if the commit does not tell."""
    metadata = _metadata(committed)
    return 0 if metadata is None else metadata.reached_ms


class LastRecord(NamedTuple):
    """A stream's last record that is in its state."""

    offset: int
    time_ms: int  # the latest that the stream's records have borne
    reached_ms: int  # the partition's time then


@dataclass(slots=True)
class Known:
    """What is kept of every stream, also of one that is asleep: its state is in `ecg.state` alone."""

    valid_from: int = 0  # input before this offset is in its restored state
    at: int | None = None  # offset of its last state in `ecg.state`
    last: LastRecord | None = None  # unknown of a predecessor's state


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One stream's state, valid up to (not including) an input offset."""

    stream: str
    offset: int
    at: int  # where it lies in `ecg.state`
    setting: bytes | None = None  # in force there, as monitor.worker.settings names it
    topic_id: str | None = None  # of the topic that the offset counts in, where it is known
    last: LastRecord | None = None  # a predecessor's state does not tell


def snapshot_headers(
    group_id: str,
    offset: int,
    setting: bytes | None = None,
    topic_id: str | None = None,
    last: LastRecord | None = None,
) -> list[tuple[str, bytes]]:
    """Headers of a record of `ecg.state`; the group keeps another group's state from being taken for ours."""
    headers = [(_GROUP, group_id.encode()), (_OFFSET, str(offset).encode())]
    known = {
        _SETTING: setting,
        _TOPIC_ID: None if topic_id is None else topic_id.encode(),
        _LAST: None if last is None else ",".join(map(str, last)).encode(),
    }
    return [*headers, *((name, value) for name, value in known.items() if value is not None)]


@dataclass(slots=True)
class StartPoint:
    """How a newly assigned partition is taken up."""

    replay: int  # input is read from here
    committed: int  # output of earlier records has been sent
    lost: int = 0  # records that retention deleted before they were committed
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    refused: int = 0  # records that are no snapshots, and snapshots of input that was never committed
    topic_id: str | None = None  # of the topic that is read; None: the broker gives no ids
    astray: bool = False  # what was known of this place is of another topic, or lies past the end
    mark: Mark | None = None  # an earlier process ended there
    deaths: dict[int, int] = field(default_factory=dict)
    reached_ms: int = 0  # the partition's time before the first record that is read

    def take(self, record: Any, group_id: str) -> Snapshot | None:
        """Take in a record of `ecg.state`, if it is of this group; one without a value ends its stream.

        Returns the snapshot that it is. Raises StateError for one that is none: nothing keeps others from
        writing there.
        """
        fault = fault_of(record)
        if fault is not None:
            raise StateError(f"unreadable: {fault}")
        headers = dict(record.headers)
        if headers.get(_GROUP) != group_id.encode() or record.key is None:
            return None
        try:
            stream = record.key.decode()
            offset = int(headers.get(_OFFSET) or b"none")
            last = _last_record(headers.get(_LAST))
        except (ValueError, TypeError) as exc:
            raise StateError(f"no snapshot: {exc}") from exc
        if record.value is None:
            self.snapshots.pop(stream, None)
            return None
        topic_id = (headers.get(_TOPIC_ID) or b"").decode("utf-8", "replace") or None
        found = Snapshot(stream, offset, record.offset, headers.get(_SETTING), topic_id, last)
        self.snapshots[stream] = found
        return found

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

    def refuse_foreign(self) -> list[str]:
        """Drop state of a topic of another id than that which is read; returns its streams.

        Where the commit is of another topic, state that names none is, too.
        """
        foreign = [stream for stream, snapshot in self.snapshots.items() if self._is_foreign(snapshot)]
        for stream in foreign:
            del self.snapshots[stream]
        return foreign

    def _is_foreign(self, snapshot: Snapshot) -> bool:
        if snapshot.topic_id is None:
            return self.astray and self.topic_id is not None
        return differ(snapshot.topic_id, self.topic_id)


def _last_record(header: bytes | None) -> LastRecord | None:
    return None if header is None else LastRecord(*map(int, header.split(b",")))
