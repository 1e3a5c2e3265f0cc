"""A ward of made-up patients on a page in Chromium, shared by the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.support.web.bedside import Bedside, Devices
from tests.support.web.browser import Complaints, chromium, new_context


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a file's tests: while playwright runs, no other test may run an event loop."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def bedside(noida_broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bedside]:
    """A page's server with topics of its own."""
    bedside = Bedside(noida_broker, tmp_path_factory.mktemp("bedside"))
    with bedside.serving():
        yield bedside


@pytest.fixture(scope="module")
def devices(bedside: Bedside) -> Iterator[Devices]:
    """Three patients who send."""
    with Devices(bedside) as devices:
        yield devices


@pytest.fixture
def complaints() -> Complaints:
    """What the page complained of; a test that expects complaints empties it."""
    return Complaints()


@pytest.fixture
def page(browser: Browser, devices: Devices, complaints: Complaints) -> Iterator[Page]:
    """A page in a fresh profile; a complaint on its console fails the test."""
    context = new_context(browser)
    page = context.new_page()
    complaints.listen(page)
    yield page
    context.close()
    assert complaints == []
