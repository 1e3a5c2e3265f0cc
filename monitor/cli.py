"""`ecg-monitor`: the command line of everything that runs without training."""

from __future__ import annotations

import sys

import typer

from monitor.commands import bench, check, demo, replay, run, scan, topics, warm_up, web
from monitor.errors import MonitorError

app = typer.Typer(
    name="ecg-monitor",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Find anomalies in ECG: as a Kafka daemon, in a recording, or in a demo. Research use only.",
)
for module in (demo, run, web, scan, replay, topics, check, bench, warm_up):
    name = module.__name__.rpartition(".")[2]
    app.command(name.replace("_", "-"))(getattr(module, name))


def main() -> None:
    """Run the command line; an error that the caller can act on is one line and its exit code."""
    try:
        app()
    except MonitorError as error:
        print(f"ecg-monitor: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
