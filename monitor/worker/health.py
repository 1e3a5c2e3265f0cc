"""/metrics, /healthz (the main loop advances) and /readyz (the worker has work and can do it), over HTTP."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from socketserver import ThreadingMixIn
from types import TracebackType
from typing import Any, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import CollectorRegistry, make_wsgi_app

from monitor.errors import ConfigError

logger = logging.getLogger(__name__)
REQUEST_S = 10.0  # from connecting to the answer's end; slower ones are cut off
MAX_REQUESTS = 64  # at once; then the oldest is cut off for the newest
READY_STALL_S = 10.0  # a loop that has stood still for this long is waiting for the broker


class Health:
    """What the worker says of itself; written by its thread, read by the server's."""

    def __init__(self, stalled_after_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._stalled_after_s = stalled_after_s
        self._clock = clock
        self._advanced_s = clock()
        self.turns = 0  # times that the main loop has got on; none before it begins
        self.model_loaded = False
        self.assigned = False
        self.broker_reachable = False
        self.topic_problems: tuple[str, ...] = ()

    def advance(self) -> None:
        """The main loop has come round, or got on in something long."""
        self._advanced_s = self._clock()
        self.turns += 1

    def dead_reasons(self) -> list[str]:
        """Why the process should be restarted; empty while it is alive."""
        return self._standstill(self._stalled_after_s)

    def unready_reasons(self) -> list[str]:
        """Why no work gets done just now; empty when ready."""
        reasons = self._standstill(READY_STALL_S)
        reasons += [] if self.model_loaded else ["model not loaded"]
        reasons += [] if self.broker_reachable else ["broker not reachable"]
        reasons += [] if self.assigned else ["no partitions assigned yet"]
        return [*reasons, *self.topic_problems]

    def _standstill(self, limit_s: float) -> list[str]:
        idle_s = self._clock() - self._advanced_s
        return [f"main loop has not advanced for {idle_s:.0f} s"] if idle_s > limit_s else []


class _Server(ThreadingMixIn, WSGIServer):
    """A thread a request, so that a client that sends or reads byte by byte holds up nobody else."""

    daemon_threads = True
    block_on_close = False  # the process does not wait for such a client either

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._open: dict[socket.socket, float] = {}  # until when; the oldest first
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer on a thread of its own, in place of the oldest request if there are too many."""
        with self._lock:
            if len(self._open) >= MAX_REQUESTS:
                oldest = next(iter(self._open))
                del self._open[oldest]
                _cut_off(oldest)
            self._open[request] = time.monotonic() + REQUEST_S
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """Cut off whoever is too slow; called after each poll."""
        now_s = time.monotonic()
        with self._lock:
            for request in [each for each, until_s in self._open.items() if until_s < now_s]:
                _cut_off(request)

    def shutdown_request(self, request: Any) -> None:
        """The request is over."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  the base class's
        """A client that has gone is no error of ours."""
        logger.debug("a request from %s was broken off", client_address, exc_info=True)


def _cut_off(request: socket.socket) -> None:
    with suppress(OSError):  # it has gone by itself
        request.shutdown(socket.SHUT_RDWR)  # its thread, which reads or writes, ends by that


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        logger.debug(format, *args)


class HealthServer:
    """Serves while in a `with` block, on a thread of its own; `port` is the real one where 0 was asked."""

    def __init__(
        self,
        host: str,
        port: int,
        health: Health,
        registry: CollectorRegistry,
        listener: socket.socket | None = None,  # one that listens already, instead of host and port
    ) -> None:
        self._health = health
        self._metrics_app = make_wsgi_app(registry)
        self._server = _server_on(listener) if listener is not None else _server_at(host, port)
        self._server.set_app(self._answer)
        self.port: int = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="health", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        match environ["PATH_INFO"]:
            case "/metrics":
                body: Iterable[bytes] = self._metrics_app(environ, start_response)
                return body
            case "/healthz":
                return _report(self._health.dead_reasons(), start_response)
            case "/readyz":
                return _report(self._health.unready_reasons(), start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"try /metrics, /healthz or /readyz\n"]


def _server_at(host: str, port: int) -> _Server:
    try:
        return _Server((host, port), _QuietHandler)
    except OSError as exc:
        raise ConfigError(f"metrics server cannot listen on {host}:{port}: {exc.strerror}") from exc


def _server_on(listener: socket.socket) -> _Server:
    server = _Server(listener.getsockname()[:2], _QuietHandler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.server_name, server.server_port = listener.getsockname()[:2]
    server.setup_environ()
    return server


def _report(reasons: list[str], start_response: Any) -> list[bytes]:
    status = "503 Service Unavailable" if reasons else "200 OK"
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps({"ok": not reasons, "reasons": reasons}).encode() + b"\n"]
