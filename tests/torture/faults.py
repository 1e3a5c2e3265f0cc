"""Faults that monitor/ once had or could have: what brings each back, and what has to see it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

WORKER, BROKER = "monitor/worker/", "monitor/broker/"


@dataclass(frozen=True, slots=True)
class Fault:
    """Exact text of a file, there once, and what is put in its place."""

    name: str
    check: str  # a section of the torture, or a file of tests where no section can see it
    what: str
    path: str
    old: str
    new: str

    def apply(self, tree: Path) -> None:
        """Raises ValueError where the text is not there exactly once."""
        text = (tree / self.path).read_text("utf-8")
        if text.count(self.old) != 1:
            raise ValueError(f"{self.path} has {text.count(self.old)} times, wanted once: {self.old!r}")
        (tree / self.path).write_text(text.replace(self.old, self.new), "utf-8")


FAULTS = (
    Fault(
        "replay-heard",
        "crash",
        "what a replay finds is written again",
        WORKER + "partition.py",
        "return offset < self.committed\n",
        "return False\n",
    ),
    Fault(
        "state-ignored",
        "crash",
        "snapshots are read and not restored",
        WORKER + "streams.py",
        "if state is None:\n",
        "if True:\n",
    ),
    Fault(
        "offsets-alone",
        "crash",
        "a commit says that nothing before it need be read again, whatever the snapshots hold",
        WORKER + "partition.py",
        "return min(left, default=(self.next_offset, self.reached_ms))\n",
        "return min((), default=(self.next_offset, self.reached_ms))\n",
    ),
    Fault(
        "first-snapshot",
        "crash",
        "of a stream's snapshots the oldest is restored",
        WORKER + "positions.py",
        "        self.snapshots[stream] = found\n",
        "        self.snapshots.setdefault(stream, found)\n",
    ),
    Fault(
        "kept-offsets",
        "freeze",
        "after an abort work goes on with the same producer, which keeps the offsets of the transaction",
        WORKER + "delivery.py",
        "            self._producer.discard()\n        self._producer = None\n",
        "            manager = self._producer._producer._transaction_manager\n"
        "            try:\n"
        '                self._producer._await(manager.begin_abort(), "abort", Deadline(8.0))\n'
        "            except Exception:\n"
        "                self._producer.discard()\n"
        "                self._producer = None\n",
    ),
    Fault(
        "nobodys-commit",
        "freeze",
        "offsets are committed without saying as which member",
        WORKER + "delivery.py",
        "producer.add_offsets(parcel.offsets, parcel.member, deadline)",
        "producer.add_offsets(parcel.offsets, type(parcel.member)(parcel.member.group_id), deadline)",
    ),
    Fault(
        "rejoined-unnoticed",
        "tests/monitor/worker/test_commits.py",
        "a worker that the group had given up goes on as another member with what it held",
        WORKER + "commits.py",
        "any(partition.member_id != member.member_id for partition in changed.values())",
        "not changed",
    ),
    Fault(
        "endless-wait",
        "broker",
        "a transaction's coordinator is waited for without an end",
        BROKER + "transactions.py",
        "result.wait(timeout_ms=1000 * deadline.left_s)",
        "result.wait()",
    ),
    Fault(
        "always-ready",
        "broker",
        "`/readyz` does not ask whether commits get through",
        WORKER + "worker.py",
        "self._committer.healthy and self._joining.in_touch",
        "True",
    ),
    Fault(
        "outcome-guessed",
        "tests/monitor/worker/test_delivery.py",
        "a commit that was not answered is taken for none",
        WORKER + "delivery.py",
        "            raise OutcomeUnknownError(\n"
        '                f"transaction of {self._id} may be committed or not: {error}"\n'
        "            ) from error\n",
        "            return False\n",
    ),
    Fault(
        "buried-again",
        "poison",
        "dead letters are written at a replay, too",
        WORKER + "batches.py",
        "        if partition.muted(record.offset):\n            return\n        limit",
        "        limit",
    ),
    Fault(
        "unreadable-raised",
        "poison",
        "what the client cannot parse raises out of the poll",
        BROKER + "unreadable.py",
        "consumer._fetcher.PartitionRecords = partial(_PartitionRecords, consumer.highwater, tried)",
        "del tried",
    ),
    Fault(
        "whole-beats",
        "tests/monitor/worker/test_batches.py",
        "records of `ecg.beats` are not cut by bytes",
        "monitor/formats/beats.py",
        "if len(value) <= max_bytes or len(windows) < 2:",
        "if True:",
    ),
    Fault(
        "unbounded-polls",
        "poison",
        "a poll is judged at once however large it is",
        BROKER + "polls.py",
        "MAX_BYTES = 4 << 20",
        "MAX_BYTES = 4 << 30",
    ),
    Fault(
        "page-uncounted",
        "poison",
        "the page does not count what it cannot read",
        "monitor/web/feed.py",
        "                    self._metrics.bad_records.labels(place.topic).inc()\n",
        "",
    ),
    Fault(
        "state-elsewhere",
        "ids",
        "a stream is restored from the record of `ecg.state` before its own",
        WORKER + "partition.py",
        "Known(each.offset, each.at, each.last)",
        "Known(each.offset, max(0, each.at - 1), each.last)",
    ),
    Fault(
        "producer-left",
        "flat",
        "a producer that is replaced is not closed",
        BROKER + "transactions.py",
        "            self._producer._sender.force_close()\n            self._producer.close(timeout=0)\n",
        "            pass\n",
    ),
    Fault(
        "reader-left",
        "flat",
        "a take-up leaves its reader of `ecg.state` open",
        WORKER + "recovery.py",
        "                    yield\n        finally:\n            reader.close()\n",
        "                    yield\n"
        "        finally:\n"
        "            self.__dict__.setdefault('left', []).append(reader)\n",
    ),
    Fault(
        "memory-left",
        "flat",
        "a take-up leaves 8 MB behind",
        WORKER + "worker.py",
        "        began = time.monotonic()\n        if self._delivery is not None:",
        "        began = time.monotonic()\n"
        "        self.__dict__.setdefault('left', []).append(b'.' * (8 << 20))\n"
        "        if self._delivery is not None:",
    ),
    Fault(
        "unsent-passed-over",
        "tests/monitor/broker/test_transactions.py",
        "a record that was never sent does not stop its transaction",
        BROKER + "transactions.py",
        "            raise future.exception\n        found",
        "            continue\n        found",
    ),
    Fault(
        "suspect-never-buried",
        "tests/monitor/worker/test_worker.py",
        "a record that makes the worker fail is found and not left out",
        WORKER + "suspects.py",
        "        if raised is not None:\n",
        "        if raised is None:\n            return\n        if not raised:\n",
    ),
    Fault(
        "ends-unmarked",
        "tests/monitor/worker/test_unclean_ends.py",
        "commits do not say what is judged next",
        WORKER + "suspects.py",
        "        return marks\n",
        "        return {}\n",
    ),
    Fault(
        "kill-blamed",
        "tests/monitor/worker/test_unclean_ends.py",
        "a record is buried after one process has ended at it",
        WORKER + "suspects.py",
        "DEADLY = 3",
        "DEADLY = 1",
    ),
    Fault(
        "one-request",
        "tests/monitor/worker/test_health.py",
        "the health port serves one client at a time",
        WORKER + "health.py",
        "class _Server(ThreadingMixIn, WSGIServer):",
        "class _Server(WSGIServer):",
    ),
)
