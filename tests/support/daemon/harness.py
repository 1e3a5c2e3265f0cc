"""Topics of a test's own, made-up ECG, worker processes, and what came out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from kafka import TopicPartition

from monitor.broker.clients import open_producer, open_reader
from monitor.broker.topics import create_topics, partition_counts
from monitor.config import Settings, Topics, load_settings
from monitor.detect.interface import StreamDetector
from monitor.formats.chunks import Lead, decode_chunk, encode_chunk
from monitor.formats.events import encode_event
from monitor.formats.profiles import Profile, encode_profile
from monitor.worker.metrics import new_metrics
from monitor.worker.settings import SettingsInForce
from tests.support.project import CLI
from tests.support.stub_detector import StubDetector

STUB_WORKER = ("-m", "tests.support.daemon.stub_worker")
REAL_WORKER = (*CLI, "run", "--config")
RATE_HZ = 250.0
CHUNK = 250  # samples, 1 s
START_US = 1_700_000_000_000_000


@dataclass
class Bench:
    """A worker's settings on topics that no other test uses."""

    servers: str
    directory: Path
    partitions: int = 4
    kafka: dict[str, Any] = field(default_factory=dict)
    delivery: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    replication: int = 1
    state: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        own = uuid.uuid4().hex[:8]
        self.kafka = {
            "bootstrap_servers": self.servers,
            "group_id": f"group-{own}",
            "max_poll_interval_s": 10.0,
            "topics": {name: f"{own}.{name}" for name in Topics.model_fields},
            **self.kafka,
        }
        self.delivery = {"snapshot_interval_s": 0.4, "commit_interval_s": 0.2, **self.delivery}
        self.metrics = {"port": 0, **self.metrics}
        create_topics(self.settings().kafka, self.partitions, self.replication)

    def settings(self, instance: str | None = None) -> Settings:
        """The settings in force for one worker."""
        return load_settings(None, self._flags(instance))

    def _flags(self, instance: str | None) -> dict[str, Any]:
        flags = {f"kafka.{key}": value for key, value in self.kafka.items()}
        flags |= {f"delivery.{key}": value for key, value in self.delivery.items()}
        flags |= {f"state.{key}": value for key, value in self.state.items()}
        return (
            flags
            | {f"metrics.{key}": value for key, value in self.metrics.items()}
            | {"kafka.instance_id": instance}
        )

    def write_toml(self, instance: str | None = None) -> Path:
        """The same as a file."""
        kafka = {**self.kafka, **({"instance_id": instance} if instance else {})}
        topics = kafka.pop("topics")
        sections = {
            "kafka": kafka,
            "kafka.topics": topics,
            "delivery": self.delivery,
            "metrics": self.metrics,
            **({"state": self.state} if self.state else {}),
        }
        path = self.directory / f"worker-{instance or 'dynamic'}.toml"
        path.write_text(
            "".join(
                f"[{section}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
                for section, keys in sections.items()
            )
        )
        return path

    def topic(self, name: str) -> str:
        """The topic that stands for `name` here."""
        return str(self.kafka["topics"][name])

    def read(self, name: str, isolation: str = "read_committed") -> list[Any]:
        """All records of a topic, partition by partition, in order."""
        kafka = self.settings().kafka
        count = partition_counts(kafka)[self.topic(name)]
        places = [TopicPartition(self.topic(name), number) for number in range(count)]
        reader = open_reader(kafka, isolation_level=isolation)
        try:
            ends = reader.end_offsets(places)
            reader.assign(places)
            reader.seek_to_beginning(*places)
            records = []
            while any((reader.position(place) or 0) < ends[place] for place in places):
                for batch in reader.poll(timeout_ms=100).values():
                    records += batch
        finally:
            reader.close()
        return sorted(records, key=lambda record: (record.partition, record.offset))

    def send(
        self, records: Iterable[tuple[str, bytes | None]], topic: str = "signal", **options: Any
    ) -> None:
        """Produce keyed values, with these options of the producer, and wait until the broker has them."""
        with producer(self.settings(), **options) as out:
            for key, value in records:
                out.send(self.topic(topic), value, key=key.encode())

    def set_profile(self, **fields: Any) -> None:
        """Write a stream's settings, as the bedside page does."""
        profile = Profile(at_us=time.time_ns() // 1000, by="test", **fields)
        self.send([(profile.stream, encode_profile(profile))], "profiles")

    def events(self) -> dict[str, list[bytes]]:
        """The committed event log by stream, each in order."""
        return by_stream((record.key, record.value) for record in self.read("events"))

    def expected(self) -> dict[str, list[bytes]]:
        """What an undisturbed run over the input would have written."""
        return self.expected_of(self.read("signal"))

    def expected_of(self, records: Iterable[Any]) -> dict[str, list[bytes]]:
        """What an undisturbed run over these records would have written, with all profiles known."""
        return self.expected_by(StubDetector(), records)

    def expected_by(self, detector: StreamDetector, records: Iterable[Any]) -> dict[str, list[bytes]]:
        """The same by any detector."""
        in_force, found = SettingsInForce(new_metrics()), []
        for record in self.read("profiles"):
            in_force.learn(record)
        for record in records:
            stream = record.key.decode()
            tuning, _ = in_force.change(stream, record.timestamp, replayed=False)
            if tuning is not None:
                detector.tune(stream, tuning)
            for event in detector.process([decode_chunk(record.value)]).events:
                found.append((event.stream.encode(), encode_event(event)))
        return by_stream(found)

    def await_events(self, timeout_s: float = 40.0) -> None:
        """Wait until there are as many events as expected; fails with both logs' sizes."""
        wanted = sum(map(len, self.expected().values()))
        wait_until(lambda: sum(map(len, self.events().values())) >= wanted, timeout_s, f"{wanted} events")


def by_stream(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, list[bytes]]:
    """Values of each key in order."""
    log: dict[str, list[bytes]] = defaultdict(list)
    for key, value in pairs:
        log[key.decode()].append(value)
    return dict(log)


@contextmanager
def producer(settings: Settings, **options: Any) -> Iterator[Any]:
    """A producer that is flushed and closed."""
    out = open_producer(settings.kafka, **options)
    try:
        yield out
        out.flush(timeout=20)
    finally:
        out.close(timeout=5)


def chunk(stream: str, number: int, peak: bool = False, session: str = "a", **changes: Any) -> bytes:
    """Chunk `number` of a made-up stream; one with a peak of 4 mV makes the stub raise an event."""
    seed = sum(stream.encode()) * 10_000 + number
    adc = np.random.default_rng(seed).integers(-200, 200, (CHUNK, 1)).astype(np.int16)
    if peak:
        adc[100] = 800
    fields = {
        "stream": stream,
        "session": session,
        "first_sample": CHUNK * number,
        "start_us": START_US + number * 1_000_000,
        "rate_hz": RATE_HZ,
        "leads": (Lead("II"),),
        "adc": adc,
    }
    return encode_chunk(**{**fields, **changes})


def ecg(streams: int, first: int, last: int) -> list[tuple[str, bytes | None]]:
    """Chunks first to last of some streams, in the order of time; every third has a peak."""
    return [
        (f"s{stream}", chunk(f"s{stream}", number, peak=(number + stream) % 3 == 0))
        for number in range(first, last)
        for stream in range(streams)
    ]


class WorkerProcess:
    """A worker, with the stub detector if not told otherwise; its log is in a file beside its settings."""

    def __init__(
        self,
        bench: Bench,
        instance: str | None = None,
        delay_s: float = 0.0,
        command: tuple[str, ...] = STUB_WORKER,
        tree: Path | None = None,
    ) -> None:
        """tree: of which the code is, if not this one."""
        config = bench.write_toml(instance)
        self.log = config.with_suffix(f".{uuid.uuid4().hex[:6]}.log")
        delay = [str(delay_s)] if command[:2] != REAL_WORKER[:2] else []
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, *command, str(config), *delay],
                stdout=out,
                stderr=out,
                cwd=tree,
                env=None if tree is None else {**os.environ, "PYTHONPATH": str(tree)},
            )

    def says(self, words: str, timeout_s: float = 30.0) -> None:
        """Wait for words in the log."""
        wait_until(lambda: words in self.text() or self.process.poll() is not None, timeout_s, words)
        assert words in self.text(), self.text()

    def text(self) -> str:
        """The log so far."""
        return self.log.read_text()

    def end(self, number: int = signal.SIGTERM, timeout_s: float = 20.0) -> int:
        """Send a signal, wait, and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout_s)


@contextmanager
def worker(
    bench: Bench,
    instance: str | None = None,
    delay_s: float = 0.0,
    command: tuple[str, ...] = STUB_WORKER,
    tree: Path | None = None,
) -> Iterator[WorkerProcess]:
    """A worker process that is gone at the end."""
    running = WorkerProcess(bench, instance, delay_s, command, tree)
    try:
        yield running
    finally:
        running.end(signal.SIGKILL)


def complaint(kafka: dict[str, Any], call: str = "partition_counts(settings)") -> str:
    """What is said where a broker can't be talked to.

    In a process of its own: clients of kafka-python 3.0.12 that fail to connect leave a thread and
    sockets behind.
    """
    code = f"""
import json, sys
from monitor.config import KafkaSettings
from monitor.errors import BrokerError
from monitor.broker.topics import create_topics, partition_counts
settings = KafkaSettings(**json.loads(sys.argv[1]))
try:
    {call}
except BrokerError as error:
    print(error)
"""
    command = [sys.executable, "-c", code, json.dumps(kafka)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def wait_until(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Wait for a condition; AssertionError naming it if it never comes."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(0.05)
