"""The daemon, dying as it gives up partitions: python -m tests.support.daemon.yielding_worker CONFIG 0."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable

from kafka import TopicPartition

from monitor.worker.assignment import Assignment
from tests.support.daemon.stub_worker import main

YIELDING_WORKER = ("-m", "tests.support.daemon.yielding_worker")


def _die(self: Assignment, revoked: Iterable[TopicPartition]) -> None:
    """Between the two joins of a cooperative rebalance: they are nobody's, and nobody asks for them."""
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    Assignment.on_partitions_revoked = _die  # type: ignore[method-assign]
    main()
