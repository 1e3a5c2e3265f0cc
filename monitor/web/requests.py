"""What a request asks for, checked; what is wrong with it is told in one line."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from monitor.errors import BrokerError
from monitor.web.security import same_origin

MAX_BODY = 16_384
LATEST_US = 1 << 53
T = TypeVar("T")


class Refused(Exception):  # noqa: N818  an answer, not a fault
    """The request can't be served: HTTP status and why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def json_response(content: Any, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def refusal(request: Request, error: Exception) -> Response:
    """The answer to a request that was refused."""
    del request
    if isinstance(error, Refused):
        return json_response({"error": error.reason}, error.status)
    if isinstance(error, BrokerError):
        return json_response({"error": str(error)}, 503)
    return json_response({"error": "internal error"}, 500)


def whole(
    request: Request, name: str, default: int | None = None, *, low: int = 0, high: int = LATEST_US
) -> int:
    """A whole number in the query; raises Refused."""
    text = request.query_params.get(name)
    if text is None:
        if default is None:
            raise Refused(400, f"{name} is missing")
        return default
    # int() takes digits of other scripts, underscores and, slowly, thousands of digits.
    if not text.isascii() or not text.isdigit() or len(text) > 16 or not low <= int(text) <= high:
        raise Refused(400, f"{name} is {text!r:.40}, wanted a whole number from {low} to {high}")
    return int(text)


def span(request: Request, limit_s: float | None = None) -> tuple[int, int]:
    """from_us and to_us of the query; raises Refused."""
    from_us, to_us = whole(request, "from_us"), whole(request, "to_us")
    if to_us <= from_us:
        raise Refused(400, f"to_us is {to_us}, wanted more than from_us {from_us}")
    if limit_s is not None and to_us - from_us > limit_s * 1e6:
        raise Refused(400, f"from_us to to_us is {(to_us - from_us) / 1e6:g} s, wanted {limit_s:g} s at most")
    return from_us, to_us


async def body(request: Request, kind: type[T]) -> T:
    """The JSON body of a request that changes something; raises Refused.

    Only JSON from a page of our own: a form on another site can send neither this type nor this origin.
    """
    if not same_origin(request.headers):
        raise Refused(403, "origin is not this page's")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "content-type is not application/json")
    value = b""
    async for part in request.stream():
        value += part
        if len(value) > MAX_BODY:
            raise Refused(413, f"body is longer than {MAX_BODY} bytes")
    try:
        return msgspec.json.decode(value, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise Refused(400, str(exc)) from exc
