"""`ecg-monitor web`: the bedside page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def web(
    *,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings, as for `run`.")] = None,
    bootstrap_servers: Annotated[str | None, typer.Option(help="host:port, several with commas.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0: any free one.")] = None,
    model: Annotated[Path | None, typer.Option(help="Model folder; the bundled one by default.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Serve the bedside page: live ECG of all streams, events, verdicts and settings."""
    from monitor.config import load_settings
    from monitor.logs import configure_logging
    from monitor.web.server import serve

    settings = load_settings(
        config,
        {
            "kafka.bootstrap_servers": bootstrap_servers,
            "web.host": host,
            "web.port": port,
            "detection.model": model,
            "logging.level": log_level,
        },
    )
    configure_logging(settings.logging)
    serve(settings)
