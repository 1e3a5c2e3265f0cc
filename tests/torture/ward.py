"""Streams that send without a pause: real ECG, five minutes over and over, with beats enough to report."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from kafka import TopicPartition

from monitor.recordings.excerpt import read_excerpt
from monitor.recordings.recording import Recording, encode_slice
from tests.support.background import beside
from tests.support.daemon.harness import START_US, Bench, producer

MARKED_S = 20.0
Seconds = Callable[[Sequence[str], int], Iterable[tuple[str, bytes]]]
APART_S = 61  # of the recording from one stream to the next, so that no two are alike


class Ward:
    """Some streams and how far each has come; a chunk holds a second."""

    def __init__(
        self, bench: Bench, streams: int, prefix: str = "bed", seconds: Seconds | None = None
    ) -> None:
        """seconds: what a stream's next second is, real ECG if nothing else."""
        self._bench = bench
        self._seconds_of = seconds or seconds_of
        self.streams = [f"{prefix}-{index}" for index in range(streams)]
        self.seconds = 0  # that every stream has sent
        self._marks = 0
        self._lock = threading.Lock()  # chunks of a stream leave in their order

    def send(self, seconds: int) -> None:
        """The next seconds of every stream, at once."""
        with producer(self._bench.settings()) as out:
            for _ in range(seconds):
                self._second(out)

    @contextmanager
    def sending(self, speed: float) -> Iterator[None]:
        """So many seconds of every stream a second in the background, until the block ends."""

        def run(over: threading.Event) -> None:
            with producer(self._bench.settings()) as out:
                while not over.wait(1 / speed):
                    self._second(out)

        with beside(run):
            yield

    def mark(self) -> dict[TopicPartition, int]:
        """A chunk to every partition, each of a stream of its own; where each partition then ends."""
        self._marks += 1
        with producer(self._bench.settings()) as out:
            sent = [
                out.send(self._bench.topic("signal"), value, key=stream.encode(), partition=number)
                for number in range(self._bench.partitions)
                for stream, value in seconds_of([f"mark-{number}"], self._marks)
            ]
            places = [one.get(timeout=MARKED_S) for one in sent]
        return {TopicPartition(each.topic, each.partition): each.offset + 1 for each in places}

    def _second(self, out: Any) -> None:
        with self._lock:
            topic = self._bench.topic("signal")
            for stream, value in self._seconds_of(self.streams, self.seconds):
                out.send(topic, value, key=stream.encode())
            self.seconds += 1


def seconds_of(streams: Sequence[str], number: int) -> Iterable[tuple[str, bytes]]:
    """Second `number` of each stream, as a record of `ecg.signal`."""
    recording = _recording()
    size = round(recording.rate_hz)
    for index, stream in enumerate(streams):
        first = (number + APART_S * index) % (len(recording) // size) * size
        yield (
            stream,
            encode_slice(
                recording,
                first,
                first + size,
                stream=stream,
                session="torture",
                first_sample=number * size,
                start_us=START_US + number * 1_000_000,
            ),
        )


@cache
def _recording() -> Recording:
    return read_excerpt()
