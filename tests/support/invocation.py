"""A command run in this process, as a shell would."""

from __future__ import annotations

import typer
from typer.testing import CliRunner

from monitor.errors import MonitorError


def invoke(app: typer.Typer, *words: object) -> str:
    """What it printed; raises what an operator would be told, and fails for any other exit but 0."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    if isinstance(result.exception, MonitorError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout
