"""The page's addresses."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitor.web.app import Page
from tests.web.made import START_US, store_of
from tests.web.pages import client, page


@pytest.mark.parametrize(
    "path", ["/", "/strip/a", "/strip/ward%203/bed%202?at=1&span=10", "/review", "/agreement"]
)
def test_every_view_is_the_one_page(path: str) -> None:
    """A link to a moment opens it, also in another browser."""
    made, _ = page(store_of(1))
    found = client(made).get(path)
    assert found.status_code == 200
    assert found.headers["content-type"].startswith("text/html")
    assert found.headers["cache-control"] == "no-cache"


def test_the_page_needs_nothing_from_elsewhere() -> None:
    """Its scripts and styles are files of the package; no address of another server is in it."""
    made, _ = page()
    browser = client(made)
    text = browser.get("/").text
    wanted = re.findall(r'(?:src|href)="(/static/[^"]+)"', text)
    assert wanted
    for path in wanted:
        assert browser.get(path).status_code == 200, path
    for file in (files("monitor.web") / "static").iterdir():
        assert not re.search(
            r"(?:https?:)?//(?!www\.w3\.org/)[a-z0-9.-]+\.[a-z]{2,}/", file.read_text("utf-8")
        ), file.name


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static//etc/passwd",
        "/static/",
        "/no",
    ],
)
def test_nothing_beside_the_page_is_served(path: str) -> None:
    """However the address is written."""
    made, _ = page()
    assert client(made).get(path).status_code == 404


def test_a_fault_of_ours_shows_no_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line in JSON, and the server goes on."""
    made, _ = page(store_of(1))

    def broken(*args: Any) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("monitor.web.looking.strip", broken)
    browser = client(made)
    found = browser.get(f"/api/strip/a?from_us={START_US}&to_us={START_US + 1}")
    assert (found.status_code, found.json()) == (500, {"error": "internal error"})
    assert browser.get("/api/events").status_code == 200


def running(made: Page, monkeypatch: pytest.MonkeyPatch, *, alive: bool) -> None:
    """Let the feed's thread be or not be."""
    monkeypatch.setattr(type(made.feed), "alive", property(lambda feed: alive))


@pytest.mark.parametrize(("alive", "status"), [(True, 200), (False, 503)])
def test_health_is_that_of_the_reading_thread(
    monkeypatch: pytest.MonkeyPatch, alive: bool, status: int
) -> None:
    """A broker that is away is no reason to restart the page."""
    made, _ = page()
    running(made, monkeypatch, alive=alive)
    made.feed.state = "unreachable"
    found = client(made).get("/healthz")
    assert (found.status_code, found.json()) == (status, {"ok": alive, "broker": "unreachable"})


def test_metrics_are_prometheus_text() -> None:
    """All of them begin alike."""
    made, _ = page()
    names = {family.name for family in text_string_to_metric_families(client(made).get("/metrics").text)}
    assert {"ecg_web_clients", "ecg_web_frames_lost", "ecg_web_stale_streams", "ecg_web_poll_errors"} <= names
    assert all(name.startswith(("ecg_web_", "process_", "python_")) for name in names)
