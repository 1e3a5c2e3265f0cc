"""`ecg-monitor bench`: how fast the model and the detector run on this machine's one core."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from monitor.detect.bench import Speed

_Model = Annotated[Path | None, typer.Option(help="A model folder; the bundled one otherwise.")]
_Json = Annotated[Path | None, typer.Option("--json", help="Write the figures here.")]
_Seconds = Annotated[int, typer.Option(min=1, help="Of every stream, in each run of the whole detector.")]
_Runs = Annotated[int, typer.Option(min=1, help="Of each measurement; the median counts.")]


def bench(*, model: _Model = None, json_path: _Json = None, seconds: _Seconds = 20, runs: _Runs = 5) -> None:
    """Measure windows a second of the networks and of scoring, and the whole detector's speed."""
    import msgspec
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from monitor.detect.bench import bench as run_bench
    from monitor.detect.bench import bench_figures, machine
    from monitor.model.model import load_model

    loaded = load_model(model)
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), console=Console(stderr=True), transient=True
    ) as bars:
        task = bars.add_task("")
        speeds = run_bench(
            loaded, seconds=seconds, runs=runs, progress=lambda what: bars.update(task, description=what)
        )
    _print(speeds, f"{loaded.name} {loaded.version}: windows a second on one core")
    if json_path is not None:
        report = {
            "figures": [msgspec.to_builtins(figure) for figure in bench_figures(speeds)],
            "model": {"name": loaded.name, "version": loaded.version},
            "machine": machine(),
        }
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _print(speeds: list[Speed], title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("measured", "per second", "slowest", "fastest", "target", title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    for speed in speeds:
        rates = (f"{rate:,.0f}" for rate in (speed.per_second, speed.slowest, speed.fastest))
        target = ""
        if speed.target is not None:
            target = f"{speed.target:,.0f} {'✓' if speed.per_second >= speed.target else '✗'}"
        table.add_row(speed.what, *rates, target)
    Console().print(table)
