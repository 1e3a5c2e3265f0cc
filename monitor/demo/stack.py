"""What runs while a demo does: broker, topics, worker and bedside page, all gone at its end."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from monitor.broker.embedded import embedded_broker
from monitor.broker.topics import create_topics
from monitor.config import KafkaSettings
from monitor.demo.follower import GroupProgress
from monitor.demo.services import PAGE, WORKER, DemoService, demo_page, demo_worker, write_setup
from monitor.errors import MonitorError
from monitor.processes import Interrupts

PARTITIONS = 3  # more than one, as in earnest
PATIENCE_S = 8.0  # without compiled code at hand a start takes half a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What the command line says."""

    output: Path
    speed: float = 4.0  # five minutes of signal in 75 s
    bootstrap_servers: str | None = None  # None: an embedded broker
    keep: bool = False
    record: Path | None = None  # None: the five minutes of record 208
    model: Path | None = None  # None: the bundled one
    worker: tuple[str, ...] = WORKER
    page: tuple[str, ...] | None = PAGE  # None: no bedside page


@dataclass(frozen=True, slots=True, eq=False)
class DemoStack:
    """All that has been started."""

    broker: str  # host:port
    kafka: KafkaSettings
    group: GroupProgress
    worker: DemoService
    page: DemoService | None

    def wait_until_ready(self, console: Console) -> None:
        """Return once worker and page can work; raises MonitorError if one does not come to that."""
        notice = f"the worker takes longer than usual; its log says why: {self.worker.log}"
        timer = threading.Timer(PATIENCE_S, console.print, [notice], {"highlight": False, "soft_wrap": True})
        timer.start()
        try:
            for child in (self.worker, self.page):
                if child is not None:
                    child.wait_until_ready()
        finally:
            timer.cancel()

    def check(self) -> None:
        """Raise MonitorError if a child has ended."""
        for child in (self.worker, self.page):
            if child is not None:
                child.check()


@contextmanager
def demo_stack(options: DemoOptions, console: Console, replaced: Sequence[str] = ()) -> Iterator[DemoStack]:
    """All of it started while in the block, its addresses told; an interrupt is a SystemExit in it.

    replaced: files of an older demo that are removed first, so that none is taken for this one's.
    """
    with Interrupts() as interrupts, _sole_user(options.output, replaced), ExitStack() as stack:
        try:
            with interrupts.held():
                broker = options.bootstrap_servers or stack.enter_context(embedded_broker())
            embedded = options.bootstrap_servers is None
            setup = write_setup(options.output, broker, options.model, embedded=embedded)
            create_topics(setup.kafka(), PARTITIONS)
            group = GroupProgress(setup.kafka())
            stack.callback(group.close)
            group.skip_to_end()
            with interrupts.held():
                worker = stack.enter_context(demo_worker(setup, options.worker))
            page = None
            if options.page is not None:
                with interrupts.held():
                    page = stack.enter_context(demo_page(setup, options.page))
            running = DemoStack(broker, setup.kafka(), group, worker, page)
            _tell(console, running)
            yield running
        finally:
            interrupts.ignore()


@contextmanager
def _sole_user(output: Path, replaced: Sequence[str]) -> Iterator[None]:
    """The folder made, ours alone while in the block, and without these files."""
    lock = FileLock(output / ".lock", blocking=False)
    try:
        output.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        for name in replaced:
            (output / name).unlink(missing_ok=True)
    except Timeout as exc:
        raise MonitorError(
            f"another demo is at work in {output}: wait for its end, or name another folder with --output"
        ) from exc
    except OSError as exc:
        raise MonitorError(f"{output} cannot be written: {exc.strerror}; name another with --output") from exc
    try:
        yield
    finally:
        lock.release()


def _tell(console: Console, running: DemoStack) -> None:
    """Where everything is."""
    lines = [f"broker {running.broker}, worker {running.worker.address}, log {running.worker.log}"]
    if running.page is not None:
        lines.append(f"bedside page {running.page.address}/, log {running.page.log}")
    lines.append(f"metrics as Prometheus text {running.worker.address}/metrics")
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
