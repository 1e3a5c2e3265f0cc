"""The daemon with the stub detector: python -m tests.support.daemon.stub_worker CONFIG DELAY_S."""

from __future__ import annotations

import sys
from pathlib import Path

from monitor.commands.run import serve
from monitor.config import load_settings
from monitor.errors import MonitorError
from monitor.logs import configure_logging
from tests.support.stub_detector import StubDetector


def main() -> None:
    """Serve until stopped, as `ecg-monitor run` does; exit codes are the same."""
    settings = load_settings(Path(sys.argv[1]))
    configure_logging(settings.logging)
    try:
        serve(settings, StubDetector(float(sys.argv[2])))
    except MonitorError as error:
        sys.stderr.write(f"ecg-monitor: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
