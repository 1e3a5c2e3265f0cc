"""Addresses that show: strips, overviews, what the model expected, events, groups, WFDB."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.web.held.store import Store
from monitor.web.model_runs import ModelRuns
from monitor.web.requests import LATEST_US, Refused, json_response, span, whole
from monitor.web.views import reconstruction
from monitor.web.views.groups import groups
from monitor.web.views.strips import MAX_OVERVIEW_POINTS, MAX_STRIP_S, overview, strip
from monitor.web.views.wfdb import wfdb_zip


class ViewRoutes:
    """Handlers that only read; those that are no coroutines run on threads, off the event loop."""

    def __init__(self, store: Store, runs: ModelRuns) -> None:
        self._store, self._runs = store, runs

    def routes(self) -> list[Route]:
        """Paths and their handlers; a stream id may hold a slash."""
        return [
            Route("/api/strip/{stream:path}", self.strip),
            Route("/api/overview/{stream:path}", self.overview),
            Route("/api/reconstruction/{stream:path}", self.reconstruction),
            Route("/api/groups/{stream:path}", self.groups),
            Route("/api/wfdb/{stream:path}", self.wfdb),
            Route("/api/events", self.events),
        ]

    def strip(self, request: Request) -> Response:
        """Signal, beats and events between two times."""
        return _found(strip(self._store, request.path_params["stream"], *span(request, MAX_STRIP_S)))

    def overview(self, request: Request) -> Response:
        """Lowest and highest values in columns."""
        points = whole(request, "points", 600, low=1, high=MAX_OVERVIEW_POINTS)
        return _found(overview(self._store, request.path_params["stream"], *span(request), points))

    async def reconstruction(self, request: Request) -> Response:
        """What the model expected of each beat between two times."""
        stream, (from_us, to_us) = request.path_params["stream"], span(request, reconstruction.MAX_STRIP_S)
        return _found(
            await self._runs.run(
                lambda model: reconstruction.reconstruction(model, self._store, stream, from_us, to_us)
            )
        )

    async def groups(self, request: Request) -> Response:
        """Alike anomalous beats of the last minutes."""
        stream = request.path_params["stream"]
        found = await self._runs.run(lambda model: groups(model, self._store, stream))
        return _found(None if found is None else {"groups": found})

    def wfdb(self, request: Request) -> Response:
        """The strip as a zipped WFDB record."""
        name, content = wfdb_zip(self._store, request.path_params["stream"], *span(request))
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(content, media_type="application/zip", headers=headers)

    def events(self, request: Request) -> Response:
        """Events, the newest first."""
        stream, kind = request.query_params.get("stream"), request.query_params.get("kind")
        before_us, after_us = whole(request, "before_us", LATEST_US), whole(request, "after_us", 0)
        limit = whole(request, "limit", 100, low=1, high=1000)
        wanted = [
            held
            for held in self._store.events(stream or None)
            if after_us < held.event.time_us < before_us and (not kind or kind == held.event.kind)
        ]
        newest = sorted(wanted, key=lambda held: -held.event.time_us)[:limit]
        return json_response({"events": [self._store.page_event(held) for held in newest]})


def _found(content: dict[str, Any] | None) -> Response:
    if content is None:
        raise Refused(404, "there is no signal of this stream")
    return json_response(content)
