"""`ecg-train`: the command line of everything that makes and measures models."""

from __future__ import annotations

import sys

import typer

from monitor.errors import MonitorError
from training.commands import calibrate, compare, data, embed, evaluate, fit, similar

app = typer.Typer(
    name="ecg-train",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Fetch ECG databases; train, calibrate and evaluate models. Research use only.",
)
for module in (data, fit, calibrate, evaluate, compare, embed, similar):
    name = module.__name__.rpartition(".")[2]
    app.command(name)(getattr(module, name))


def main() -> None:
    """Run the command line; an error that the caller can act on is one line and its exit code."""
    try:
        app()
    except MonitorError as error:
        print(f"ecg-train: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
