"""Addresses of what people decide: verdicts, agreement, settings of a stream."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.web.held.store import Store
from monitor.web.requests import Refused, body, json_response
from monitor.web.review import (
    NewProfile,
    NewReview,
    Undo,
    profile_of,
    record_profile,
    record_review,
    reviews_of,
    undo_review,
)
from monitor.web.views.agreement import agreement
from monitor.web.writer import Writer

MAX_NAME = 100
Said = TypeVar("Said", NewReview, Undo, NewProfile)


class ReviewRoutes:
    """Handlers that read and write what people said; an answer means that the broker has it."""

    def __init__(self, store: Store, writer: Writer, user_header: str | None = None) -> None:
        self._store, self._writer, self._user_header = store, writer, user_header

    def routes(self) -> list[Route]:
        """Paths and their handlers."""
        return [
            Route("/api/verdicts", self.reviews),
            Route("/api/verdicts", self.add_review, methods=["POST"]),
            Route("/api/verdicts/{verdict_id}/undo", self.undo, methods=["POST"]),
            Route("/api/agreement", self.agreement),
            Route("/api/profiles/{stream:path}", self.profile),
            Route("/api/profiles/{stream:path}", self.set_profile, methods=["PUT"]),
        ]

    def reviews(self, request: Request) -> Response:
        """A stream's verdicts, the newest first."""
        return json_response({"verdicts": reviews_of(self._store, request.query_params.get("stream", ""))})

    async def add_review(self, request: Request) -> Response:
        """Keep a verdict."""
        new = self._signed(request, await body(request, NewReview))
        return json_response(await asyncio.to_thread(record_review, self._store, self._writer, new), 201)

    async def undo(self, request: Request) -> Response:
        """Take a verdict back."""
        undo = self._signed(request, await body(request, Undo))
        found = request.path_params["verdict_id"]
        return json_response(
            await asyncio.to_thread(undo_review, self._store, self._writer, found, undo), 201
        )

    def agreement(self, request: Request) -> Response:
        """How often people agreed."""
        del request
        return json_response({"rows": agreement(self._store)})

    def profile(self, request: Request) -> Response:
        """A stream's settings."""
        return json_response(profile_of(self._store, request.path_params["stream"]))

    async def set_profile(self, request: Request) -> Response:
        """Replace a stream's settings."""
        new = self._signed(request, await body(request, NewProfile))
        stream = request.path_params["stream"]
        return json_response(await asyncio.to_thread(record_profile, self._store, self._writer, stream, new))

    def _signed(self, request: Request, said: Said) -> Said:
        """What was said, by whom the proxy knows where there is one."""
        if self._user_header is None:
            return said
        who = request.headers.get(self._user_header, "").strip()
        if not who:
            raise Refused(403, f"nobody has logged in: the request has no {self._user_header}")
        return msgspec.structs.replace(said, by=who[:MAX_NAME])
