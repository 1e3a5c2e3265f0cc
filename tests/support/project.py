"""Where the project lies, and how its command is run from there."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
CLI = ("-c", "from monitor.cli import main; main()")  # what Python is given to be `ecg-monitor`
