"""The daemon with a detector that some chunks end: python -m tests.support.daemon.deadly_worker CONFIG."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from monitor.commands.run import serve
from monitor.config import load_settings
from monitor.detect.interface import Detection
from monitor.formats.chunks import Chunk
from monitor.logs import configure_logging
from tests.support.stub_detector import StubDetector

DEADLY_WORKER = ("-m", "tests.support.daemon.deadly_worker")
FAULT, HANG = "fault", "hang"  # sessions of the chunks that end it


class DeadlyDetector(StubDetector):
    """Ends as compiled code does: by a segmentation fault, or by never coming back."""

    def process(self, chunks: Sequence[Chunk], partitions: Sequence[int] = ()) -> Detection:
        """As the stub, if it comes to that."""
        sessions = {chunk.session for chunk in chunks}
        if FAULT in sessions:
            os.kill(os.getpid(), signal.SIGSEGV)
        if HANG in sessions:
            time.sleep(600)
        return super().process(chunks, partitions)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    settings = load_settings(Path(sys.argv[1]))
    configure_logging(settings.logging)
    serve(settings, DeadlyDetector())
