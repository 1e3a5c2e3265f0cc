"""`ecg-monitor demo`: the whole path on one machine, on real ECG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.commands.scan import Model

if TYPE_CHECKING:
    from monitor.demo.report import DemoRun

_Speed = Annotated[
    float | None,
    typer.Option(min=0, help="Seconds of signal a second, 4 if not given, a ward 1; 0: as fast as possible."),
]
_Servers = Annotated[str | None, typer.Option(help="Your own Kafka instead of an embedded broker.")]
_Keep = Annotated[bool, typer.Option("--keep", help="Stay up afterwards, with /metrics, until Ctrl-C.")]
_Record = Annotated[Path | None, typer.Option(help="A WFDB record instead of the five minutes of 208.")]
_Ward = Annotated[
    int | None,
    typer.Option(min=1, max=500, help="A ward of so many streams on the bedside page, until Ctrl-C."),
]
_Web = Annotated[bool, typer.Option("--web/--no-web", help="Serve the bedside page meanwhile.")]
_Output = Annotated[Path, typer.Option(help="Folder of summary.json, events.jsonl and strip.png.")]


def demo(
    *,
    speed: _Speed = None,
    bootstrap_servers: _Servers = None,
    keep: _Keep = False,
    ward: _Ward = None,
    web: _Web = True,
    record: _Record = None,
    output: _Output = Path("build/demo"),
    model: Model = None,
) -> None:
    """Replay five real minutes of ECG through Kafka and the worker, and compare with the annotations."""
    from rich.console import Console

    from monitor.config import LoggingSettings
    from monitor.demo.demo import run_demo
    from monitor.demo.services import PAGE
    from monitor.demo.stack import DemoOptions
    from monitor.demo.ward import run_ward
    from monitor.logs import configure_logging

    configure_logging(LoggingSettings(level="warning"))
    options = DemoOptions(
        output=output,
        speed=speed if speed is not None else 1.0 if ward else 4.0,
        bootstrap_servers=bootstrap_servers,
        keep=keep,
        record=record,
        model=model,
        page=PAGE if web else None,
    )
    if ward is not None:
        run_ward(options, ward, Console())
        return

    def draw(run: DemoRun, path: Path) -> None:
        _draw(run, path, model)

    run_demo(options, Console(), draw)


def _draw(run: DemoRun, path: Path, model: Path | None) -> None:
    from functools import partial

    from monitor.model.model import load_model
    from monitor.scan.explain import explain
    from monitor.scan.finding_strips import draw_findings

    explain_windows = partial(explain, load_model(model))
    draw_findings(run.recording, run.found.events, run.windows, explain_windows, path=path)
