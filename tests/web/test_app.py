"""The page's addresses."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitor.web.app import Page
from tests.web.made import START_US, store_of
from tests.web.pages import client, page


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
