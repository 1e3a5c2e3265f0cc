"""A group in which workers of f2233cd and of today replace each other one by one: up, back, and up again.

With the stub detector, whose state both read, nothing at all may differ. With the real one an older worker
begins afresh what a newer one has left (docs/operations.md, "Upgrades"): so on the way up all is compared,
on the way back only that nothing is said twice.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from monitor.formats.beats import decode_beats
from monitor.formats.chunks import decode_chunk
from monitor.formats.figures import Figure, figure
from tests.support.daemon.harness import (
    CHUNK,
    REAL_WORKER,
    STUB_WORKER,
    Bench,
    WorkerProcess,
    chunk,
    wait_until,
)
from tests.support.predecessor import history
from tests.support.stub_detector import StubDetector
from tests.torture.comparison import beat_verdicts, compare, event_verdicts
from tests.torture.crash import side_by_side
from tests.torture.ground import Ground, settle
from tests.torture.reference import Undisturbed
from tests.torture.ward import Ward
from tests.torture.watch import Watch
from tests.torture.yielding import killed_as_it_yields

NAME = "mixed"
ROUNDS, ROUNDS_SHORT = 6, 1  # back and up again
PARTITIONS, STREAMS = 4, 12
AT_WORK_S = 0.5, 2.5  # before a worker is replaced
EARLY, EARLY_S = 0.3, 3.0  # of the newcomers are killed so soon after their start, and started again
TAKE_UP_S, WARM_UP_S, CAUGHT_UP_S = 60.0, 240.0, 120.0
FORGET_S, FORGOTTEN_S = 15.0, 90.0  # a silent stream's state goes after so long, and has gone by then
SILENT, SILENT_SENDS_S = 6, 8
# Windows of a stream that begins afresh. Its first seconds lack some; and f2233cd begins in the replay of a
# killed worker, finds QRS after the commit, and says some again. Measured: 3.2 to 5.8, and up to 0.7.
MISSING, TWICE = 10, 5
KAFKA = {"heartbeat_interval_s": 0.8, "transaction_timeout_s": 5.0}
TODAYS = {"metadata_max_age_s": 1.0}  # settings that f2233cd does not know


@dataclass(frozen=True, slots=True)
class Group:
    """Two workers, each of which is replaced by one of the other release."""

    name: str
    members: tuple[str | None, str | None]  # None: dynamic
    session_timeout_s: float
    speed: float


STATIC = Group("static", ("one", "two"), 12.0, 3.0)
DYNAMIC = Group("dynamic", (None, None), 3.0, 3.0)
REAL = Group("real", ("three", None), 8.0, 1.5)


def run(ground: Ground) -> list[Figure]:
    """All groups at once, on one broker."""
    tree = history.unpack(ground.folder / f"{NAME}-{history.COMMIT}")
    ground.servers()
    found: list[Figure] = []
    calls: list[Callable[[], None]] = [
        *(lambda each=each: found.extend(_stubs(ground, each, tree)) for each in (STATIC, DYNAMIC)),
        lambda: found.extend(_real(ground, tree)),
        lambda: found.extend(killed_as_it_yields(ground, f"{NAME}/yielding", tree, made_up)),
    ]
    failed: list[Exception] = []
    side_by_side(_kept(call, failed) for call in calls)
    if failed:
        raise failed[0]
    return found


def _kept(call: Callable[[], None], failed: list[Exception]) -> Callable[[], None]:
    def kept() -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001  raised once the others are done
            failed.append(error)

    return kept


class Fleet:
    """A group's workers and what becomes of them."""

    def __init__(self, ground: Ground, stack: ExitStack, group: Group, tree: Path, real: bool) -> None:
        self.section = f"{NAME}/{group.name}"
        kafka = KAFKA | {"session_timeout_s": group.session_timeout_s}
        more: dict[str, Any] = {"partitions": PARTITIONS, "delivery": {"snapshot_interval_s": 1.0}}
        self.bench = ground.bench(f"{NAME}-{group.name}", kafka=kafka, **more)
        folder = f"{NAME}-{group.name}-today"
        kafka, state = self.bench.kafka | TODAYS, {} if real else {"forget_after_days": FORGET_S / 86_400}
        self._today = ground.bench(folder, kafka=kafka, state=state, **more)
        self._tree = tree
        self._commands = (REAL_WORKER, REAL_WORKER) if real else (history.STUB_WORKER, STUB_WORKER)
        self._moments = random.Random(f"{ground.seed} {group.name}")
        self._members = group.members
        self.watch = stack.enter_context(Watch(self.bench))
        self.workers: list[WorkerProcess] = []
        self._newer = [False, False]
        self.logs: list[WorkerProcess] = []
        self.killed: Counter[str] = Counter()
        self.ended: list[str] = []  # logs of those that went by themselves, or did not leave in order
        stack.callback(self._end)
        self.workers = [self._begin(0), self._begin(1)]
        self._await(self.workers)

    def _begin(self, index: int) -> WorkerProcess:
        name, newer = self._members[index], self._newer[index]
        bench, tree = (self._today, None) if newer else (self.bench, self._tree)
        begun = WorkerProcess(bench, name, command=self._commands[newer], tree=tree)
        self.logs.append(begun)
        return begun

    def _end(self) -> None:
        for each in self.logs:
            each.end(signal.SIGKILL)

    def _await(self, workers: Iterable[WorkerProcess]) -> None:
        for each in workers:
            each.says("took up", TAKE_UP_S)

    def roll(self, newer: bool) -> None:
        """Replace both, one after the other, by workers of that release."""
        for index in (0, 1):
            time.sleep(self._moments.uniform(*AT_WORK_S))
            self._stop(index, self._moments.choice((signal.SIGTERM, signal.SIGKILL)))
            self._newer[index] = newer
            self.workers[index] = self._begin(index)
            # A static one may leave partitions unread, which older workers alone never find.
            if any(self._newer) and self._moments.random() < EARLY:
                time.sleep(self._moments.uniform(0.0, EARLY_S))
                self._stop(index, signal.SIGKILL, "SIGKILL, early")
                self.workers[index] = self._begin(index)
            self._await([self.workers[index]])

    def _stop(self, index: int, number: signal.Signals, what: str | None = None) -> None:
        one = self.workers[index]
        before = one.process.poll()
        after = one.end(number)
        if before is not None or (number is signal.SIGTERM and after != 0):
            self.ended.append(f"{one.log}: {before if before is not None else after}")
        self.killed[what or number.name] += 1

    def said(self, words: str) -> int:
        """How often all workers have said so."""
        return sum(each.text().count(words) for each in self.logs)

    def figures(self, ground: Ground, caught_up_s: float) -> list[Figure]:
        """What was done to the workers, and whether both kinds' records are there."""
        self.ended += [str(each.log) for each in self.workers if each.process.poll() is not None]
        told = {"workers": len(self.logs), "replaced_by": dict(self.killed), "caught_up_s": caught_up_s}
        ground.note(self.section, **told, starts_afresh=self.said("starts afresh"))
        if self.ended:
            ground.note(self.section, ended=self.ended)
        schemas = Counter(msgspec.msgpack.decode(each.value)["schema"] for each in self.bench.read("beats"))
        return [
            figure("replaced", self.killed.total(), self.section, target=4),
            figure("workers_that_ended", len(self.ended), self.section, target=0, better="lower"),
            *(
                figure(f"beats_records_of_schema_{number}", schemas[number], self.section, target=1)
                for number in (1, 2)
            ),
        ]


def _stubs(ground: Ground, group: Group, tree: Path) -> list[Figure]:
    """Up, back and up again, with streams that are forgotten in between."""
    with ExitStack() as stack:
        fleet = Fleet(ground, stack, group, tree, real=False)
        ward = Ward(fleet.bench, STREAMS, seconds=made_up)
        silent = Ward(fleet.bench, SILENT, prefix="gone", seconds=made_up)
        with ward.sending(group.speed):
            fleet.roll(newer=True)
            silent.send(SILENT_SENDS_S)
            wait_until(lambda: _gone(fleet.bench) >= set(silent.streams), FORGOTTEN_S, "tombstones")
            for number in range(ground.often(ROUNDS, ROUNDS_SHORT)):
                fleet.roll(newer=False)
                if number == 0:
                    silent.send(SILENT_SENDS_S)
                fleet.roll(newer=True)
        took_s = fleet.watch.await_end(CAUGHT_UP_S)
        figures = fleet.figures(ground, took_s)
        forgotten = figure("streams_forgotten", len(_gone(fleet.bench)), fleet.section, target=SILENT)
        judged = ground.judged(fleet.section, fleet.bench, fleet.watch, undisturbed_by=twice_begun)
        return [forgotten, *figures, *judged]


def made_up(streams: Sequence[str], number: int) -> Iterable[tuple[str, bytes]]:
    """Second `number` of each stream as the stub likes it: every third one makes an event."""
    return (
        (stream, chunk(stream, number, peak=(number + index) % 3 == 0))
        for index, stream in enumerate(streams)
    )


def _gone(bench: Bench) -> set[str]:
    """Streams of which a record without a value lies in the state."""
    return {record.key.decode() for record in bench.read("state") if record.value is None}


def twice_begun(values: Iterable[bytes]) -> Undisturbed:
    """An undisturbed run in which what was forgotten has begun afresh."""
    lots: tuple[list[bytes], list[bytes]] = [], []
    for value in values:
        sent = decode_chunk(value)
        lots[sent.stream.startswith("gone") and sent.first_sample >= CHUNK * SILENT_SENDS_S].append(value)
    return Undisturbed(*lots, detector=StubDetector)


def _real(ground: Ground, tree: Path) -> list[Figure]:
    """Up with the real detector, compared; then back and up, in which streams begin afresh."""
    # Before the time for taking up runs: its code is compiled for the first time.
    command = [sys.executable, *history.WARM_UP]
    subprocess.run(command, check=True, capture_output=True, cwd=tree, timeout=WARM_UP_S)
    with ExitStack() as stack:
        fleet = Fleet(ground, stack, REAL, tree, real=True)
        ward = Ward(fleet.bench, STREAMS)
        with ward.sending(REAL.speed):
            fleet.roll(newer=True)
            time.sleep(AT_WORK_S[1])
        fleet.watch.await_end(CAUGHT_UP_S)
        up = ground.judged(fleet.section, fleet.bench, fleet.watch)
        refused = figure(
            "refused_on_the_way_up", fleet.said("starts afresh"), fleet.section, target=0, better="lower"
        )
        with ward.sending(REAL.speed):
            fleet.roll(newer=False)
            fleet.roll(newer=True)
        took_s = fleet.watch.await_end(CAUGHT_UP_S)
        return [*fleet.figures(ground, took_s), *up, refused, *_on_the_way_back(ground, fleet)]


def _on_the_way_back(ground: Ground, fleet: Fleet) -> list[Figure]:
    """Of streams that were learned anew: no more is missing than their first seconds, no event is twice."""
    bench, section = fleet.bench, f"{fleet.section}/back"
    settle(bench)
    whole = Undisturbed(each.value for each in bench.read("signal"))
    written = event_verdicts(each.value for each in bench.read("events"))
    rows = beat_verdicts(decode_beats(each.value) for each in bench.read("beats"))
    found = {"events": compare(whole.events(), written), "beats": compare(whole.beats(), rows)}
    for what, each in found.items():
        counts = {name: getattr(each, name) for name in ("wanted", "missing", "extra", "different")}
        ground.note(section, **{what: counts | {"examples": each.examples[:3]}})
    afresh = fleet.said("starts afresh")
    of_each = {name: getattr(found["beats"], name) / max(1, afresh) for name in ("missing", "twice")}
    return [
        figure("streams_begun_afresh", afresh, section, target=1),
        figure("beats_missing_of_each", of_each["missing"], section, target=MISSING, better="lower"),
        figure("beats_twice_of_each", of_each["twice"], section, target=TWICE, better="lower"),
        figure("events_twice", found["events"].twice, section, target=0, better="lower"),
    ]
