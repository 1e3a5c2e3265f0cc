"""How far one input partition has come: processed, committed, and held by its streams' snapshots."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from monitor.formats.events import Kind
from monitor.worker.positions import Mark, StartPoint, commit_entry


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to be produced; partition None means by the key's hash."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]
    partition: int | None = None


@dataclass(slots=True)
class Pending:
    """What a partition's input gave since the last commit; dropped whole if the partition goes."""

    records: list[Outgoing] = field(default_factory=list)
    inputs: int = 0  # records processed
    # Kind, R peak's time in µs since the epoch, and whether a person muted the stream
    events: list[tuple[Kind, int, bool]] = field(default_factory=list)
    alarms: list[Kind] = field(default_factory=list)  # those not muted that begin something
    windows_us: list[int] = field(default_factory=list)  # R peak times of some windows, for the latency
    dead: list[str] = field(default_factory=list)  # reasons of dead letters


class Partition:
    """Offsets of one partition; `due` times are the process's monotonic clock and move no event."""

    def __init__(
        self, place: TopicPartition, start: StartPoint, snapshot_interval_s: float, member_id: str
    ) -> None:
        self.place = place
        self.member_id = member_id  # as whom we took it up: under another id others may have had it since
        self.topic_id = start.topic_id
        self.committed = start.committed  # output of records before this has been sent: it is muted
        self.next_offset = start.replay  # of the first record not processed
        self.pending = Pending()
        self.streams: set[str] = set(start.snapshots)
        self._valid_from = {stream: snapshot.offset for stream, snapshot in start.snapshots.items()}
        self._first_since: dict[str, int] = {}  # stream → first input that its last snapshot lacks
        self._snapshot_at: dict[str, float] = {}
        self._interval_s = snapshot_interval_s
        self._found = start.mark  # an earlier process ended while it judged these
        self._began = start.committed
        self.deaths = dict(start.deaths)  # by offset: processes that ended while they judged that alone
        self.mark: Mark | None = None  # ours, in the last commit
        self.noted = False  # a commit has said that we are at it

    def wants(self, stream: str, offset: int) -> bool:
        """False for a record whose effect is already in the stream's restored state."""
        return offset >= self._valid_from.get(stream, 0)

    def muted(self, offset: int) -> bool:
        """True for a record whose output an earlier life of this group has committed."""
        return offset < self.committed

    def note(self, stream: str, offset: int, now_s: float) -> None:
        """A record of this stream has been given to the detector."""
        self.streams.add(stream)
        self._first_since.setdefault(stream, offset)
        if stream not in self._snapshot_at:
            # A fixed fraction of the interval by stream, so that snapshots of many don't fall together.
            phase = zlib.crc32(stream.encode()) / 2**32
            self._snapshot_at[stream] = now_s + self._interval_s * phase

    def hasten(self, stream: str) -> None:
        """Let the next commit hold this stream's state."""
        self._snapshot_at[stream] = 0.0

    def hasten_all(self) -> None:
        """Let the next commit hold all state, so that what has been read need not be read again."""
        self._snapshot_at.update(dict.fromkeys(self._first_since, 0.0))

    def advance(self, last_offset: int) -> None:
        """All records up to this one have been processed."""
        if last_offset < self.next_offset:
            raise ValueError(f"{self.place} went back from {self.next_offset} to {last_offset + 1}")
        self.next_offset = last_offset + 1

    @property
    def replaying(self) -> bool:
        """True while records are read again whose output is committed."""
        return self.next_offset < self.committed

    @property
    def careful(self) -> bool:
        """True where a process ended before it got on: until we have, and are past what it was judging."""
        found = self._found
        if found is None:
            return False
        return self.committed <= self._began or (found.last is not None and self.next_offset <= found.last)

    @property
    def suspected(self) -> bool:
        """True if some records to come are to be judged alone."""
        last = None if self._found is None else self._found.last
        return bool(self.deaths) or (last is not None and self.next_offset <= last)

    def alone(self, offset: int) -> bool:
        """True for a record that may have ended a process."""
        found = self._found
        held = found is not None and found.last is not None and found.first <= offset <= found.last
        return held or offset in self.deaths

    @property
    def passed(self) -> bool:
        """True once all that our mark names has been judged: it must not be blamed for what comes."""
        mark = self.mark
        return mark is not None and mark.last is not None and self.next_offset > mark.last

    @property
    def dirty(self) -> bool:
        """True if there is output, or at least an offset, to commit."""
        return self.next_offset > self.committed

    def changed(self, clean: bool) -> bool:
        """True if the last commit is behind; clean: or if it bears a mark, which none may at the end."""
        return self.dirty or self.passed or (clean and self.mark is not None)

    def due(self, now_s: float, everything: bool = False) -> list[str]:
        """Streams with input since their last snapshot whose time has come; none during a replay."""
        if self.replaying:
            return []
        return [stream for stream in self._first_since if everything or self._snapshot_at[stream] <= now_s]

    def replay_after(self, snapshots: list[str]) -> int:
        """Where a restart must begin to read once these streams' snapshots are committed."""
        written = set(snapshots)
        left = (first for stream, first in self._first_since.items() if stream not in written)
        return min(left, default=self.next_offset)

    def following_mark(self, last: bool) -> Mark | None:
        """What a commit says that is made before nothing in particular; last: of this process."""
        # Only beyond the commit that we began with can others tell that we got on.
        return Mark(self.next_offset) if self.next_offset <= self._began and not last else None

    def entry(self, snapshots: list[str], mark: Mark | None) -> OffsetAndMetadata:
        """The commit of everything up to here with these snapshots; never before the last one."""
        replay = self.replay_after(snapshots)
        place, deaths = max(self.next_offset, self.committed), self._deaths_from(replay)
        return commit_entry(place, replay, self.topic_id, mark, deaths)

    def _deaths_from(self, replay: int) -> dict[int, int]:
        return {offset: count for offset, count in self.deaths.items() if offset >= replay}

    def commit(self, snapshots: list[str], now_s: float, mark: Mark | None = None) -> Pending:
        """Note that everything up to here, with these snapshots, is committed; returns what that was."""
        self.mark, self.noted = mark, self.noted or mark is not None
        for stream in snapshots:
            del self._first_since[stream]
            self._snapshot_at[stream] = now_s + self._interval_s
        self.committed = max(self.next_offset, self.committed)
        self.deaths = self._deaths_from(self.replay_after([]))  # no restart meets the others again
        done, self.pending = self.pending, Pending()
        return done
