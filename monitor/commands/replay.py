"""`ecg-monitor replay`: a recording sent to Kafka as live streams."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.commands.scan import Lead, Rate, Record

if TYPE_CHECKING:
    from monitor.broker.sender import ChunkSender
    from monitor.recordings.recording import Recording
    from monitor.recordings.replay import ReplayPlan

_Config = Annotated[Path | None, typer.Option(help="TOML file of settings, as for `run`.")]
_Servers = Annotated[str | None, typer.Option(help="host:port, several with commas.")]
_Streams = Annotated[int, typer.Option(min=1, help="Send the recording as this many streams.")]
_Prefix = Annotated[
    str | None, typer.Option(help="Stream id, or its front part; the record's name otherwise.")
]
_Speed = Annotated[float, typer.Option(min=0, help="Seconds of signal a second; 0: as fast as possible.")]
_Chunk = Annotated[float, typer.Option(min=0.01, max=60, help="Seconds of signal in a chunk.")]
_Session = Annotated[str | None, typer.Option(help="Session id; the time of the call otherwise.")]
_Loop = Annotated[bool, typer.Option("--loop", help="Begin again at the end, until stopped.")]


def replay(
    record: Record,
    *,
    config: _Config = None,
    bootstrap_servers: _Servers = None,
    streams: _Streams = 1,
    prefix: _Prefix = None,
    speed: _Speed = 1.0,
    chunk: _Chunk = 1.0,
    session: _Session = None,
    loop: _Loop = False,
    rate: Rate = None,
    lead: Lead = None,
) -> None:
    """Send a recording to Kafka as streams, at real time or a multiple of it."""
    from monitor.broker.sender import ChunkSender
    from monitor.config import load_settings
    from monitor.recordings.files import read_recording
    from monitor.recordings.replay import ReplayPlan

    settings = load_settings(config, {"kafka.bootstrap_servers": bootstrap_servers})
    recording = read_recording(record, rate_hz=rate, leads=lead or ())
    plan = ReplayPlan(
        prefix=prefix or recording.name,
        session=session or f"replay-{datetime.now(UTC):%Y%m%dT%H%M%SZ}",
        streams=streams,
        speed=speed,
        chunk_s=chunk,
        loop=loop,
    )
    with ChunkSender(settings.kafka) as sender:
        _send_with_progress(recording, plan, sender)


def _send_with_progress(recording: Recording, plan: ReplayPlan, sender: ChunkSender) -> None:
    """Send until the end or Ctrl-C, which is a way to stop and no error."""
    import time

    from rich.console import Console
    from rich.progress import Progress

    from monitor.recordings.replay import ReplayClock
    from monitor.recordings.replay import replay as send_recording

    clock = ReplayClock.begin(recording, plan, time.time())
    total = None if plan.loop else len(recording) * plan.streams
    sent, late_s = 0, 0.0
    with Progress(console=Console(stderr=True)) as bars:
        bar = bars.add_task(f"{plan.prefix} ×{plan.streams}", total=total)
        try:
            for chunk in send_recording(recording, plan, sender.send, clock=clock):
                sent, late_s = sent + 1, max(late_s, chunk.late_s)
                bars.advance(bar, chunk.samples)
        except KeyboardInterrupt:
            bars.console.print("stopped")
    print(f"{sent} chunks in {plan.streams} streams; the latest was {late_s:.2f} s behind its time")
