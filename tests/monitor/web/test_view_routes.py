"""What the page can ask for."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from monitor.formats.events import Kind
from monitor.web.views.groups import groups
from monitor.web.views.reconstruction import reconstruction
from monitor.web.views.strips import overview, strip
from tests.support.web.judged import judged
from tests.support.web.made import START_US, event, held, store_of
from tests.support.web.pages import client, page

SPAN: dict[str, Any] = {"from_us": START_US, "to_us": START_US + 2_000_000}


def get(path: str, *, stream: str = "a", **query: Any) -> Any:
    """The answer to a GET over a store of one stream with three events."""
    store = store_of(3, stream)
    for sample, kind in ((100, Kind.BEAT_EARLY), (300, Kind.BEAT_LATE), (500, Kind.BEAT_EARLY)):
        store.take_event(held(event(sample, kind, stream)))
    made, _ = page(store)
    return client(made).get(path, params=query or None)


def test_a_strip_is_served() -> None:
    """As `strips` makes it."""
    found = get("/api/strip/a", **SPAN)
    assert found.status_code == 200
    wanted = strip(store_of(3), "a", SPAN["from_us"], SPAN["to_us"])
    assert wanted is not None
    assert found.json()["leads"] == wanted["leads"]
    assert [each["r_peak_sample"] for each in found.json()["events"]] == [100, 300, 500]


def test_an_overview_is_served() -> None:
    """As `strips` makes it."""
    found = get("/api/overview/a", points=5, **SPAN)
    assert found.json() == overview(store_of(3), "a", SPAN["from_us"], SPAN["to_us"], 5)


@pytest.mark.parametrize("stream", ["ward 3/bed 2", "Zimmer-ü", "../a", "<script>"])
def test_any_stream_id_has_an_address(stream: str) -> None:
    """Whatever a device calls itself."""
    found = get(f"/api/strip/{quote(stream, safe='')}", stream=stream, **SPAN)
    assert found.json()["stream"] == stream


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/api/strip/b", SPAN, 404),
        ("/api/strip/a", {"from_us": START_US}, 400),
        ("/api/strip/a", {"from_us": START_US, "to_us": START_US}, 400),
        ("/api/strip/a", {"from_us": "x", "to_us": START_US}, 400),
        ("/api/strip/a", {"from_us": "-1", "to_us": START_US}, 400),
        ("/api/strip/a", {"from_us": "1_0", "to_us": START_US}, 400),
        ("/api/strip/a", {"from_us": "9" * 17, "to_us": START_US}, 400),
        ("/api/strip/a", {"from_us": 0, "to_us": START_US}, 400),
        ("/api/overview/a", {**SPAN, "points": 0}, 400),
        ("/api/overview/a", {**SPAN, "points": 100_000}, 400),
        ("/api/reconstruction/a", {"from_us": START_US, "to_us": START_US + 31_000_000}, 400),
        ("/api/wfdb/a", {"from_us": 1, "to_us": 2}, 404),
        ("/api/wfdb/b", SPAN, 404),
        ("/api/events", {"limit": 0}, 400),
    ],
)
def test_what_can_not_be_asked_is_refused_in_words(path: str, query: dict[str, Any], status: int) -> None:
    """A line in JSON, never a stack."""
    found = get(path, **query)
    assert found.status_code == status
    assert list(found.json()) == ["error"]


def test_events_come_newest_first() -> None:
    """Of a kind, between two times, and no more than asked for."""

    def samples(of: str = "", **query: Any) -> list[int]:
        found = get(f"/api/events?stream={of}" if of else "/api/events", **query).json()
        return [each["r_peak_sample"] for each in found["events"]]

    assert samples() == [500, 300, 100]
    assert samples(limit=1) == [500]
    assert samples(kind="beat.late") == [300]
    assert samples("b") == []
    assert samples("a") == [500, 300, 100]
    assert samples(before_us=START_US + 2_000_000, after_us=START_US + 400_000) == [300]


def test_a_record_is_downloaded_under_its_name() -> None:
    """The browser saves it, whatever is in the stream's id."""
    found = get("/api/wfdb/a%22%20b", stream='a" b', **SPAN)
    assert found.headers["content-type"] == "application/zip"
    assert found.headers["content-disposition"] == 'attachment; filename="a_b_20231114T221320Z.zip"'


def test_the_model_runs_for_who_looks() -> None:
    """What it expected, and groups, as `reconstruction` and `groups` make them."""
    made = judged()
    browser = client(page(made.store)[0])
    span = {"from_us": made.at_us(18_000), "to_us": made.at_us(21_600)}
    found = browser.get("/api/reconstruction/p", params=span)
    assert found.json() == msgspec.json.decode(
        msgspec.json.encode(reconstruction(made.model, made.store, "p", *span.values()))
    )
    assert browser.get("/api/groups/p").json() == {"groups": groups(made.model, made.store, "p")}
    assert browser.get("/api/groups/q").status_code == 404
