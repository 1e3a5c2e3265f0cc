"""The page's addresses, and what answers them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from monitor.config import Settings
from monitor.web.feed import Feed
from monitor.web.live import Hub
from monitor.web.metrics import WebMetrics, new_web_metrics
from monitor.web.requests import Refused, json_response, refusal, span, whole
from monitor.web.security import Guard, same_origin, served_names
from monitor.web.store import Limits, Store
from monitor.web.strips import MAX_OVERVIEW_POINTS, MAX_STRIP_S, overview, strip

STATIC = files("monitor.web") / "static"
_POLICY = 1008  # WebSocket close code


class Page:
    """The server's parts, and the handlers that use them."""

    def __init__(self, settings: Settings, metrics: WebMetrics | None = None) -> None:
        web = settings.web
        self.settings, self.metrics = settings, metrics or new_web_metrics()
        limits = Limits(web.history_s, web.memory_mb << 20, web.max_streams, web.forget_after_s)
        self.store = Store(limits)
        self.hub = Hub(self.store, self.metrics, web.max_clients, web.history_s)
        self.feed = Feed(settings.kafka, web, self.store, self.metrics, self.hub.tell)
        self.hub.feed = self.feed

    def app(self) -> Starlette:
        """The ASGI application; it reads Kafka while it runs."""
        routes = [
            *(Route(path, self._index) for path in ("/", "/strip/{stream:path}", "/review", "/agreement")),
            WebSocketRoute("/api/live", self._live),
            Route("/api/strip/{stream:path}", self._strip),
            Route("/api/overview/{stream:path}", self._overview),
            Route("/api/events", self._events),
            Route("/healthz", self._health),
            Route("/metrics", self._metrics),
            Mount("/static", _Static(directory=str(STATIC), check_dir=False)),
        ]
        names = served_names(self.settings.web.host, self.settings.web.allowed_hosts)
        return Starlette(
            routes=routes,
            middleware=[Middleware(Guard, names=names)],
            exception_handlers={Refused: refusal, 500: refusal},
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        del app
        self.feed.start()
        rows = asyncio.create_task(self.hub.run())
        try:
            yield
        finally:
            rows.cancel()
            with suppress(asyncio.CancelledError):
                await rows
            await asyncio.to_thread(self.feed.stop)

    def _index(self, request: Request) -> Response:
        del request
        return FileResponse(str(STATIC / "index.html"), headers={"cache-control": "no-cache"})

    async def _live(self, socket: WebSocket) -> None:
        if not same_origin(socket.headers):
            await socket.close(_POLICY)
            return
        await self.hub.serve(socket)

    def _strip(self, request: Request) -> Response:
        return _found(strip(self.store, request.path_params["stream"], *span(request, MAX_STRIP_S)))

    def _overview(self, request: Request) -> Response:
        points = whole(request, "points", 600, low=1, high=MAX_OVERVIEW_POINTS)
        return _found(overview(self.store, request.path_params["stream"], *span(request), points))

    def _events(self, request: Request) -> Response:
        stream, kind = request.query_params.get("stream"), request.query_params.get("kind")
        before_us, after_us = whole(request, "before_us", 1 << 53), whole(request, "after_us", 0)
        limit = whole(request, "limit", 100, low=1, high=1000)
        wanted = [
            held
            for held in self.store.events(stream or None)
            if after_us < held.event.time_us < before_us and kind in (None, "", held.event.kind)
        ]
        newest = sorted(wanted, key=lambda held: -held.event.time_us)[:limit]
        return json_response({"events": [self.store.page_event(held) for held in newest]})

    def _health(self, request: Request) -> Response:
        del request
        alive = self.feed.alive
        return json_response({"ok": alive, "broker": self.feed.state}, 200 if alive else 503)

    def _metrics(self, request: Request) -> Response:
        del request
        return Response(generate_latest(self.metrics.registry), media_type=CONTENT_TYPE_LATEST)


class _Static(StaticFiles):
    """Files of the page, asked for anew each time: a server's update must reach open browsers."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        """The file, or that it has not changed."""
        response = super().file_response(*args, **options)
        response.headers["cache-control"] = "no-cache"
        return response


def _found(content: dict[str, Any] | None) -> Response:
    if content is None:
        raise Refused(404, "there is no signal of this stream")
    return json_response(content)
