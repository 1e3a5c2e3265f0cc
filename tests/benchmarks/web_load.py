"""CPU and memory of `ecg-monitor web` with a ward's load; needs noida-db.

    python -m tests.benchmarks.web_load --json build/web.json

Made-up streams of two leads at 250 Hz in chunks of a second, with the windows and events that a worker
would write of them. First a full history is written, then the server is started and reads it, then all
streams go on in real time: without a browser, and with browsers that watch 64 tiles each. CPU is the server's
own time, so that it is little falsified by what else the machine does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import websockets.asyncio.client
import websockets.typing

from monitor.broker.clients import open_producer
from monitor.broker.embedded import embedded_broker
from monitor.broker.topics import create_topics
from monitor.config import Settings
from monitor.formats.beats import encode_beats
from monitor.formats.events import encode_event
from monitor.formats.figures import Figure, figure
from tests.monitor.web.test_feed import settings_on
from tests.monitor.web.test_server import Server, serving
from tests.support.background import beside
from tests.support.web.made import CHUNK, START_US, chunk_value, event, windows

PARTITIONS = 12
BEAT_EVERY = 200  # samples: 75 beats a minute
EVENT_EVERY = 30  # chunks: 120 events an hour of each stream
TILES = 64


class Ward:
    """All streams, whose chunk `number` ends at `began_s` + number + 1."""

    def __init__(self, settings: Settings, streams: int, began_s: float) -> None:
        self._topics = settings.kafka.topics
        self._producer = open_producer(settings.kafka)
        self.names = [f"bed-{index:03d}" for index in range(streams)]
        self._began_us = round(began_s * 1e6)

    def send(self, number: int) -> None:
        """One second of every stream."""
        at_us = self._began_us + 1_000_000 * number
        for index, name in enumerate(self.names):
            value = chunk_value(number, name, start_us=at_us)
            stamp = round((at_us + 1_000_000) / 1000)
            self._producer.send(self._topics.signal, value, key=name.encode(), timestamp_ms=stamp)
            if (number + index) % EVENT_EVERY == 0:
                made = event(CHUNK * number, stream=name, time_us=at_us)
                self._producer.send(
                    self._topics.events, encode_event(made), key=name.encode(), timestamp_ms=stamp
                )
        first, last = CHUNK * number, CHUNK * (number + 1)
        beats = [
            (at, "beat", False, "good")
            for at in range(-(-first // BEAT_EVERY) * BEAT_EVERY, last, BEAT_EVERY)
        ]
        rows = [*beats, (first, "fixed", False, "good")]
        for name in self.names:
            found = windows(rows, name)
            found.time_us = found.time_us - START_US + self._began_us
            self._producer.send(
                self._topics.beats, encode_beats(found), partition=0, timestamp_ms=at_us // 1000
            )

    def flush(self) -> None:
        """Wait until the broker has all."""
        self._producer.flush(timeout=120)

    def close(self) -> None:
        """Leave the broker."""
        self._producer.close(timeout=5)


@contextmanager
def live(ward: Ward, began_s: float, number: int) -> Iterator[None]:
    """All streams in real time from chunk `number` on, until the end of the block."""

    def run(over: threading.Event) -> None:
        at = number
        while not over.wait(max(0.0, began_s + at + 1 - time.time())):
            ward.send(at)
            at += 1

    with beside(run):
        yield


def cpu_s(server: Server) -> float:
    """CPU time that the server has taken."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def share(server: Server, seconds: float) -> float:
    """CPU share of one core over some seconds."""
    before, began = cpu_s(server), time.monotonic()
    time.sleep(seconds)
    return (cpu_s(server) - before) / (time.monotonic() - began)


@contextmanager
def browsers(server: Server, count: int, names: list[str]) -> Iterator[None]:
    """So many browsers, each with 64 tiles."""
    stop = threading.Event()

    async def browse(index: int) -> None:
        address = f"ws://127.0.0.1:{server.port}/api/live"
        async with websockets.asyncio.client.connect(
            address, origin=websockets.typing.Origin(server.url)
        ) as socket:
            shift = index * TILES % len(names)
            await socket.send(json.dumps({"watch": (names + names)[shift : shift + TILES]}))
            while not stop.is_set():
                await asyncio.wait_for(socket.recv(), 10)

    async def main() -> None:
        await asyncio.gather(*(browse(index) for index in range(count)))

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def measure(streams: int, history_s: int, seconds: float, count: int) -> list[Figure]:
    """All figures."""
    with (
        tempfile.TemporaryDirectory() as folder,
        embedded_broker("noida", Path(folder) / "broker") as servers,
    ):
        settings = settings_on(servers)
        create_topics(settings.kafka, PARTITIONS)
        began_s = time.time() - history_s
        ward = Ward(settings, streams, began_s)
        for number in range(history_s):
            ward.send(number)
        ward.flush()
        caught_up = int(time.time() - began_s)
        for number in range(history_s, caught_up):
            ward.send(number)
        ward.flush()
        with serving(settings, Path(folder)) as server, live(ward, began_s, caught_up):
            read_s = _await_reading(server)
            idle = share(server, seconds)
            with browsers(server, count, ward.names):
                time.sleep(3)
                frames, began = server.metric("ecg_web_frames_sent_total"), time.monotonic()
                watched = share(server, seconds)
                frames = server.metric("ecg_web_frames_sent_total") - frames
                frames_per_s = frames / (time.monotonic() - began)
            memory_mb, signal_mb = server.memory_mb(), server.metric("ecg_web_signal_bytes") / 2**20
            lost = server.metric("ecg_web_frames_lost_total")
        ward.close()
    group = f"{streams} streams"
    return [
        figure("history_read_s", read_s, group=group, better="lower"),
        figure("cpu_share", idle, group=group, better="lower"),
        figure("cpu_share", watched, group=f"{group}, {count} browsers", better="lower"),
        figure("frames_per_second", frames_per_s, group=f"{group}, {count} browsers"),
        figure("memory_mb", memory_mb, group=group, better="lower"),
        figure("signal_mb", signal_mb, group=group, better="lower"),
        figure("frames_lost", lost, group=f"{group}, {count} browsers", better="lower"),
    ]


def _await_reading(server: Server) -> float:
    began = time.monotonic()
    while json.loads(server.get("/healthz")[1])["broker"] != "ok":
        time.sleep(0.1)
    return time.monotonic() - began


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--history", type=int, default=600, help="seconds")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--browsers", type=int, default=4)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = measure(options.streams, options.history, options.seconds, options.browsers)
    for each in figures:
        sys.stdout.write(f"{each.name:16} {each.group:26} {each.value:10.3f}\n")
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode({"figures": figures}), indent=1))


if __name__ == "__main__":
    main()
