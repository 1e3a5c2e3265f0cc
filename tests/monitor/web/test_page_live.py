"""The page when something is missing: a silent stream, a server that is gone, a slow or dead connection."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from tests.support.web.bedside import Bedside, Devices
from tests.support.web.browser import Complaints, ink, inked, new_context, tile, wait_for

pytestmark = pytest.mark.integration


# When a tile's words first say that it is stale, ms since the epoch.
_STALE_AT = """state => new Promise((resolve) => {
    const look = () => state.textContent.includes("stale") && resolve(Date.now());
    new MutationObserver(look).observe(state, { childList: true, characterData: true, subtree: true });
    look();
})"""


# The page does nothing for 8 s.
_HANG = """() => {
    setTimeout(() => {
        const until = performance.now() + 8000;
        while (performance.now() < until);
    }, 100);
}"""


def _live(page: Page, bedside: Bedside) -> None:
    page.goto(bedside.url)
    expect(page.locator("#connection")).to_have_text("● live")
    page.wait_for_selector(tile("bed-003"))


def test_a_silent_stream_turns_stale_within_5_s(page: Page, bedside: Bedside, devices: Devices) -> None:
    """Its tile says so in words and shows no heart rate; the others go on."""
    _live(page, bedside)
    mine = page.locator(tile("bed-002"))
    devices.silent.add("bed-002")
    stale_ms = mine.locator(".state").evaluate(_STALE_AT)
    # A chunk of 1 s is sent when its last sample has been measured: silence begins there.
    assert 2.0 < stale_ms / 1000 - devices.last_sent_s["bed-002"] < 5.0
    devices.silent.clear()
    expect(page.locator(tile("bed-001")).locator(".state")).not_to_contain_text("stale")
    expect(mine.locator(".state")).not_to_contain_text("stale")


def test_a_stale_tile_shows_no_numbers(page: Page, bedside: Bedside, devices: Devices) -> None:
    """An old picture is veiled, and an old heart rate is none."""
    _live(page, bedside)
    mine = page.locator(tile("bed-002"))
    devices.silent.add("bed-002")
    expect(mine.locator(".veil")).to_contain_text("No signal for")
    expect(mine.locator(".rate")).to_have_text("– – /min")
    devices.silent.clear()
    expect(mine.locator(".veil")).to_be_hidden()


def test_a_strip_says_that_it_is_old(page: Page, bedside: Bedside, devices: Devices) -> None:
    """So does the strip view, with the time of the newest sample."""
    page.goto(f"{bedside.url}/strip/bed-003")
    expect(page.locator("#connection")).to_have_text("● live")
    devices.silent.add("bed-003")
    expect(page.locator(".failure")).to_contain_text("Stale: no signal for")
    devices.silent.clear()
    expect(page.locator(".failure")).to_be_hidden()


def test_the_page_reconnects_by_itself(
    browser: Browser, noida_broker: str, tmp_path: Path, complaints: Complaints
) -> None:
    """While the server is gone a banner says since when, and tiles are old; then all goes on."""
    bedside = Bedside(noida_broker, tmp_path)
    context = new_context(browser)
    page = context.new_page()
    with Devices(bedside):
        with bedside.serving() as server:
            _live(page, bedside)
            server.kill()
            expect(page.locator("#banner")).to_contain_text("Connection lost. What you see is from ")
            expect(page.locator("#connection")).to_have_text("✕ connection lost")
            expect(page.locator(tile("bed-001")).locator(".veil")).to_have_text(
                "Not connected: an old picture"
            )
            expect(page.locator(tile("bed-001")).locator(".rate")).to_have_text("– – /min")
        with bedside.serving():
            expect(page.locator("#connection")).to_have_text("● connected again")
            expect(page.locator("#banner")).to_be_hidden()
            canvas = f"{tile('bed-001')} canvas"
            wait_for(lambda: inked(page, canvas) > 500, what="a trace")
            before = ink(page, canvas)
            wait_for(lambda: ink(page, canvas) != before, what="motion")
    context.close()


class Between:
    """Stands between the page's live connections and the server; can swallow what the server says."""

    def __init__(self, page: Page) -> None:
        self.routes: list[WebSocketRoute] = []
        self.swallow = False
        page.route_web_socket("**/api/live", self._hold)

    def _hold(self, route: WebSocketRoute) -> None:
        server = route.connect_to_server()
        server.on_message(lambda message: None if self.swallow else route.send(message))
        self.routes.append(route)


def test_frames_left_out_are_told(page: Page, bedside: Bedside, devices: Devices) -> None:
    """Where the server dropped signal because this browser was slow, the page says how much."""
    between = Between(page)
    _live(page, bedside)
    for frames in (12, 5):
        between.routes[0].send(f'{{"type": "lost", "frames": {frames}}}')
    expect(page.locator("#connection")).to_have_text("● live · 17 frames left out: this browser is slow")


def test_a_browser_that_hangs_loses_frames_only(browser: Browser, noida_broker: str, tmp_path: Path) -> None:
    """What it could not take in time is left out and counted; it stays connected, and strips go on."""
    bedside = Bedside(noida_broker, tmp_path)
    context = new_context(browser, viewport={"width": 3840, "height": 2160})
    page = context.new_page()
    with bedside.serving(), Devices(bedside, streams=64, history_s=5) as devices:
        _live(page, bedside)
        page.wait_for_timeout(1000)  # all strips are asked for
        page.evaluate(_HANG)
        devices.ahead_s = 90
        connection = page.locator("#connection")
        expect(connection).to_contain_text("frames left out: this browser is slow", timeout=30_000)
        expect(connection).to_contain_text("● live")
        canvas = f"{tile('bed-001')} canvas"
        before = ink(page, canvas)
        wait_for(lambda: ink(page, canvas) != before, what="motion")
    context.close()


def test_a_connection_without_a_word_counts_as_lost(page: Page, bedside: Bedside, devices: Devices) -> None:
    """A network that dies without closing anything is noticed by its silence, and tried again."""
    between = Between(page)
    _live(page, bedside)
    between.swallow = True
    expect(page.locator("#banner")).to_contain_text("Connection lost.")
    between.swallow = False
    expect(page.locator("#connection")).to_have_text("● connected again")
    assert len(between.routes) > 1


def test_an_unreachable_broker_is_told(page: Page, bedside: Bedside, devices: Devices) -> None:
    """The server may be there and hear nothing itself: then what is shown is old, too."""
    between = Between(page)
    _live(page, bedside)
    between.swallow = True
    between.routes[0].send('{"type": "rows", "now_us": 1, "rows": [], "broker": "unreachable"}')
    expect(page.locator("#banner")).to_contain_text("The server cannot reach Kafka. What you see is old")
    expect(page.locator(tile("bed-001")).locator(".state")).to_contain_text("‖ stale")
