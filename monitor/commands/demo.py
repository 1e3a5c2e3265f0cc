"""`ecg-monitor demo`: the whole path on one machine, on real ECG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.commands.scan import Model

if TYPE_CHECKING:
    from monitor.demo_report import DemoRun

_Speed = Annotated[float, typer.Option(min=0, help="Seconds of signal a second; 0: as fast as possible.")]
_Servers = Annotated[str | None, typer.Option(help="Your own Kafka instead of an embedded broker.")]
_Keep = Annotated[bool, typer.Option("--keep", help="Stay up afterwards, with /metrics, until Ctrl-C.")]
_Record = Annotated[Path | None, typer.Option(help="A WFDB record instead of the five minutes of 208.")]
_Output = Annotated[Path, typer.Option(help="Folder of summary.json, events.jsonl and strip.png.")]


def demo(
    *,
    speed: _Speed = 4.0,
    bootstrap_servers: _Servers = None,
    keep: _Keep = False,
    record: _Record = None,
    output: _Output = Path("build/demo"),
    model: Model = None,
) -> None:
    """Replay five real minutes of ECG through Kafka and the worker, and compare with the annotations."""
    from rich.console import Console

    from monitor.config import LoggingSettings
    from monitor.demo import DemoOptions, run_demo
    from monitor.logs import configure_logging

    configure_logging(LoggingSettings(level="warning"))
    options = DemoOptions(
        output=output,
        speed=speed,
        bootstrap_servers=bootstrap_servers,
        keep=keep,
        record=record,
        model=model,
    )

    def draw(run: DemoRun, path: Path) -> None:
        _draw(run, path, model)

    run_demo(options, Console(), draw)


def _draw(run: DemoRun, path: Path, model: Path | None) -> None:
    from functools import partial

    from monitor.explain import explain
    from monitor.model import load_model
    from monitor.strips import draw_findings

    explain_windows = partial(explain, load_model(model))
    draw_findings(run.recording, run.found.events, run.windows, explain_windows, path=path)
