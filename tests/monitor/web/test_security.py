"""Who may ask."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from monitor.web.security import HEADERS, Guard, hostname, same_origin, served_names


def answer(request: Request) -> Response:
    """A page of any kind."""
    del request
    return PlainTextResponse("here")


def client(names: frozenset[str] | None) -> TestClient:
    """Of a guarded application."""
    return TestClient(Guard(Starlette(routes=[Route("/", answer)]), names))


@pytest.mark.parametrize(
    ("host", "allowed", "names"),
    [
        ("127.0.0.1", (), {"localhost", "127.0.0.1", "::1"}),
        ("::1", (), {"localhost", "127.0.0.1", "::1"}),
        ("localhost", (), {"localhost", "127.0.0.1", "::1"}),
        ("0.0.0.0", ("Ward.example",), {"ward.example"}),
        ("127.0.0.1", ("ward.example",), {"ward.example"}),
    ],
)
def test_names_that_are_served(host: str, allowed: tuple[str, ...], names: set[str]) -> None:
    """Bound to loopback, loopback's; otherwise those that are set."""
    assert served_names(host, allowed) == frozenset(names)


def test_any_name_is_served_where_the_server_can_not_know_its_own() -> None:
    """Bound to all addresses, without a list."""
    assert served_names("0.0.0.0", ()) is None


@pytest.mark.parametrize(
    ("netloc", "name"),
    [("LocalHost:80", "localhost"), ("[::1]:80", "::1"), ("a.b", "a.b"), ("", ""), ("[::1", "")],
)
def test_names_are_read_from_the_host_header(netloc: str, name: str) -> None:
    """With and without a port."""
    assert hostname(netloc) == name


def test_another_name_is_refused() -> None:
    """DNS rebinding ends here."""
    served = client(frozenset({"localhost"}))
    assert served.get("/", headers={"host": "localhost:8080"}).text == "here"
    refused = served.get("/", headers={"host": "evil.example"})
    assert (refused.status_code, refused.text) == (400, "unknown host\n")


def test_every_answer_has_the_headers() -> None:
    """And is not kept by anyone, as it shows patients' data."""
    found = client(None).get("/").headers
    assert all(found[name] == value for name, value in HEADERS.items())
    assert found["cache-control"] == "no-store"
    assert found["content-security-policy"].startswith("default-src 'self';")


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://ward:8080", "ward:8080", True),
        ("https://ward", "WARD", True),
        ("http://ward:8081", "ward:8080", False),
        ("http://evil.example", "ward:8080", False),
        ("null", "ward", False),
        ("", "ward", False),
        ("file://ward", "ward", False),
        ("http://[", "ward", False),
    ],
)
def test_origins(origin: str, host: str, same: bool) -> None:
    """Only a page from the very address may change anything."""
    assert same_origin({"origin": origin, "host": host}) is same
