"""The ward in a browser: tiles with live strips."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.web.bedside import Bedside, Devices
from tests.support.web.browser import PIXELS, ink, inked, new_context, tile, wait_for

pytestmark = pytest.mark.integration


# By how much the pen, the column before the first clear one, moves within 1.5 s, px and s.
_PEN = """canvas => new Promise((resolve) => {
    const pen = () => {
        const { data, width, height } = (PIXELS)(canvas);
        const clear = (x) => {
            for (let y = 0; y < height; y += 1) if (data[4 * (y * width + x) + 3]) return false;
            return true;
        };
        for (let x = 1; x < width; x += 1) if (clear(x) && !clear(x - 1)) return x;
        return 0;
    };
    const from = pen();
    const began = performance.now();
    const end = () => [(pen() - from + canvas.width) % canvas.width, (performance.now() - began) / 1000];
    setTimeout(() => resolve(end()), 1500);
})"""


def test_each_stream_has_a_tile_with_its_numbers(page: Page, bedside: Bedside, devices: Devices) -> None:
    """Heart rate, lead, quality and last event are those of the topics."""
    page.goto(bedside.url)
    for patient in devices.patients:
        mine = page.locator(tile(patient.stream))
        expect(mine.locator(".rate")).to_have_text(f"{patient.heart_rate:.0f} /min")
        expect(mine.locator(".lead")).to_have_text("MLII")
        expect(mine.locator(".state")).to_contain_text("✓ good signal")
        expect(mine.locator(".last")).to_contain_text("◆ strange beat")
        expect(mine.locator(".last")).to_contain_text(devices.sent[0].why)
        expect(mine.locator(".gain")).to_have_text("25 mm/s · 10 mm/mV")


def test_strips_move(page: Page, bedside: Bedside, devices: Devices) -> None:
    """Each tile's strip is written and goes on being written."""
    page.goto(bedside.url)
    for patient in devices.patients:
        canvas = f"{tile(patient.stream)} canvas"
        page.wait_for_selector(canvas)
        wait_for(lambda canvas=canvas: inked(page, canvas) > 500, what="a trace")  # type: ignore[misc]
        before = ink(page, canvas)
        wait_for(lambda canvas=canvas, before=before: ink(page, canvas) != before, 2, "motion")  # type: ignore[misc]


def test_a_sweep_runs_at_25_mm_a_second(page: Page, bedside: Bedside, devices: Devices) -> None:
    """The wiped gap before the pen moves by 100 px, 25 mm, a second."""
    page.goto(bedside.url)
    canvas = f"{tile('bed-001')} canvas"
    page.wait_for_selector(canvas)
    wait_for(lambda: inked(page, canvas) > 500, what="a trace")
    page.wait_for_timeout(3000)  # the pen has settled to its steady pace
    moved_px, took_s = page.eval_on_selector(canvas, _PEN.replace("PIXELS", PIXELS))
    assert moved_px / took_s == pytest.approx(100, rel=0.2)


def test_search_finds_by_id(page: Page, bedside: Bedside, devices: Devices) -> None:
    """The slash key leads to the search; only streams whose id holds the words are left."""
    page.goto(bedside.url)
    page.wait_for_selector(tile("bed-003"))
    page.keyboard.press("/")
    page.keyboard.type("BED-002")
    expect(page.locator(".tile")).to_have_count(1)
    expect(page.locator(tile("bed-002"))).to_be_visible()
    expect(page.locator(".count")).to_contain_text("1 of 3 streams")


def test_only_visible_tiles_are_asked_for(browser: Browser, bedside: Bedside, devices: Devices) -> None:
    """A tile far below the screen is not watched until it is scrolled to."""
    context = new_context(browser, viewport={"width": 390, "height": 260})
    page = context.new_page()
    asked: list[str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: asked.append(str(frame))))
    page.goto(bedside.url)
    page.wait_for_selector(tile("bed-003"))
    page.select_option(".bar select", "name")
    page.wait_for_timeout(500)
    assert "bed-003" not in asked[-1]
    page.locator(tile("bed-003")).scroll_into_view_if_needed()

    def watched() -> bool:
        page.wait_for_timeout(50)  # in which what was sent is heard of
        return "bed-003" in asked[-1]

    wait_for(watched, 5, "bed-003 to be watched")
    context.close()


def test_times_are_in_the_viewers_zone(page: Page, bedside: Bedside, devices: Devices) -> None:
    """The zone is told beside the clock."""
    page.goto(bedside.url)
    expect(page.locator("#clock")).to_have_text(re.compile(r"\d\d:\d\d:\d\d UTC\+[12]$"))
    expect(page.locator(".count")).to_contain_text("times in Europe/Berlin, UTC+")
