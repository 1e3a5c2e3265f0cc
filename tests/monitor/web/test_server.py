"""The server as a process: a broker behind it, browsers before it, and its end."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import websockets.asyncio.client
import websockets.exceptions
import websockets.typing
from prometheus_client.parser import text_string_to_metric_families

from monitor.broker.embedded import free_ports
from monitor.broker.topics import create_topics
from monitor.config import Settings
from monitor.errors import ConfigError
from monitor.web.server import listen
from tests.monitor.web.test_feed import settings_on, write
from tests.support.daemon.harness import wait_until
from tests.support.project import CLI
from tests.support.web.made import chunk_value

pytestmark = pytest.mark.integration
COMMAND = (sys.executable, *CLI, "web")
MANY = 64  # watched streams


@dataclass(frozen=True)
class Server:
    """A running `ecg-monitor web`."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        """Of the page."""
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def metric(self, name: str) -> float:
        """A sample without labels."""
        families = text_string_to_metric_families(self.get("/metrics")[1].decode())
        return next(s.value for family in families for s in family.samples if s.name == name)

    def memory_mb(self) -> float:
        """Resident memory of the process."""
        return self.metric("process_resident_memory_bytes") / 2**20


@contextmanager
def serving(settings: Settings, folder: Path) -> Iterator[Server]:
    """The server on these topics, answering; gone at the end."""
    (port,) = free_ports(1)
    lines = ["[kafka]", f'bootstrap_servers = "{settings.kafka.bootstrap_servers}"', "[kafka.topics]"]
    lines += [f'{name} = "{topic}"' for name, topic in settings.kafka.topics.model_dump().items()]
    config, log = folder / "web.toml", folder / "web.log"
    config.write_text("\n".join([*lines, "[web]", f"port = {port}", ""]))
    with log.open("wb") as out:
        process = subprocess.Popen([*COMMAND, "--config", str(config)], stdout=out, stderr=out)
    server = Server(process, port, log)
    try:
        wait_until(lambda: _listens(port) or process.poll() is not None, 60, "the server")
        assert process.poll() is None, log.read_text()
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


class Ward:
    """Streams that send a chunk a second, as fast as asked."""

    def __init__(self, settings: Settings, streams: int, pace_s: float) -> None:
        self._settings, self._streams, self._pace_s = settings, streams, pace_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sent = 0

    def __enter__(self) -> Ward:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        begin_us = time.time_ns() // 1000
        while not self._stop.is_set():
            values = []
            for index in range(self._streams):
                start_us = begin_us + 1_000_000 * self.sent
                values.append(
                    ("signal", f"s{index}".encode(), chunk_value(self.sent, f"s{index}", start_us=start_us))
                )
            write(self._settings, *values)
            self.sent += 1
            self._stop.wait(self._pace_s)


def _socket(server: Server, window: int | None = None) -> websockets.asyncio.client.connect:
    """The live data; window: bytes that the system takes in for a browser that does not read."""
    own = socket.socket()
    if window is not None:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    own.connect(("127.0.0.1", server.port))
    own.setblocking(False)
    return websockets.asyncio.client.connect(
        f"ws://127.0.0.1:{server.port}/api/live",
        origin=websockets.typing.Origin(server.url),
        ping_interval=None,
        max_queue=2,
        sock=own,
    )


def test_the_whole_path_and_its_end(broker: str, tmp_path: Path) -> None:
    """Signal from Kafka in a browser; on SIGTERM browsers are told, and the code is 0 within seconds."""
    settings = settings_on(broker)
    create_topics(settings.kafka, 2)

    async def browse(server: Server) -> Any:
        async with _socket(server) as live:
            await live.send(json.dumps({"watch": ["s0", "s1"]}))
            frames = 0
            with suppress(websockets.exceptions.ConnectionClosedError):
                async for message in live:
                    if isinstance(message, bytes):
                        frames += 1
                        if frames == 6:
                            server.process.send_signal(signal.SIGTERM)
            return live.close_code

    with serving(settings, tmp_path) as server:
        assert server.get("/healthz")[0] == 200
        with Ward(settings, 2, 0.3):
            assert asyncio.run(asyncio.wait_for(browse(server), 60)) == 1012
        began = time.monotonic()
        assert server.process.wait(20) == 0, server.log.read_text()
        assert time.monotonic() - began < 15
        assert "Traceback" not in server.log.read_text()
        assert "s0" not in server.log.read_text()  # no stream id in a log line


def test_a_browser_that_does_not_read_loses_frames_and_nothing_else(
    kafka_broker: str, tmp_path: Path
) -> None:
    """The server's memory stays where it is, and another browser gets everything meanwhile."""
    settings = settings_on(kafka_broker)
    create_topics(settings.kafka, 2)
    names = [f"s{index}" for index in range(MANY)]

    async def browse(server: Server) -> tuple[float, float, int]:
        async with _socket(server, 4096) as stuck, _socket(server) as reading:
            for live in (stuck, reading):
                await live.send(json.dumps({"watch": names}))
            before = await asyncio.to_thread(server.memory_mb)
            stuck.transport.pause_reading()
            got = 0
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                got += isinstance(await asyncio.wait_for(reading.recv(), 10), bytes)
                if (
                    got % 512 == 0
                    and await asyncio.to_thread(server.metric, "ecg_web_frames_lost_total") > 200
                ):
                    break
            after = await asyncio.to_thread(server.memory_mb)
            stuck.transport.abort()
            return before, after, got

    with serving(settings, tmp_path) as server, Ward(settings, MANY, 0.0):
        before, after, got = asyncio.run(browse(server))
        assert server.metric("ecg_web_frames_lost_total") > 200
        assert got > 1000
        grown = server.metric("ecg_web_signal_bytes") / 2**20
        assert after - before < 60 + 2 * grown
        wait_until(lambda: server.metric("ecg_web_clients") == 0, 20, "both browsers to be gone")


def test_an_address_that_is_taken_is_said() -> None:
    """With its port, not as a stack."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}"):
            listen("127.0.0.1", port)
    with pytest.raises(ConfigError, match="nowhere"):
        listen("nowhere.invalid", 80)


def test_a_page_may_be_served_over_ipv6() -> None:
    """Where the machine has it."""
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").exists():
        assert listen("127.0.0.1", 0).getsockname()[1] > 0
        return
    with listen("::1", 0) as listener:
        assert listener.getsockname()[1] > 0
