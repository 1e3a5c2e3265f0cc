"""`ecg-train` as a command line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import typer

from training import cli


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["ecg-train", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    code = caught.value.code
    return code if isinstance(code, int) else -1


def test_has_its_commands() -> None:
    """Each command's module is on the command line under its own name."""
    group = typer.main.get_command(cli.app)
    assert {"data", "fit", "calibrate", "evaluate"} <= set(getattr(group, "commands", {}))


def test_help_is_no_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Help lists the commands."""
    assert _run(monkeypatch, "--help") == 0
    assert "evaluate" in capsys.readouterr().out


def test_errors_are_one_line_and_a_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What the caller can act on is no traceback, and has its own exit code."""
    assert _run(monkeypatch, "evaluate", "--protocol", "qrs", "--data", str(tmp_path)) == 8
    error = capsys.readouterr().err
    assert error.startswith("ecg-train: ")
    assert error.count("\n") == 1
