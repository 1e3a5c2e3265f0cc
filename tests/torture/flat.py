"""A worker that outlives many rebalances and broker crashes holds no more at the end than early on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from statistics import median

from monitor.broker.clients import open_consumer
from monitor.formats.figures import Figure, figure
from tests.support.daemon.harness import Bench, wait_until
from tests.support.daemon.kafka_node import KafkaNode, kafka_nodes
from tests.torture.ground import Ground
from tests.torture.ward import Ward
from tests.torture.watch import Watch
from tests.torture.workers import Vitals, await_partitions, ended, running, vitals

NAME = "flat"
CYCLES, CYCLES_SHORT = 45, 6
RESTART_EVERY = 2  # cycles
STREAMS, SPEED = 10, 2.0
JOIN_S, WAIT_S = 30.0, 60.0
CAUGHT_UP_S = 120.0
QUIET_S, LOOK_S = 1.5, 0.25  # of work as usual, over which is looked what the worker holds
RSS_GROWTH = 0.05  # of the first third's
# The watch of the topics opens its client at its first look: early, or that would count as growth.
KAFKA = {
    "session_timeout_s": 6.0,
    "heartbeat_interval_s": 0.5,
    "transaction_timeout_s": 5.0,
    "metadata_max_age_s": 2.0,
}


def run(ground: Ground) -> list[Figure]:
    """One worker is watched; another member comes and goes, and the broker is killed and comes back."""
    with ExitStack() as stack:
        (node,) = stack.enter_context(kafka_nodes(ground.folder / f"{NAME}-node", 1))
        bench = ground.bench(NAME, servers=node.servers, partitions=6, kafka=KAFKA)
        ward, watch = Ward(bench, STREAMS), stack.enter_context(Watch(bench))
        with ward.sending(SPEED):
            (one,) = workers = stack.enter_context(running(bench, ["one"]))
            await_partitions(workers)
            found: list[Vitals] = []
            for number in range(ground.often(CYCLES, CYCLES_SHORT)):
                _come_and_go(bench)
                if number % RESTART_EVERY == 0:
                    _restart(node)
                watch.await_(ward.mark(), WAIT_S)
                found.append(_held(one.process.pid))
        watch.await_end(CAUGHT_UP_S)
        ground.note(NAME, seconds_sent=ward.seconds, held=[asdict(each) for each in found])
        return [
            *growth(found),
            ended(workers, NAME),
            *ground.judged(NAME, bench, watch),
        ]


def growth(found: Sequence[Vitals]) -> list[Figure]:
    """What the last third held more than the first, by their medians."""
    third = len(found) // 3
    first, last = found[:third], found[-third:]

    def more(name: str) -> float:
        before, after = (median(getattr(each, name) for each in part) for part in (first, last))
        return float(after - before)

    rss_mb = median(each.rss_mb for each in first)
    return [
        figure("cycles", len(found), NAME, target=6),
        figure("rss_mb", rss_mb, NAME),
        figure("rss_growth", more("rss_mb") / rss_mb, NAME, target=RSS_GROWTH, better="lower"),
        figure("threads_more", more("threads"), NAME, target=0, better="lower"),
        figure("descriptors_more", more("descriptors"), NAME, target=0, better="lower"),
    ]


def _come_and_go(bench: Bench) -> None:
    """A member that takes a share of the partitions, does nothing, and leaves."""
    guest = open_consumer(bench.settings().kafka)
    try:
        guest.subscribe([bench.topic("signal")])

        def shared() -> bool:
            guest.poll(timeout_ms=100)
            return bool(guest.assignment())

        wait_until(shared, JOIN_S, "a share")
    finally:
        guest.close(timeout_ms=5000)


def _restart(node: KafkaNode) -> None:
    node.kill()
    node.start()


def _held(pid: int) -> Vitals:
    """What it holds while it works as usual: the least of a few looks, since some of it comes and goes."""
    looks = []
    until = time.monotonic() + QUIET_S
    while time.monotonic() < until:
        looks.append(vitals(pid))
        time.sleep(LOOK_S)
    return Vitals(
        rss_mb=min(each.rss_mb for each in looks),
        peak_mb=max(each.peak_mb for each in looks),
        threads=min(each.threads for each in looks),
        descriptors=min(each.descriptors for each in looks),
    )
