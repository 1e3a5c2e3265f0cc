"""Who may ask: same-origin pages only, under the names that the server goes by; headers for the browser."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    # Nothing from elsewhere, and nobody may put the page into a frame of theirs.
    "content-security-policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",  # an address holds a stream id
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def served_names(host: str, allowed: Sequence[str]) -> frozenset[str] | None:
    """Host names that requests may be addressed to; None: any.

    Bound to loopback, only loopback's names: another name that leads here was made by a page that wants
    to read what only this machine may (DNS rebinding).
    """
    if allowed:
        return frozenset(name.lower() for name in allowed)
    return frozenset(_LOOPBACK) if _is_loopback(host) else None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def hostname(netloc: str) -> str:
    """The name in host:port, lower case; empty if it is none."""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


def same_origin(headers: Mapping[str, str]) -> bool:
    """True if the page that asks came from the address that it asks."""
    origin, host = headers.get("origin", ""), headers.get("host", "")
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    # The scheme is the proxy's affair, which may end TLS.
    return parts.scheme in ("http", "https") and bool(host) and parts.netloc.lower() == host.lower()


class Guard:
    """ASGI middleware: refuses other host names, and adds the security headers to every answer."""

    def __init__(self, app: ASGIApp, names: frozenset[str] | None) -> None:
        self._app, self._names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if self._names is not None and hostname(Headers(scope=scope).get("host", "")) not in self._names:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            else:
                await PlainTextResponse("unknown host\n", 400)(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers)
