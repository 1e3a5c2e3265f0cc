"""The page itself, as the package brings it."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from monitor.formats.events import TECHNICAL, Kind
from tests.support.web.made import store_of
from tests.support.web.pages import client, page


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


def test_the_page_has_words_for_every_kind() -> None:
    """Of events; and offers only those that speak of the patient as what a beat may be."""
    script = (files("monitor.web") / "static" / "kinds.js").read_text("utf-8")
    named = re.findall(r'^  "?([a-z.]+)"?: "', script[: script.index("const SIGNS")], re.MULTILINE)
    assert set(named) == {str(kind) for kind in Kind}
    found = re.search(r"!/(.+)/\.test\(kind\)", script)
    assert found
    hidden = re.compile(found[1].replace("\\.", "[.]"))
    assert {kind for kind in Kind if hidden.match(kind)} == TECHNICAL


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
