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
from monitor.errors import BrokerError
from monitor.web.feed import Feed
from monitor.web.held.limits import Limits
from monitor.web.held.store import Store
from monitor.web.live import Hub
from monitor.web.metrics import WebMetrics, new_web_metrics
from monitor.web.model_runs import ModelRuns
from monitor.web.requests import Refused, json_response, refusal
from monitor.web.review_routes import ReviewRoutes
from monitor.web.security import Guard, same_origin, served_names
from monitor.web.view_routes import ViewRoutes
from monitor.web.writer import Writer

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
        self.runs = ModelRuns(settings.detection, self.metrics)
        self.writer = Writer(settings.kafka)
        self._rows: asyncio.Task[None] | None = None  # of every second

    def app(self) -> Starlette:
        """The ASGI application; it reads Kafka while it runs."""
        routes = [
            *(Route(path, self._index) for path in ("/", "/strip/{stream:path}", "/review", "/agreement")),
            WebSocketRoute("/api/live", self._live),
            *ViewRoutes(self.store, self.runs).routes(),
            *ReviewRoutes(self.store, self.writer, self.settings.web.user_header).routes(),
            Route("/healthz", self._health),
            Route("/metrics", self._metrics),
            Mount("/static", _Static(directory=str(STATIC), check_dir=False)),
        ]
        names = served_names(self.settings.web.host, self.settings.web.allowed_hosts)
        return Starlette(
            routes=routes,
            middleware=[Middleware(Guard, names=names)],
            exception_handlers={Refused: refusal, BrokerError: refusal, 500: refusal},
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        del app
        self.feed.start()
        self._rows = asyncio.create_task(self.hub.run())
        try:
            yield
        finally:
            self._rows.cancel()
            with suppress(asyncio.CancelledError):
                await self._rows
            self.runs.close()
            await asyncio.to_thread(self.feed.stop)
            await asyncio.to_thread(self.writer.close)

    def _index(self, request: Request) -> Response:
        del request
        return FileResponse(str(STATIC / "index.html"), headers={"cache-control": "no-cache"})

    async def _live(self, socket: WebSocket) -> None:
        if not same_origin(socket.headers):
            await socket.close(_POLICY)
            return
        await self.hub.serve(socket)

    def _health(self, request: Request) -> Response:
        del request
        alive = self.feed.alive and self._rows is not None and not self._rows.done()
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
