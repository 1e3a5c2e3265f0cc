"""The page's HTTP server: uvicorn, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import logging
import socket

import uvicorn

from monitor.config import Settings
from monitor.errors import ConfigError
from monitor.processes import handling, inherited_listener
from monitor.web.app import Page

logger = logging.getLogger(__name__)
MAX_MESSAGE = 65_536  # bytes of a browser's list of what it watches
# Left to itself the system takes in megabytes for a slow browser, which would then see old signal for
# minutes instead of losing some: this is about two seconds of a ward of 64 tiles.
SEND_BUFFER = 1 << 17
CLOSE_S = 5  # that answers in progress have when the server is stopped
_BACKLOG = 256


def serve(settings: Settings) -> None:
    """Serve the page until stopped; raises ConfigError if the address can't be had."""
    web = settings.web
    listener = listen(web.host, web.port) if web.listen_fd is None else inherited_listener(web.listen_fd)
    config = uvicorn.Config(
        Page(settings).app(),
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE,
        ws_per_message_deflate=False,  # a zlib window a browser would be most of its memory
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        timeout_graceful_shutdown=CLOSE_S,
        log_config=None,
        access_log=False,  # an address holds a stream id
        server_header=False,
        proxy_headers=False,
    )
    host = f"[{web.host}]" if ":" in web.host else web.host
    logger.info("bedside page on http://%s:%d/", host, listener.getsockname()[1])
    # uvicorn sends itself the signal again that it has stopped for: here that ends nothing.
    with handling(lambda *_: None):
        uvicorn.Server(config).run([listener])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; raises ConfigError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as exc:
        raise ConfigError(f"the page cannot be served on {host}:{port}: {exc.strerror}") from exc
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # of what it accepts, too
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as exc:
        listener.close()
        raise ConfigError(f"the page cannot be served on {host}:{port}: {exc.strerror}") from exc
    return listener
