"""What is read of deploy/ by more than one test."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click
import typer
import yaml

from tests.support.project import ROOT

DEPLOY = ROOT / "deploy"
_PACKAGES = {"ecg-monitor": "monitor", "ecg-train": "training"}


def read_yaml(path: Path) -> Any:
    """The one document in a YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def services() -> dict[str, Any]:
    """The compose file's services."""
    found: dict[str, Any] = read_yaml(DEPLOY / "compose.yaml")["services"]
    return found


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """A Dockerfile's instructions with their arguments, continued lines joined, comments left out."""
    lines = (DEPLOY / dockerfile).read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", "")
    parts = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(name, rest) for name, rest in parts]


def stages(dockerfile: str) -> dict[str, dict[str, str]]:
    """What each stage ends up with, its base stages' settings included, in the file's order."""
    found: dict[str, dict[str, str]] = {}
    now: dict[str, str] = {}
    for name, rest in instructions(dockerfile):
        if name == "FROM":
            base, _, label = rest.split()
            now = found[label] = dict(found.get(base, {}))
        now[name] = rest
    return found


def last_stage(dockerfile: str) -> dict[str, str]:
    """The image that is built by default."""
    return list(stages(dockerfile).values())[-1]


def subcommands(program: str) -> dict[str, Any]:
    """The commands of `ecg-monitor` or `ecg-train` by name."""
    group: Any = typer.main.get_command(importlib.import_module(f"{_PACKAGES[program]}.cli").app)
    commands: dict[str, Any] = group.commands
    return commands


def options(command: Any) -> set[str]:
    """All option names of a command, --help included."""
    return {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help"}


def parse(program: str, words: list[str]) -> None:
    """Fail as the program would on a wrong command line; nothing is run."""
    name, *rest = words
    command = subcommands(program)[name]
    try:
        command.make_context(name, rest)
    except click.UsageError as exc:
        raise AssertionError(f"{program} {' '.join(words)}: {exc.format_message()}") from exc
