"""What someone who trains or evaluates can act on, besides monitor.errors."""

from __future__ import annotations

from monitor.errors import MonitorError


class DataError(MonitorError):
    """A database can't be fetched, is incomplete, or does not match its own checksums."""

    exit_code = 8
