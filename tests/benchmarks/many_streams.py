"""Memory and time with which a worker takes up many silent streams, on real Apache Kafka in KAFKA_HOME.

    python -m tests.benchmarks.many_streams --ids 20000 --json build/many.json

`ecg.state` is filled with states of so many two-lead streams, as workers write them, then `ecg-monitor run`
takes all partitions up, and some of the streams send again. RSS is the worker's, once it is ready, beside
that of one that has no stream; the peak is the highest until then. `/healthz` is asked all the while: how
often it was not 200. A million ids need 15 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from monitor.broker.clients import open_producer
from monitor.broker.embedded import embedded_broker
from monitor.detect.bench import STREAMS, WARM_UP_S, _chunk, _stream_ecg
from monitor.detect.detector import Detector
from monitor.detect.snapshots import pack
from monitor.formats.chunks import Chunk, Lead, encode_chunk
from monitor.formats.figures import Figure, figure
from monitor.model.model import load_model
from monitor.worker.positions import LastRecord, snapshot_headers
from tests.support.daemon.harness import REAL_WORKER, Bench, WorkerProcess, wait_until, worker

PARTITIONS = 12
WOKEN = 500  # streams that send again
TAKEN_UP = re.compile(r"took up (\d+) partitions in ([\d.]+) s")
SERVED = re.compile(r"metrics on (http://\S+/metrics)")


class Ward:
    """Made-up streams of two leads that have sent for some seconds; any number of names for them."""

    def __init__(self, seconds: int) -> None:
        self._detector = Detector(load_model())
        self._ecg = [_stream_ecg(index, seconds + 1) for index in range(STREAMS)]
        for second in range(seconds):
            self._detector.process([_chunk(index, ecg, second) for index, ecg in enumerate(self._ecg)])
        self._seconds = seconds
        self._taken = [(known, group.take(slot)) for known, group, slot in self._detector._streams.values()]

    def state(self, number: int) -> bytes:
        """As a worker writes it of stream `number`."""
        known, arrays = self._taken[number % STREAMS]
        return pack(replace(known, name=name_of(number)), arrays, self._detector.model_version)

    def next_chunk(self, number: int) -> bytes:
        """What stream `number` sends next."""
        made: Chunk = _chunk(number % STREAMS, self._ecg[number % STREAMS], self._seconds)
        return encode_chunk(
            stream=name_of(number),
            session=made.session,
            first_sample=made.first_sample,
            start_us=time.time_ns() // 1000,
            rate_hz=made.rate_hz,
            leads=tuple(Lead(name) for name in made.leads),
            adc=(1000 * made.ecg_mv / 5).astype("int16"),
        )


def name_of(number: int) -> str:
    """As hospitals call a bed."""
    return f"hospital-3/ward-{number // 50:05d}/bed-{number:07d}"


def fill(bench: Bench, ward: Ward, ids: int) -> int:
    """Write so many streams' states; returns their bytes."""
    kafka = bench.settings().kafka
    now_ms = time.time_ns() // 1_000_000
    out = open_producer(kafka, compression_type=None, batch_size=1 << 20, linger_ms=50)
    size = 0
    for number in range(ids):
        state = ward.state(number)
        size += len(state)
        headers = snapshot_headers(kafka.group_id, 0, last=LastRecord(0, now_ms, now_ms))
        key = name_of(number).encode()
        out.send(kafka.topics.state, state, key=key, headers=headers, partition=number % PARTITIONS)
    out.flush(timeout=300)
    out.close(timeout=10)
    return size


def wake(bench: Bench, ward: Ward, ids: int, count: int) -> None:
    """Let some streams from all over send a chunk."""
    kafka = bench.settings().kafka
    out = open_producer(kafka)
    for number in range(0, ids, max(1, ids // count)):
        value, key = ward.next_chunk(number), name_of(number).encode()
        out.send(kafka.topics.signal, value, key=key, partition=number % PARTITIONS)
    out.flush(timeout=60)
    out.close(timeout=10)


@dataclass(frozen=True, slots=True)
class TakenUp:
    """What it took."""

    seconds: float
    rss_mb: float
    peak_mb: float
    not_well: int
    woken: int = 0
    wake_s: float = 0.0


@contextmanager
def tree(path: Path | None) -> Iterator[None]:
    """Workers run this checkout's code, or that of another one."""
    before = Path.cwd()
    os.chdir(path or before)  # where Python looks first
    try:
        yield
    finally:
        os.chdir(before)


def take_up(bench: Bench, timeout_s: float, ward: Ward | None = None, ids: int = 0) -> TakenUp:
    """Start a worker, wait until it has all partitions, and let some streams send."""
    with worker(bench, "one", command=REAL_WORKER) as running:
        not_well: list[str] = []

        def ready() -> bool:
            if (answer := _healthz(running.text())) != "200":
                not_well.append(answer)
            return _partitions(running.text()) >= PARTITIONS

        wait_until(ready, timeout_s, "all partitions")
        taken = TakenUp(_seconds(running.text()), *_memory_mb(running.process.pid), len(not_well))
        sys.stderr.write(f"{taken}\n")
        if ward is None:
            return taken
        began = time.monotonic()
        wake(bench, ward, ids, WOKEN)
        count = len(range(0, ids, max(1, ids // WOKEN)))
        wait_until(lambda: _value(running, "chunks_total") >= count, timeout_s, "the streams that send again")
        return replace(taken, woken=count, wake_s=time.monotonic() - began)


def _healthz(text: str) -> str:
    """What the worker whose log this is answers; 200 before it serves."""
    if (served := SERVED.search(text)) is None:
        return "200"
    try:
        with urllib.request.urlopen(served[1].replace("/metrics", "/healthz"), timeout=5) as answer:
            return str(answer.status)
    except (urllib.error.URLError, TimeoutError) as error:  # 503 comes as one, too
        return str(error)


def _partitions(text: str) -> int:
    return sum(int(count) for count, _ in TAKEN_UP.findall(text))


def _seconds(text: str) -> float:
    return sum(float(seconds) for _, seconds in TAKEN_UP.findall(text))


def _memory_mb(pid: int) -> tuple[float, float]:
    status = Path(f"/proc/{pid}/status").read_text()
    rss, peak = (re.search(rf"{name}:\s+(\d+) kB", status) for name in ("VmRSS", "VmHWM"))
    return (0.0, 0.0) if rss is None or peak is None else (int(rss[1]) / 1024, int(peak[1]) / 1024)


def _value(running: WorkerProcess, name: str) -> float:
    served = SERVED.search(running.text())
    if served is None:
        return 0.0
    with urllib.request.urlopen(served[1], timeout=10) as answer:
        text = answer.read().decode()
    found = re.search(rf"^ecg_monitor_{name} ([\d.e+]+)$", text, re.M)
    return 0.0 if found is None else float(found[1])


def measure(ids: int, seconds: int, timeout_s: float, other: Path | None = None) -> list[Figure]:
    """The figures for so many ids."""
    with embedded_broker("kafka") as servers, tempfile.TemporaryDirectory() as folder:
        with tree(other):
            none = take_up(Bench(servers, Path(folder), PARTITIONS), 120)
        bench, ward = Bench(servers, Path(folder), PARTITIONS), Ward(seconds)
        began = time.monotonic()
        size = fill(bench, ward, ids)
        sys.stderr.write(f"filled with {size / 1e6:.0f} MB in {time.monotonic() - began:.0f} s\n")
        with tree(other):
            taken = take_up(bench, timeout_s, ward, ids)
    group = f"ids-{ids}"
    return [
        figure("state_kb", size / ids / 1000, group),
        figure("take_up_s", taken.seconds, group),
        figure("rss_mb", taken.rss_mb, group),
        figure("rss_mb_without_streams", none.rss_mb, group),
        figure("rss_kb_per_stream", 1024 * (taken.rss_mb - none.rss_mb) / ids, group),
        figure("peak_rss_mb", taken.peak_mb, group),
        figure("healthz_not_well", taken.not_well, group),
        figure("wake_ms", 1000 * taken.wake_s / taken.woken, group),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--ids", type=int, nargs="+", default=[20_000])
    parser.add_argument("--seconds", type=int, default=WARM_UP_S, help="that each stream has sent")
    parser.add_argument("--timeout", type=float, default=1800.0, help="seconds for a worker to take all up")
    parser.add_argument("--tree", type=Path, help="of another checkout, whose worker is to be measured")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = []
    for ids in options.ids:
        for each in measure(ids, options.seconds, options.timeout, options.tree):
            sys.stdout.write(f"{each.group:>12} {each.name:<24} {each.value:10.1f}\n")
            figures.append(each)
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        rows = [{name: getattr(each, name) for name in each.__struct_fields__} for each in figures]
        options.json.write_text(json.dumps({"figures": rows}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
