"""The demo of a ward: many streams in real time on the bedside page, until interrupted."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from rich.console import Console

from monitor.broker.sender import ChunkSender
from monitor.demo.made_up_ward import send_ward, ward
from monitor.demo.stack import DemoOptions, DemoStack, demo_stack
from monitor.errors import ConfigError
from monitor.recordings.excerpt import read_excerpt
from monitor.recordings.files import read_recording

_LATE_EVERY_S = 60.0  # between lines that say how the sender keeps up


def run_ward(options: DemoOptions, beds: int, console: Console) -> None:
    """Stay up until Ctrl-C, which is the way to end it and no failure; nothing that was started is left."""
    if options.speed <= 0:
        raise ConfigError(f"speed is {options.speed:g}; a ward has no end, so it needs one above 0")
    with demo_stack(options, console) as stack:
        real = read_excerpt() if options.record is None else read_recording(options.record)
        stack.wait_until_ready(console)
        page = "no page" if stack.page is None else f"open {stack.page.address}/"
        session = f"ward-{datetime.now(UTC):%Y%m%dT%H%M%S}"
        try:
            console.print(
                f"a ward of {beds} streams: {page}; Ctrl-C ends it", highlight=False, soft_wrap=True
            )
            with ChunkSender(stack.kafka) as sender:
                chunks = send_ward(
                    ward(real, beds),
                    session,
                    sender.send,
                    speed=options.speed,
                    wait=lambda seconds: _rest(seconds, stack),
                )
                tell_s, late_s = time.monotonic() + _LATE_EVERY_S, 0.0
                for sent in chunks:
                    late_s = max(late_s, sent.late_s)
                    if time.monotonic() >= tell_s:
                        console.print(f"the latest chunk was {late_s:.2f} s behind its time", highlight=False)
                        tell_s, late_s = time.monotonic() + _LATE_EVERY_S, 0.0
        except SystemExit:
            console.print("stopping")


def _rest(seconds: float, stack: DemoStack) -> None:
    """Wait, and notice a child that ended."""
    stack.check()
    time.sleep(seconds)
