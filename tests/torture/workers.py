"""Worker processes as a section handles them: several at once, what they say, hold and answer."""

from __future__ import annotations

import signal
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from monitor.broker.embedded import HOST, free_ports
from monitor.formats.figures import Figure, figure
from tests.support.daemon.harness import Bench, WorkerProcess, wait_until
from tests.support.project import CLI

START_S = 60.0
ANSWER_S = 5.0


class Served(WorkerProcess):
    """A worker, or a page, whose port is known."""

    def __init__(self, bench: Bench, instance: str | None = None, words: Sequence[str] = ()) -> None:
        """words: of `ecg-monitor`, the last one an option that takes the port; of a worker, if none."""
        (self.port,) = free_ports(1)
        command = words or ("run", "--metrics-port")
        super().__init__(bench, instance, command=(*CLI, *command, str(self.port), "--config"))

    def answer(self, path: str) -> tuple[int, str]:
        """Status and text of what it answers, 0 if it does not."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}{path}", timeout=ANSWER_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)


@contextmanager
def served(bench: Bench, instance: str | None = None, words: Sequence[str] = ()) -> Iterator[Served]:
    """The same, gone at the end."""
    one = Served(bench, instance, words)
    try:
        yield one
    finally:
        one.end(signal.SIGKILL)


@contextmanager
def running(bench: Bench, names: Iterable[str | None]) -> Iterator[list[Served]]:
    """Workers that have taken up partitions, each; gone at the end."""
    with ExitStack() as stack:
        workers = [stack.enter_context(served(bench, name)) for name in names]
        await_partitions(workers)
        yield workers


def await_partitions(workers: Iterable[WorkerProcess]) -> None:
    """Wait until each has taken up some."""
    wait_until(lambda: all(took_up(one) for one in workers), START_S, "partitions")


def took_up(one: WorkerProcess) -> int:
    """How often it has taken up partitions."""
    return one.text().count("took up")


def counted(processes: Iterable[Served], name: str, **labels: str) -> float:
    """The sum of a metric over these processes."""
    return sum(
        sample.value
        for one in processes
        for family in text_string_to_metric_families(one.answer("/metrics")[1])
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def share(workers: Sequence[Served], partitions: int) -> bool:
    """Whether each has some of so many partitions, and none is held twice."""
    held = [counted([one], "ecg_monitor_partitions_assigned") for one in workers]
    return min(held) > 0 and sum(held) == partitions


def ended(workers: Iterable[WorkerProcess], section: str) -> Figure:
    """How many of them do not run, which none should do by itself."""
    count = sum(one.process.poll() is not None for one in workers)
    return figure("workers_that_ended", count, section, target=0, better="lower")


@dataclass(frozen=True, slots=True)
class Vitals:
    """What a process holds."""

    rss_mb: float
    peak_mb: float  # the most that it ever had
    threads: int
    descriptors: int


def vitals(pid: int) -> Vitals:
    """What a process holds now."""
    place = Path(f"/proc/{pid}")
    lines = (line.split(":", 1) for line in (place / "status").read_text().splitlines())
    said = {name: value.split()[0] for name, value in lines if value.split()}
    return Vitals(
        rss_mb=int(said["VmRSS"]) / 1024,
        peak_mb=int(said["VmHWM"]) / 1024,
        threads=int(said["Threads"]),
        descriptors=len(list((place / "fd").iterdir())),
    )
