"""The page's addresses."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.web.made import START_US, store_of
from tests.support.web.pages import client, page


def test_a_fault_of_ours_shows_no_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line in JSON, and the server goes on."""
    made, _ = page(store_of(1))

    def broken(*args: Any) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr("monitor.web.view_routes.strip", broken)
    browser = client(made)
    found = browser.get(f"/api/strip/a?from_us={START_US}&to_us={START_US + 1}")
    assert (found.status_code, found.json()) == (500, {"error": "internal error"})
    assert browser.get("/api/events").status_code == 200


def test_health_is_that_of_who_reads_and_who_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that is away is no reason to restart the page; a thread or a task that has died is one."""
    made, _ = page()
    made.feed.state = "unreachable"
    alive = True
    monkeypatch.setattr(type(made.feed), "alive", property(lambda feed: alive))
    monkeypatch.setattr(made.feed, "start", lambda: None)
    monkeypatch.setattr(made.feed, "stop", lambda: None)
    with client(made) as browser:
        found = browser.get("/healthz")
        assert (found.status_code, found.json()) == (200, {"ok": True, "broker": "unreachable"})
        alive = False
        assert browser.get("/healthz").status_code == 503
        alive = True
        assert made._rows is not None
        made._rows.cancel()
        assert browser.get("/healthz").json()["ok"] is False


def test_metrics_are_prometheus_text() -> None:
    """All of them begin alike."""
    made, _ = page()
    names = {family.name for family in text_string_to_metric_families(client(made).get("/metrics").text)}
    assert {"ecg_web_clients", "ecg_web_frames_lost", "ecg_web_stale_streams", "ecg_web_poll_errors"} <= names
    assert all(name.startswith(("ecg_web_", "process_", "python_")) for name in names)
