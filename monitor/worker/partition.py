"""How far one input partition has come: processed, committed, and held by its streams' snapshots."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from monitor.config import DeliverySettings, StateSettings
from monitor.formats.events import Kind
from monitor.worker.delivery import Outgoing
from monitor.worker.positions import Known, LastRecord, Mark, StartPoint, commit_entry

DAY_MS = 86_400_000
STEP_MS = 60_000  # a record moves its partition's time by so much at most, however wrong its sender's clock


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
    crowded_out: set[str] = field(default_factory=set)  # streams whose state must go with this commit


class Partition:
    """Offsets of one partition; times in seconds are the process's monotonic clock and move no event."""

    def __init__(
        self,
        place: TopicPartition,
        start: StartPoint,
        delivery: DeliverySettings,
        state: StateSettings,
        member_id: str,
    ) -> None:
        self.place = place
        self.member_id = member_id  # as whom we took it up: under another id others may have had it since
        self.topic_id = start.topic_id
        self.committed = start.committed  # output of records before this has been sent: it is muted
        self.next_offset = start.replay  # of the first record not processed
        self.reached_ms = start.reached_ms  # the partition's time: the latest of its records' so far
        self.pending = Pending()
        self._time_ms = self._before_ms = self.reached_ms
        # By their last records, oldest first; those of which it is not known may be the newest.
        snapshots = sorted(start.snapshots.values(), key=lambda each: each.last or (start.committed, 0, 0))
        self._known = {each.stream: Known(each.offset, each.at, each.last) for each in snapshots}
        self._awake: dict[str, float] = {}  # stream → when it last sent, oldest first
        # Stream → first input that its last snapshot lacks, and the partition's time before it
        self._first_since: dict[str, tuple[int, int]] = {}
        self._snapshot_at: dict[str, float] = {}
        self._found = start.mark  # an earlier process ended while it judged these
        self._began = start.committed
        self.deaths = dict(start.deaths)  # by offset: processes that ended while they judged that alone
        self.mark: Mark | None = None  # ours, in the last commit
        self.noted = False  # a commit has said that we are at it
        self._interval_s = delivery.snapshot_interval_s
        self.forget_ms = round(state.forget_after_days * DAY_MS)
        self._most = state.max_streams

    @property
    def streams(self) -> list[str]:
        """All that have state, awake or asleep."""
        return list(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def seen_within(self, seconds: float) -> list[str]:
        """Streams that have sent within so long before the partition's time, or of which it is not known."""
        since_ms = self.reached_ms - 1000 * seconds
        known = self._known.items()
        return [name for name, each in known if each.last is None or each.last.reached_ms >= since_ms]

    def reach(self, time_ms: int) -> None:
        """The record that comes next bears this time."""
        self._time_ms, self._before_ms = time_ms, self.reached_ms
        if time_ms > self.reached_ms:
            self.reached_ms = min(time_ms, self.reached_ms + STEP_MS) if self.reached_ms else time_ms

    def stale(self, stream: str) -> bool:
        """True if the stream's last record lies so long before this one that it begins afresh.

        By its own records' times, or by the partition's: that never goes back, so that state which is
        dropped by it is missed by no later record, whatever time that bears.
        """
        last = self.last(stream)
        if last is None:
            return False
        silent_ms = max(self._time_ms - last.time_ms, self.reached_ms - last.reached_ms)
        return silent_ms > self.forget_ms

    def last(self, stream: str) -> LastRecord | None:
        """The last record of a stream; None if it is not known."""
        known = self._known.get(stream)
        return None if known is None else known.last

    def wants(self, stream: str, offset: int) -> bool:
        """False for a record whose effect is already in the stream's restored state."""
        known = self._known.get(stream)
        return known is None or offset >= known.valid_from

    def muted(self, offset: int) -> bool:
        """True for a record whose output an earlier life of this group has committed."""
        return offset < self.committed

    def crowded_out(self, offset: int) -> list[str]:
        """Streams that are forgotten before this record because too many others have sent since they did.

        None during a replay, as the order is not yet known; what was forgotten then has no state any more.
        """
        if self.muted(offset):
            return []
        names = list(itertools.islice(self._known, max(0, len(self._known) - self._most)))
        for name in names:
            if self._known[name].at is not None:
                self.pending.crowded_out.add(name)
            self.forget(name)
        return names

    def note(self, stream: str, offset: int, now_s: float) -> None:
        """A record of this stream is given to the detector."""
        known = self._known.pop(stream, None) or Known()
        before_ms = known.last.time_ms if known.last is not None else self._time_ms
        known.last = LastRecord(offset, max(before_ms, self._time_ms), self.reached_ms)
        self._known[stream] = known  # the last one again
        self._awake.pop(stream, None)
        self._awake[stream] = now_s
        self._first_since.setdefault(stream, (offset, self._before_ms))
        if stream not in self._snapshot_at:
            # A fixed fraction of the interval by stream, so that snapshots of many don't fall together.
            phase = zlib.crc32(stream.encode()) / 2**32
            self._snapshot_at[stream] = now_s + self._interval_s * phase

    def asleep(self, stream: str) -> int | None:
        """Where in `ecg.state` the state of a stream lies that is not in memory; None of any other."""
        known = self._known.get(stream)
        return None if known is None or stream in self._awake else known.at

    def sleepers(self, silent_since_s: float) -> list[str]:
        """Streams in memory that have not sent since, oldest first, and whose state is committed."""
        found = []
        for stream, sent_s in self._awake.items():
            if sent_s > silent_since_s:
                break
            if stream not in self._first_since:
                found.append(stream)
        return found

    @property
    def awake(self) -> int:
        """Number of streams in memory."""
        return len(self._awake)

    def awaken(self, stream: str, now_s: float) -> None:
        """A stream is in memory again."""
        self._awake[stream] = now_s

    def sleep(self, stream: str) -> None:
        """A stream has left memory."""
        self._awake.pop(stream)
        self._snapshot_at.pop(stream, None)

    def refuse(self, stream: str) -> None:
        """A stream's state is of no use: it begins afresh, with its input from the commit on."""
        # Not in the replay: QRS are found after seconds, so windows that were written would come once more.
        self._known[stream] = Known(valid_from=self.committed)

    def forget(self, stream: str) -> None:
        """A stream has no state any more."""
        self._known.pop(stream, None)
        self._awake.pop(stream, None)
        self._first_since.pop(stream, None)
        self._snapshot_at.pop(stream, None)

    def forgettable(self, most: int) -> list[str]:
        """Some of the streams whose next record will find them stale, whatever its time; none in a replay."""
        found: list[str] = []
        if self.replaying:
            return found
        for stream, known in self._known.items():
            if known.last is None:
                continue
            if len(found) == most or self.reached_ms - known.last.reached_ms <= self.forget_ms:
                break
            if stream not in self._first_since:
                found.append(stream)
        return found

    def hasten(self, stream: str) -> None:
        """Let the next commit hold this stream's state."""
        if stream in self._snapshot_at:
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

    def replay_after(self, snapshots: list[str]) -> tuple[int, int]:
        """Where a restart must begin to read once these streams' snapshots are committed.

        And the partition's time before that record.
        """
        written = set(snapshots)
        left = (first for stream, first in self._first_since.items() if stream not in written)
        return min(left, default=(self.next_offset, self.reached_ms))

    def following_mark(self, last: bool) -> Mark | None:
        """What a commit says that is made before nothing in particular; last: of this process."""
        # Only beyond the commit that we began with can others tell that we got on.
        return Mark(self.next_offset) if self.next_offset <= self._began and not last else None

    def entry(self, snapshots: list[str], mark: Mark | None) -> OffsetAndMetadata:
        """The commit of everything up to here with these snapshots; never before the last one."""
        replay, reached_ms = self.replay_after(snapshots)
        place, deaths = max(self.next_offset, self.committed), self._deaths_from(replay)
        return commit_entry(place, replay, self.topic_id, mark, deaths, reached_ms)

    def _deaths_from(self, replay: int) -> dict[int, int]:
        return {offset: count for offset, count in self.deaths.items() if offset >= replay}

    def commit(
        self, snapshots: list[str], now_s: float, at: Mapping[str, int], mark: Mark | None = None
    ) -> Pending:
        """Note that everything up to here, with these snapshots, is committed; returns what that was.

        at: where in `ecg.state` those of them lie that were written.
        """
        self.mark, self.noted = mark, self.noted or mark is not None
        for stream in snapshots:
            del self._first_since[stream]
            self._snapshot_at[stream] = now_s + self._interval_s
            self._known[stream].at = at.get(stream)
        self.committed = max(self.next_offset, self.committed)
        self.deaths = self._deaths_from(self.replay_after([])[0])  # no restart meets the others again
        done, self.pending = self.pending, Pending()
        return done
