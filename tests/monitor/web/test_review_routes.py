"""Verdicts and settings through the page's addresses."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from monitor.errors import BrokerError
from monitor.formats.reviews import Opinion
from tests.support.web.made import START_US, event, held, store_of
from tests.support.web.pages import ORIGIN, Scribe, client, page

FOUND = held(event(100))


def reviewing() -> tuple[TestClient, Scribe]:
    """A page over stream a with one event."""
    store = store_of(2)
    store.take_event(FOUND)
    made, scribe = page(store)
    return client(made), scribe


def new(**changes: Any) -> dict[str, Any]:
    """The body of a request for a verdict."""
    return {
        "event_id": FOUND.id,
        "stream": "a",
        "time_us": 5,
        "verdict": "confirmed",
        "by": " Ada ",
        **changes,
    }


def test_a_verdict_is_written_and_shown() -> None:
    """With its event's time, who, when, and an id of its own."""
    browser, scribe = reviewing()
    answer = browser.post("/api/verdicts", json=new(), headers=ORIGIN)
    assert answer.status_code == 201
    (written,) = scribe.reviews
    assert (written.event_id, written.stream, written.time_us) == (FOUND.id, "a", FOUND.event.time_us)
    assert (written.verdict, written.by, written.undoes) == (Opinion.CONFIRMED, "Ada", None)
    assert answer.json()["id"] == written.id
    assert browser.get("/api/events").json()["events"][0]["verdict"] == answer.json()
    listed = browser.get("/api/verdicts", params={"stream": "a"}).json()["verdicts"]
    assert listed == [{**answer.json(), "stands": True}]


def test_a_missed_event_has_a_time_and_no_id() -> None:
    """Where somebody saw it."""
    browser, scribe = reviewing()
    body = new(event_id=None, verdict="missed", time_us=START_US + 7, kind="run")
    assert browser.post("/api/verdicts", json=body, headers=ORIGIN).status_code == 201
    assert (scribe.reviews[0].time_us, scribe.reviews[0].kind) == (START_US + 7, "run")


def test_an_undo_is_a_record_of_its_own() -> None:
    """It names what it takes back; a second one is refused, and an undo can be undone."""
    browser, scribe = reviewing()
    first = browser.post("/api/verdicts", json=new(), headers=ORIGIN).json()["id"]
    undo = browser.post(f"/api/verdicts/{first}/undo", json={"by": "Bo"}, headers=ORIGIN)
    assert undo.status_code == 201
    assert (scribe.reviews[1].undoes, scribe.reviews[1].by) == (first, "Bo")
    assert browser.get("/api/events").json()["events"][0]["verdict"] is None
    assert browser.post(f"/api/verdicts/{first}/undo", json={"by": "Bo"}, headers=ORIGIN).status_code == 409
    again = browser.post(f"/api/verdicts/{undo.json()['id']}/undo", json={"by": "Cy"}, headers=ORIGIN)
    assert again.status_code == 201
    assert browser.get("/api/events").json()["events"][0]["verdict"]["id"] == first


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (new(event_id="0" * 32), 404),
        (new(event_id="not an id"), 400),
        (new(stream="b"), 404),
        (new(event_id=None), 400),
        (new(verdict="missed"), 400),
        (new(verdict="sure"), 400),
        (new(kind="run"), 400),
        (new(verdict="other", kind="no kind"), 400),
        (new(by="  "), 400),
        (new(by="x" * 101), 400),
        (new(time_us=-1), 400),
        (new(extra=1), 400),
        ([], 400),
    ],
)
def test_bad_verdicts_are_refused(body: Any, status: int) -> None:
    """And not written."""
    browser, scribe = reviewing()
    answer = browser.post("/api/verdicts", json=body, headers=ORIGIN)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert scribe.reviews == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "application/json"}, 403),
        ({"content-type": "application/json", "origin": "http://evil.example"}, 403),
        ({"content-type": "text/plain", "origin": "http://localhost"}, 415),
    ],
)
def test_another_sites_page_can_not_write(headers: dict[str, str], status: int) -> None:
    """Neither with a form nor with a script."""
    browser, scribe = reviewing()
    for method, path in (
        ("POST", "/api/verdicts"),
        ("POST", f"/api/verdicts/{'0' * 32}/undo"),
        ("PUT", "/api/profiles/a"),
    ):
        answer = browser.request(method, path, content=b"{}", headers=headers)
        assert answer.status_code == status
    assert (scribe.reviews, scribe.profiles) == ([], [])


def test_a_body_without_end_is_cut_off() -> None:
    """Nobody fills the memory."""
    browser, _ = reviewing()
    answer = browser.post("/api/verdicts", content=b" " * 20_000, headers=ORIGIN)
    assert answer.status_code == 413


def test_a_broker_that_is_away_is_said() -> None:
    """Nothing is shown as kept that was not."""
    browser, scribe = reviewing()
    scribe.error = BrokerError("localhost:9092: cannot be reached")
    answer = browser.post("/api/verdicts", json=new(), headers=ORIGIN)
    assert (answer.status_code, answer.json()) == (503, {"error": "localhost:9092: cannot be reached"})
    assert browser.get("/api/events").json()["events"][0]["verdict"] is None


def test_a_profile_is_written_and_shown() -> None:
    """As a whole: what is left out is not set any more."""
    browser, scribe = reviewing()
    unset = browser.get("/api/profiles/a").json()
    assert (unset["at_us"], unset["muted_until_us"], unset["paced"]) == (0, None, False)
    body = {"by": "Ada", "paced": True, "muted_until_us": START_US, "lead_names": ["I", "II"]}
    answer = browser.put("/api/profiles/a", json=body, headers=ORIGIN)
    assert answer.status_code == 200
    assert browser.get("/api/profiles/a").json() == answer.json()
    assert (scribe.profiles[0].paced, scribe.profiles[0].lead_names) == (True, ("I", "II"))
    assert scribe.profiles[0].at_us > START_US
    again = browser.put("/api/profiles/a", json={"by": "Bo"}, headers=ORIGIN).json()
    assert (again["paced"], again["lead_names"]) == (False, None)


@pytest.mark.parametrize(
    ("stream", "body", "status"),
    [
        ("b", {}, 404),
        ("a", {"false_alarm_budget_per_hour": 0}, 400),
        ("a", {"false_alarm_budget_per_hour": 5e-324}, 400),
        ("a", {"false_alarm_budget_per_hour": 1e9}, 400),
        ("a", {"lead_names": ["I", "I"]}, 400),
        ("a", {"lead_names": []}, 400),
        ("a", {"paced": "yes"}, 400),
        ("a", {"muted_until_us": 1.5}, 400),
        ("a", {"muted_until_us": 1 << 53}, 400),
    ],
)
def test_bad_profiles_are_refused(stream: str, body: Any, status: int) -> None:
    """And not written."""
    browser, scribe = reviewing()
    answer = browser.put(f"/api/profiles/{stream}", json=body, headers=ORIGIN)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert scribe.profiles == []


def test_nobody_asks_for_settings_of_no_stream() -> None:
    """A wrong address is no stream with defaults."""
    browser, _ = reviewing()
    assert browser.get("/api/profiles/b").status_code == 404


def test_agreement_is_served() -> None:
    """As `agreement` counts it."""
    browser, _ = reviewing()
    browser.post("/api/verdicts", json=new(), headers=ORIGIN)
    (row,) = browser.get("/api/agreement").json()["rows"]
    assert (row["stream"], row["confirmed"], row["agreement"]) == ("a", 1, 1.0)


def test_an_undo_of_nothing_is_refused() -> None:
    """And not written."""
    browser, scribe = reviewing()
    answer = browser.post(f"/api/verdicts/{'0' * 32}/undo", json={"by": "Bo"}, headers=ORIGIN)
    assert (answer.status_code, scribe.reviews) == (404, [])


def test_a_proxys_word_counts_more_than_the_browsers() -> None:
    """Who has logged in is who said it; without a login nobody says anything."""
    store = store_of(2)
    store.take_event(FOUND)
    made, scribe = page(store, user_header="X-Forwarded-User")
    browser = client(made)
    assert browser.post("/api/verdicts", json=new(), headers=ORIGIN).status_code == 403
    logged_in = {**ORIGIN, "x-forwarded-user": "dr.grace"}
    said = browser.post("/api/verdicts", json=new(), headers=logged_in).json()
    browser.post(f"/api/verdicts/{said['id']}/undo", json={"by": "Bo"}, headers=logged_in)
    browser.put("/api/profiles/a", json={"by": "Bo"}, headers=logged_in)
    assert [each.by for each in scribe.reviews] == ["dr.grace", "dr.grace"]
    assert [each.by for each in scribe.profiles] == ["dr.grace"]
