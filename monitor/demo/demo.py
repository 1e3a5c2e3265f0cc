"""The whole path on one machine: broker, topics, worker, replay, and what came out against what is known."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.live import Live

from monitor.broker.sender import ChunkSender
from monitor.demo.follower import Follower, GroupProgress, latencies_s
from monitor.demo.report import EXCERPT_TARGETS, DemoRun, write_report
from monitor.demo.stack import DemoOptions, DemoStack, demo_stack
from monitor.demo.view import DemoView, PlainLines
from monitor.errors import MonitorError
from monitor.recordings.excerpt import read_excerpt, read_excerpt_beats
from monitor.recordings.files import read_recording
from monitor.recordings.recording import Recording
from monitor.recordings.replay import ReplayClock, ReplayPlan, replay
from monitor.recordings.wfdb_records import Annotations, read_beats

CATCH_UP_S = 60.0  # for the worker, after the last chunk
QUIET_S = 1.5  # nothing new for so long after the last commit: everything has been read
REFRESH_S = 0.125
_POLL_S = 0.1
RESULTS = ("summary.json", "events.jsonl", "strip.png")
Draw = Callable[[DemoRun, Path], None]


@dataclass(frozen=True, slots=True, eq=False)
class DemoSource:
    """What is replayed, and what is known of it."""

    recording: Recording
    labels: Annotations | None
    targets: dict[tuple[str, str], float] = field(default_factory=dict)


def read_source(record: Path | None) -> DemoSource:
    """The excerpt with its 509 labels and what must be found in it, or another record with what it has."""
    if record is None:
        return DemoSource(read_excerpt(), read_excerpt_beats(), EXCERPT_TARGETS)
    return DemoSource(read_recording(record), read_beats(record))


def run_demo(options: DemoOptions, console: Console, draw: Draw) -> DemoRun:
    """Run it all, write the report and let `draw` make strip.png; nothing that was started is left."""
    with demo_stack(options, console, RESULTS) as stack:
        source = read_source(options.record)  # while the worker loads
        stack.wait_until_ready(console)
        run = _follow_replay(source, options, console, stack)
        write_report(run, options.output, console)
        draw(run, options.output / "strip.png")
        console.print(
            f"written: {options.output}/{', '.join(RESULTS)}",
            highlight=False,
            soft_wrap=True,
        )
        if options.keep:
            _keep_up(console, stack)
    return run


def _follow_replay(source: DemoSource, options: DemoOptions, console: Console, stack: DemoStack) -> DemoRun:
    """Send the recording, and collect what the worker says of it."""
    recording = source.recording
    session = f"demo-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    plan = ReplayPlan(prefix=recording.name, session=session, speed=options.speed)
    follower = Follower(stack.kafka, plan.stream_id(0), session)
    try:
        with ChunkSender(stack.kafka) as sender:
            clock = ReplayClock.begin(recording, plan, time.time())
            view = DemoView(recording, follower.found, options.speed, clock.measured_s)
            with _shown(console, view) as refresh:

                def listen(seconds: float) -> int:
                    stack.check()
                    taken = follower.poll(seconds)
                    refresh()
                    return taken

                for sent in replay(
                    recording, plan, sender.send, clock=clock, wait=lambda s: _listen_for(s, listen)
                ):
                    view.sent = sent.first_sample + sent.samples
                    listen(0.0)
                _catch_up(listen, stack.group)
    finally:
        follower.close()
    return DemoRun(
        recording=recording,
        labels=source.labels,
        found=follower.found,
        # As fast as possible nothing is measured at any moment, so there is no latency either.
        latency_s=latencies_s(follower.found, clock.measured_s) if options.speed else np.empty(0),
        speed=options.speed,
        targets=source.targets,
    )


def _listen_for(seconds: float, listen: Callable[[float], int]) -> None:
    deadline = time.monotonic() + seconds
    while (left_s := deadline - time.monotonic()) > 0:
        listen(min(left_s, _POLL_S))


def _catch_up(listen: Callable[[float], int], group: GroupProgress) -> None:
    """Read on until the worker has committed all input and nothing new has come for a while."""
    now_s = time.monotonic()
    deadline, quiet_since = now_s + CATCH_UP_S, now_s
    while time.monotonic() - quiet_since < QUIET_S:
        if listen(_POLL_S) or group.lag():
            quiet_since = time.monotonic()
        if quiet_since > deadline:
            raise MonitorError(
                f"the worker still has {group.lag()} records to go {CATCH_UP_S:.0f} s after the replay"
            )


@contextmanager
def _shown(console: Console, view: DemoView) -> Iterator[Callable[[], None]]:
    """Show the view while in the block; what is given refreshes it. Plain lines without a terminal."""
    if not console.is_terminal:
        yield PlainLines(console, view).update
        return
    # Refreshed by hand: a thread of rich's own would see lists half filled.
    with Live(view, console=console, auto_refresh=False, transient=True) as live:
        shown_s = 0.0

        def refresh() -> None:
            nonlocal shown_s
            if time.monotonic() - shown_s >= REFRESH_S:
                shown_s = time.monotonic()
                live.refresh()

        yield refresh


def _keep_up(console: Console, stack: DemoStack) -> None:
    """Stay until interrupted: that is the way to end it, and no failure."""
    page = [] if stack.page is None else [f"page on {stack.page.address}/"]
    places = [*page, f"Kafka on {stack.broker}", f"metrics on {stack.worker.address}/metrics"]
    try:
        console.print(f"staying up: {', '.join(places)}; Ctrl-C ends it", soft_wrap=True)
        while True:
            stack.check()
            time.sleep(0.2)
    except SystemExit:
        console.print("stopping")
