"""A real Apache Kafka node that a test can freeze, kill and bring back on its own data and port."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from monitor.broker import embedded
from monitor.broker.embedded import HOST, free_ports


class KafkaNode:
    """One node; `servers` stays the same over its lives."""

    def __init__(self, place: Path) -> None:
        self._place = place
        place.mkdir(parents=True, exist_ok=True)
        client, controller = free_ports(2)
        self.servers = f"{HOST}:{client}"
        # A crashed node's lease is waited out by its next life: short, so that a test is.
        self._config = {
            "listeners": f"PLAINTEXT://{HOST}:{client},CONTROLLER://{HOST}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{client}",
            "controller.quorum.voters": f"1@{HOST}:{controller}",
            "broker.session.timeout.ms": "2000",
            "broker.heartbeat.interval.ms": "500",
        }
        self._port = client
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin, or begin again after a kill."""
        self._process, _ = embedded._start_kafka(self._place, self._config)
        embedded._await_listener(self._process, self._port, self._place)

    def kill(self) -> None:
        """As a crash."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """It stands still, its connections stay open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """For good."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            embedded._stop(self._process)


@contextmanager
def kafka_node(place: Path) -> Iterator[KafkaNode]:
    """A node that runs; gone at the end."""
    node = KafkaNode(place)
    node.start()
    try:
        yield node
    finally:
        node.stop()
