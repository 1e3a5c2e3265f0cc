"""The Grafana dashboards as code: `python deploy/grafana/build.py [FOLDER]` writes their JSON."""

from __future__ import annotations

import sys
from pathlib import Path

from detection_board import detection
from fleet_board import fleet
from training_board import training

DASHBOARDS = {"fleet": fleet, "detection": detection, "training": training}


def main(folder: Path) -> None:
    """Write every dashboard into a folder that exists."""
    for name, board in DASHBOARDS.items():
        (folder / f"{name}.json").write_text(board(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "dashboards")
