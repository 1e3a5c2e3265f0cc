"""Chunks out to `ecg.signal`: what a device gateway does, for replay and demo."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from monitor.broker.clients import explained, open_producer
from monitor.config import KafkaSettings
from monitor.errors import BrokerError
from monitor.formats.chunks import MSGPACK

_FLUSH_S = 30.0  # longer than any leader election
_HEADERS = [("content-type", MSGPACK.encode())]


class ChunkSender:
    """An idempotent producer of chunks, keyed by stream; the first failed record stops it."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._topic = settings.topics.signal
        self._producer = open_producer(settings)
        self._error: BaseException | None = None

    def send(self, stream: str, value: bytes) -> None:
        """Hand over one chunk; raises BrokerError if one before it could not be delivered."""
        self._check()
        with explained(self._settings):
            future: Any = self._producer.send(self._topic, key=stream.encode(), value=value, headers=_HEADERS)
        future.add_errback(self._failed)

    def close(self) -> None:
        """Wait until everything is delivered."""
        try:
            with explained(self._settings):
                self._producer.flush(timeout=_FLUSH_S)
            self._check()
        finally:
            self._producer.close(timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._producer.close(timeout=1)

    def _failed(self, error: BaseException) -> None:
        self._error = self._error or error

    def _check(self) -> None:
        if self._error is not None:
            servers = self._settings.bootstrap_servers
            raise BrokerError(f"{servers}: topic {self._topic}: {self._error}") from self._error
