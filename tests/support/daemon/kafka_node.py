"""Real Apache Kafka nodes that a test can freeze, kill and bring back on their own data and ports."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from monitor.broker import embedded
from monitor.broker.embedded import HOST, free_ports
from tests.support.daemon.stopping import stop

_CONFIG = {
    # A crashed node's lease is waited out by its next life: short, so that a test is.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    # Kafka's own. Looking at once after a crash, Kafka 4.3.1 has ended transactions without writing their
    # markers: their offsets then stay pending for ever.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "10000",
}
# Of a cluster: no node alone holds anything, and one may be away.
_REPLICATED = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
}


class KafkaNode:
    """One node; `servers` stays the same over its lives."""

    def __init__(self, place: Path, number: int, port: int, controllers: Mapping[int, str]) -> None:
        """port: of its clients; controllers: where those of the whole cluster listen, by number."""
        self._place = place
        place.mkdir(parents=True, exist_ok=True)
        self._port = port
        self.servers = f"{HOST}:{port}"
        self._config = {
            "node.id": str(number),
            "listeners": f"PLAINTEXT://{self.servers},CONTROLLER://{controllers[number]}",
            "advertised.listeners": f"PLAINTEXT://{self.servers}",
            "controller.quorum.voters": ",".join(f"{each}@{at}" for each, at in controllers.items()),
            **_CONFIG,
            **(_REPLICATED if len(controllers) > 1 else {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Begin, or begin again after a kill; it listens later."""
        self._process, _ = embedded._start_kafka(self._place, self._config)

    def await_listener(self) -> None:
        """Wait until it listens."""
        assert self._process is not None
        embedded._await_listener(self._process, self._port, self._place)

    def start(self) -> None:
        """Begin, or begin again after a kill, and wait until it listens."""
        self.launch()
        self.await_listener()

    def kill(self) -> None:
        """As a crash."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """It stands still, its connections stay open."""
        assert self._process is not None
        stop(self._process.pid)

    def thaw(self) -> None:
        """It goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """As a crash, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def stop(self) -> None:
        """In order, if it runs."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            embedded._stop(self._process)


@contextmanager
def kafka_node(place: Path) -> Iterator[KafkaNode]:
    """A node that runs; gone at the end."""
    with kafka_nodes(place, 1) as (node,):
        yield node


@contextmanager
def kafka_nodes(place: Path, count: int) -> Iterator[list[KafkaNode]]:
    """One node, or a cluster of three that holds everything three times; gone at the end."""
    ports = free_ports(2 * count)
    controllers = {number: f"{HOST}:{ports[number - 1]}" for number in range(1, count + 1)}
    nodes = [
        KafkaNode(place if count == 1 else place / f"node{number}", number, port, controllers)
        for number, port in enumerate(ports[count:], 1)
    ]
    try:
        for node in nodes:
            node.launch()
        for node in nodes:  # none listens before most of them run
            node.await_listener()
        yield nodes
    finally:
        for node in nodes:
            # Nodes of a quorum that leave one after the other wait for those that have left.
            node.stop() if count == 1 else node.end()
