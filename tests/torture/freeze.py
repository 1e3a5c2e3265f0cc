"""Workers that stand still for longer than their session, are replaced, and go on as if nothing had been."""

from __future__ import annotations

import random
import signal
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from monitor.formats.figures import Figure, figure
from tests.support.daemon.harness import wait_until
from tests.support.daemon.stopping import stop
from tests.torture.crash import side_by_side
from tests.torture.ground import Ground
from tests.torture.ward import Ward
from tests.torture.watch import Watch
from tests.torture.workers import Served, ended, running, share, took_up

NAME = "freeze"
FREEZES, FREEZES_SHORT = 60, 4
PARTITIONS = 6
STREAMS, SPEED = 10, 2.0
SESSION_S, TRANSACTION_S = 3.0, 3.0
BEYOND_S = 3.0, 6.0  # its session, that a worker stands still: its open transaction is waited for as well
AT_WORK_S = 0.3, 2.0  # before the next one
BACK_S = 30.0  # for a thawed one to have its share again
CAUGHT_UP_S = 120.0


@dataclass(frozen=True, slots=True)
class Pair:
    """Two workers; one of them stands still at a time."""

    name: str
    members: tuple[str | None, str | None]  # None: dynamic


PAIRS = Pair("static", ("one", "two")), Pair("dynamic", (None, None))


def run(ground: Ground) -> list[Figure]:
    """Freeze in both pairs at once, let them catch up, compare."""
    freezes = ground.often(FREEZES, FREEZES_SHORT) // len(PAIRS)
    with ExitStack() as stack:
        freezers = [Freezer(ground, stack, pair) for pair in PAIRS]
        with ExitStack() as sending:
            for freezer in freezers:
                sending.enter_context(freezer.ward.sending(SPEED))
            side_by_side([lambda each=each: each.freeze(freezes) for each in freezers])  # type: ignore[misc]
        return [figure for each in freezers for figure in each.figures(ground)]


class Freezer:
    """A pair of workers, whom it freezes in turn."""

    def __init__(self, ground: Ground, stack: ExitStack, pair: Pair) -> None:
        kafka = {
            "session_timeout_s": SESSION_S,
            "heartbeat_interval_s": 1.0,
            "transaction_timeout_s": TRANSACTION_S,
        }
        self.section = f"{NAME}/{pair.name}"
        self.bench = ground.bench(
            f"{NAME}-{pair.name}", partitions=PARTITIONS, kafka=kafka, delivery={"snapshot_interval_s": 2.0}
        )
        self.ward = Ward(self.bench, STREAMS)
        self.watch = stack.enter_context(Watch(self.bench))
        self.workers = stack.enter_context(running(self.bench, pair.members))
        self._moments = random.Random(f"{ground.seed} {pair.name}")
        self.freezes = self.taken_over = self.came_back = 0

    def freeze(self, times: int) -> None:
        """So often, at random moments, one or the other."""
        for _ in range(times):
            time.sleep(self._moments.uniform(*AT_WORK_S))
            frozen, other = self._moments.sample(self.workers, 2)
            self._freeze(frozen, other)

    def _freeze(self, frozen: Served, other: Served) -> None:
        before = took_up(other)
        stop(frozen.process.pid)
        time.sleep(SESSION_S + self._moments.uniform(*BEYOND_S))
        self.freezes += 1
        self.taken_over += took_up(other) > before
        frozen.process.send_signal(signal.SIGCONT)
        with suppress(AssertionError):  # the figure tells
            wait_until(lambda: share(self.workers, PARTITIONS), BACK_S, "both to work")
            self.came_back += 1

    def figures(self, ground: Ground) -> list[Figure]:
        """Let them catch up, and compare."""
        caught_up_s = self.watch.await_end(CAUGHT_UP_S)
        ground.note(self.section, seconds_sent=self.ward.seconds, caught_up_s=caught_up_s)
        return [
            figure("freezes", self.freezes, self.section, target=1),
            # One that nobody replaced has put nothing to the test.
            figure("freezes_in_which_another_took_over", self.taken_over, self.section, target=self.freezes),
            figure("thawed_that_have_a_share_again", self.came_back, self.section, target=self.freezes),
            ended(self.workers, self.section),
            *ground.judged(self.section, self.bench, self.watch),
        ]
