"""What runs while a demo does: broker, topics, worker and bedside page, all gone at its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from monitor.config import KafkaSettings
from monitor.demo_follow import GroupProgress
from monitor.demo_worker import PAGE, WORKER, DemoService, demo_page, demo_worker, write_setup
from monitor.embedded import embedded_broker
from monitor.interrupts import Interrupts
from monitor.topics import create_topics

PARTITIONS = 3  # more than one, as in earnest


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

    def check(self) -> None:
        """Raise MonitorError if a child has ended."""
        for child in (self.worker, self.page):
            if child is not None:
                child.check()


@contextmanager
def demo_stack(options: DemoOptions, console: Console) -> Iterator[DemoStack]:
    """Everything up and ready while in the block, its addresses told; an interrupt is a SystemExit in it."""
    options.output.mkdir(parents=True, exist_ok=True)
    with Interrupts() as interrupts, ExitStack() as stack:
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
            worker.wait_until_ready()
            if page is not None:
                page.wait_until_ready()
            yield running
        finally:
            interrupts.ignore()


def _tell(console: Console, running: DemoStack) -> None:
    """Where everything is."""
    lines = [f"broker {running.broker}, worker {running.worker.address}, log {running.worker.log}"]
    if running.page is not None:
        lines.append(f"bedside page {running.page.address}/, log {running.page.log}")
    lines.append(f"metrics as Prometheus text {running.worker.address}/metrics")
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
