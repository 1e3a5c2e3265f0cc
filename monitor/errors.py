"""What an operator can act on; everything else is a bug and ends the process."""

from __future__ import annotations


class MonitorError(Exception):
    """Base of errors that say what was got, what was wanted and where; exit code 1."""

    exit_code = 1


class ConfigError(MonitorError):
    """Settings contradict each other, the artifact, or the schema."""

    exit_code = 2


class ArtifactError(MonitorError):
    """A model folder is missing, tampered with, truncated or of an unknown schema."""

    exit_code = 3


class BrokerError(MonitorError):
    """Kafka can't be reached, refuses us, or lacks a topic."""

    exit_code = 4


class RecordingError(MonitorError):
    """A recording can't be read as WFDB, EDF or CSV."""

    exit_code = 5


class StateError(MonitorError):
    """A stream's snapshot does not fit this model or version; the stream starts afresh."""

    exit_code = 6


class ScoreError(MonitorError):
    """The model gave a score that is not a number; never taken for normal."""

    exit_code = 7


class DecodeError(MonitorError):
    """A record's bytes are not a valid chunk, profile or verdict; `reason` is a metric label and a header."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
