"""Options that several commands of `ecg-train` take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Metrics = Annotated[
    Path | None, typer.Option(help="Prometheus textfile to write at success, for node_exporter (*.prom).")
]
Pushgateway = Annotated[
    str | None, typer.Option(help="URL of a Prometheus Pushgateway that gets the textfile's series.")
]
