"""Workers killed at any moment, static and dynamic ones side by side, while their streams go on sending."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from monitor.formats.figures import Figure, figure
from tests.support.daemon.harness import REAL_WORKER, WorkerProcess, worker
from tests.torture.ground import Ground
from tests.torture.ward import Ward
from tests.torture.watch import Watch

NAME = "crash"
KILLS, KILLS_SHORT = 100, 20
STREAMS, SPEED = 12, 2.0
LONGEST_LIFE_S = 3.0  # after it has taken up its partitions
EARLY = 0.1  # of the kills come while a worker starts, joins or takes up
START_S, EARLY_S = 40.0, 4.0
CAUGHT_UP_S = 120.0


@dataclass(frozen=True, slots=True)
class Group:
    """Workers that share partitions; each is killed and started again for as long as there are kills left."""

    name: str
    members: tuple[str | None, ...]  # None: dynamic
    session_timeout_s: float
    share: float  # of the kills


GROUPS = (
    # Back before its session ends, a static member finds its partitions as it left them.
    Group("static", ("one", "two"), 12.0, 0.7),
    # Here a kill moves partitions, and a new member every time.
    Group("mixed", ("three", None), 2.5, 0.3),
)


def run(ground: Ground) -> list[Figure]:
    """Kill in both groups at once, let them catch up, compare."""
    kills = ground.often(KILLS, KILLS_SHORT)
    killers = [Killer(ground, group, round(group.share * kills)) for group in GROUPS]
    with ExitStack() as stack:
        for killer in killers:
            stack.enter_context(killer.ward.sending(SPEED))
        side_by_side(member for killer in killers for member in killer.members())
    figures = [figure for killer in killers for figure in killer.figures(ground)]
    done = sum(killer.killed.total() for killer in killers)
    return [figure("kills", done, NAME, target=kills), *figures]


def side_by_side(calls: Iterable[Callable[[], None]]) -> None:
    """Each on a thread of its own; returns when all have."""
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Killer:
    """A group of workers, each of which is started, killed after a while, and started again."""

    def __init__(self, ground: Ground, group: Group, kills: int) -> None:
        self._group, self._left = group, kills
        kafka = {
            "session_timeout_s": group.session_timeout_s,
            "heartbeat_interval_s": 0.8,
            "transaction_timeout_s": 5.0,
        }
        self.section = f"{NAME}/{group.name}"
        self.bench = ground.bench(
            f"{NAME}-{group.name}", partitions=6, kafka=kafka, delivery={"snapshot_interval_s": 2.0}
        )
        self.ward = Ward(self.bench, STREAMS)
        self.watch = ground.stack.enter_context(Watch(self.bench))
        self._moments = random.Random(f"{ground.seed} {group.name}")
        self._lock = threading.Lock()
        self.killed: Counter[str] = Counter()  # by what they were doing
        self.ended: list[str] = []  # logs of those that went by themselves

    def members(self) -> list[Callable[[], None]]:
        """What is to run on a thread each, until all kills are done."""
        return [partial(self._keep_killing, name) for name in self._group.members]

    def figures(self, ground: Ground) -> list[Figure]:
        """Let others catch up, and compare."""
        with ExitStack() as stack:
            for name in self._group.members:
                stack.enter_context(worker(self.bench, name, command=REAL_WORKER))
            caught_up_s = self.watch.await_end(CAUGHT_UP_S)
        sent = self.ward.seconds
        ground.note(self.section, killed_while=dict(self.killed), seconds_sent=sent, caught_up_s=caught_up_s)
        if self.ended:
            ground.note(self.section, ended=self.ended)
        return [
            figure("workers_that_ended", len(self.ended), self.section, target=0, better="lower"),
            *ground.judged(self.section, self.bench, self.watch),
        ]

    def _keep_killing(self, name: str | None) -> None:
        while (turn := self._next()) is not None:
            early, wait_s = turn
            running = WorkerProcess(self.bench, name, command=REAL_WORKER)
            try:
                state = "starting" if early else _taken_up(running)
                time.sleep(wait_s)
                if running.process.poll() is None:
                    self.killed[state] += 1
                else:
                    self.ended.append(str(running.log))
                    self._again()
            finally:
                running.end(signal.SIGKILL)

    def _next(self) -> tuple[bool, float] | None:
        with self._lock:
            if self._left <= 0:
                return None
            self._left -= 1
            early = self._moments.random() < EARLY
            return early, self._moments.uniform(0.0, EARLY_S if early else LONGEST_LIFE_S)

    def _again(self) -> None:
        with self._lock:
            self._left += 1 if len(self.ended) < 5 else 0


def _taken_up(running: WorkerProcess) -> str:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and running.process.poll() is None:
        if "took up" in running.text():
            return "working"
        time.sleep(0.05)
    return "joining"
