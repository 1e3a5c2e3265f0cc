"""A broker that is killed or stands still, alone and as one of three, under workers that stay up."""

from __future__ import annotations

import random
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial

from monitor.formats.figures import Figure, figure
from tests.support.background import beside
from tests.support.daemon.harness import REAL_WORKER, worker
from tests.support.daemon.kafka_node import KafkaNode, kafka_nodes
from tests.torture.ground import Ground
from tests.torture.ward import Ward
from tests.torture.watch import Watch
from tests.torture.workers import Served, await_partitions, ended, served

NAME = "broker"
STREAMS, SPEED = 8, 1.0
LONG_S = 11.0  # away, longer than a session and than any one wait of the worker
AWAY_S = 2.0, 8.0
AT_WORK_S = 0.5, 3.0  # before the next fault
BACK_S, WAIT_S = 10.0, 40.0  # wanted, and waited for at most
CAUGHT_UP_S = 120.0
LOOK_S = 0.5
KAFKA = {"session_timeout_s": 6.0, "heartbeat_interval_s": 1.0, "transaction_timeout_s": 5.0}


@dataclass(frozen=True, slots=True)
class Cluster:
    """Nodes, one of which goes away at a time."""

    name: str
    nodes: int
    faults: int
    faults_short: int


CLUSTERS = Cluster("one", 1, 20, 2), Cluster("three", 3, 20, 2)


def run(ground: Ground) -> list[Figure]:
    """One cluster after the other."""
    return [figure for cluster in CLUSTERS for figure in _tormented(ground, cluster)]


def _tormented(ground: Ground, cluster: Cluster) -> list[Figure]:
    section = f"{NAME}/{cluster.name}"
    faults = ground.often(cluster.faults, cluster.faults_short)
    with ExitStack() as stack:
        name = f"{NAME}-{cluster.name}"
        nodes = stack.enter_context(kafka_nodes(ground.folder / f"{name}-nodes", cluster.nodes))
        bench = ground.bench(
            name,
            servers=",".join(node.servers for node in nodes),
            partitions=6,
            kafka=KAFKA,
            replication=cluster.nodes,
        )
        ward, watch = Ward(bench, STREAMS), stack.enter_context(Watch(bench))
        static = stack.enter_context(served(bench, "one"))
        workers = [static, stack.enter_context(worker(bench, None, command=REAL_WORKER))]
        await_partitions(workers)
        torment = Torment(nodes, ward, watch, static, random.Random(f"{ground.seed} {cluster.name}"))
        with ward.sending(SPEED):
            for number in range(faults):
                torment.once(number)
        ground.note(section, back_s=torment.back_s, caught_up_s=watch.await_end(CAUGHT_UP_S))
        figures = [*torment.figures(section), ended(workers, section)]
        return [*figures, *ground.judged(section, bench, watch)]


class Torment:
    """A cluster's faults, and what a worker says of itself meanwhile."""

    def __init__(
        self, nodes: list[KafkaNode], ward: Ward, watch: Watch, one: Served, moments: random.Random
    ) -> None:
        self._nodes, self._ward, self._watch, self._one = nodes, ward, watch, one
        self._moments = moments
        self.back_s: list[float] = []  # of each fault, from the node's return until what is sent then is out
        self._dead: list[str] = []  # what /healthz said that was not well
        self._unready = self._long = 0  # faults that /readyz told of, and those that it has to

    def once(self, number: int) -> None:
        """A node goes away for a while: killed and frozen in turn, the first two for long."""
        node, crash, long = self._moments.choice(self._nodes), number % 2 == 0, number < 2
        time.sleep(self._moments.uniform(*AT_WORK_S))
        node.kill() if crash else node.freeze()
        seen: set[int] = set()
        with beside(partial(self._look, seen)):
            time.sleep(LONG_S if long else self._moments.uniform(*AWAY_S))
        self._long += long
        self._unready += long and 503 in seen
        node.start() if crash else node.thaw()
        returned = time.monotonic()
        with suppress(TimeoutError):
            self._watch.await_(self._ward.mark(), WAIT_S)
        self.back_s.append(round(time.monotonic() - returned, 2))

    def _look(self, seen: set[int], over: threading.Event) -> None:
        while not over.wait(LOOK_S):
            status, said = self._one.answer("/healthz")
            if status != 200:
                self._dead.append(f"{status}: {said}")
            seen.add(self._one.answer("/readyz")[0])

    def figures(self, section: str) -> list[Figure]:
        """How soon work went on, and how well the worker said to be."""
        alone = len(self._nodes) == 1  # else two others serve, and the worker may well be ready
        return [
            figure("faults", len(self.back_s), section, target=2),
            figure("longest_until_work_went_on_s", max(self.back_s), section, target=BACK_S, better="lower"),
            figure("healthz_not_well", len(self._dead), section, target=0, better="lower"),
            figure("told_by_readyz", self._unready, section, target=self._long if alone else None),
        ]
