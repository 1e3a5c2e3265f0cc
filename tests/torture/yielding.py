"""A leader of f2233cd that is killed as it gives up partitions, between the two joins of a rebalance.

It comes back under its name to what it had kept, looks for nothing else, and the broker asks nobody: today's
follower has to see to it that the rest is read.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

from monitor.formats.figures import Figure, figure
from tests.support.daemon.harness import worker
from tests.support.predecessor import history
from tests.support.stub_detector import StubDetector
from tests.torture.ground import Ground
from tests.torture.reference import Undisturbed
from tests.torture.ward import Seconds, Ward
from tests.torture.watch import Watch

PARTITIONS, STREAMS, SPEED = 4, 8, 2.0
LOOK_S, READ_S = 1.0, 20.0
KAFKA = {"session_timeout_s": 60.0, "heartbeat_interval_s": 0.8}  # no session's end mends it
WAIT_S, CAUGHT_UP_S = 60.0, 60.0


def killed_as_it_yields(ground: Ground, section: str, tree: Path, seconds: Seconds) -> list[Figure]:
    """What it left unread is read soon, and nothing differs; seconds: the input."""
    name = section.replace("/", "-")
    older = ground.bench(name, partitions=PARTITIONS, kafka=KAFKA)
    newer = ground.bench(
        f"{name}-today", partitions=PARTITIONS, kafka=older.kafka | {"metadata_max_age_s": LOOK_S}
    )
    with ExitStack() as stack:
        watch = stack.enter_context(Watch(newer))
        with Ward(newer, STREAMS, seconds=seconds).sending(SPEED):
            first = stack.enter_context(worker(older, "leader", command=history.YIELDING_WORKER, tree=tree))
            first.says(f"took up {PARTITIONS} partitions", WAIT_S)
            follower = stack.enter_context(worker(newer, "follower"))
            first.process.wait(WAIT_S)
            began = time.monotonic()
            stack.enter_context(worker(older, "leader", command=history.STUB_WORKER, tree=tree))
            follower.says("took up", WAIT_S)
            read_s = time.monotonic() - began
        watch.await_end(CAUGHT_UP_S)
        found = follower.text().count("read by nobody")
        return [
            figure("found_unread", found, section, target=1),
            figure("unread_s", read_s, section, target=READ_S, better="lower"),
            *ground.judged(
                section,
                newer,
                watch,
                undisturbed_by=lambda values: Undisturbed(values, detector=StubDetector),
            ),
        ]
