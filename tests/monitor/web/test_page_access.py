"""The page for everybody: contrast, names, keyboard, motion, small screens, screen readers."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from monitor.formats.events import Kind, Phase
from tests.support.web.bedside import Bedside, Devices, now_us
from tests.support.web.browser import new_context, tile, wait_for

pytestmark = pytest.mark.integration
PAGES = ("/", "/strip/bed-001", "/review?stream=bed-001", "/agreement")
READY = {
    "/": ".tile .last",
    "/strip/bed-001": ".events",
    "/review?stream=bed-001": ".event",
    "/agreement": "td",
}
CONTRAST = 4.5  # WCAG 2.2 AA, text of any size
# [text, its colour, its background] of every text that is seen, colours as [r, g, b] of 0 to 255.
_TEXTS = """() => {
    const rgba = (text) => {
        const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
        return { r, g, b, a };
    };
    const ground = (node) => {
        for (let at = node; at; at = at.parentElement) {
            const colour = rgba(getComputedStyle(at).backgroundColor);
            if (colour.a === 1) return [colour.r, colour.g, colour.b];
        }
        return [255, 255, 255];
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || node.closest("script, noscript, .quiet, .skip")) continue;
        if (!node.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
        const { r, g, b } = rgba(getComputedStyle(node).color);
        found.push([walker.currentNode.data.trim(), [r, g, b], ground(node)]);
    }
    return found;
}"""
_NAMELESS = """() => [...document.querySelectorAll("a, button, input, select, canvas, [role=slider]")]
    .filter((each) => each.checkVisibility())
    .filter((each) => !(each.getAttribute("aria-label") || each.textContent.trim()
        || [...(each.labels ?? [])].some((label) => label.textContent.trim())))
    .map((each) => each.outerHTML.slice(0, 120))"""
_COLOURS = """(names) => names.map((name) => {
    const probe = document.createElement("i");
    probe.style.color = `var(--${name})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map(Number);
    probe.remove();
    return found;
})"""


def _luminance(colour: list[float]) -> float:
    linear = [each / 255 / 12.92 if each <= 10 else ((each / 255 + 0.055) / 1.055) ** 2.4 for each in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: list[float], other: list[float]) -> float:
    """WCAG's contrast ratio of two colours, 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.fixture(params=["light", "dark"])
def themed(request: pytest.FixtureRequest, browser: Browser, devices: Devices) -> Any:
    """A page in both colour schemes of the system."""
    context = new_context(browser, color_scheme=request.param)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("path", PAGES)
def test_text_has_contrast(themed: Page, bedside: Bedside, path: str) -> None:
    """Every text that is seen stands out by 4.5:1 or more, light and dark."""
    themed.goto(bedside.url + path)
    themed.wait_for_selector(READY[path])
    texts = themed.evaluate(_TEXTS)
    assert len(texts) > 10
    assert [(text, contrast(*colours)) for text, *colours in texts if contrast(*colours) < CONTRAST] == []


def test_drawing_has_contrast(themed: Page, bedside: Bedside) -> None:
    """What canvases write in: text 4.5:1, lines and signs 3:1 against their ground (WCAG 1.4.11)."""
    themed.goto(bedside.url)
    names = ("paper", "card", "ink", "text", "soft", "mark", "expected", "error-line")
    colours = dict(zip(names, themed.evaluate(_COLOURS, names), strict=True))
    for name, least in (("ink", 4.5), ("mark", 3.0), ("expected", 3.0)):
        assert contrast(colours["paper"], colours[name]) >= least, name
    for name in ("text", "soft", "mark"):
        assert contrast(colours["card"], colours[name]) >= CONTRAST, name


@pytest.mark.parametrize("path", PAGES)
def test_everything_has_a_name(page: Page, bedside: Bedside, path: str) -> None:
    """Links, buttons, fields and pictures are told by a screen reader; headings and landmarks are there."""
    page.goto(bedside.url + path)
    page.wait_for_selector(READY[path])
    assert page.evaluate(_NAMELESS) == []
    assert page.locator("main h1").count() == 1
    assert page.locator("header").count() == page.locator("nav").count() == page.locator("main").count() == 1


def test_the_keyboard_reaches_everything(page: Page, bedside: Bedside, devices: Devices) -> None:
    """Tab goes from the skip link through the header to the tiles, its focus seen; Enter opens one."""
    page.goto(bedside.url)
    page.wait_for_selector(tile("bed-003"))
    page.select_option(".bar select", "name")
    page.evaluate("document.activeElement.blur()")
    reached = []
    for _ in range(24):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
        reached.append(str(page.evaluate("document.activeElement.textContent || document.activeElement.id")))
        if reached[-1] == "bed-003":
            break
    assert reached[0] == "Skip to the content"
    assert {"Ward", "Review", "who", "search", "bed-001", "bed-003"} <= set(reached)
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("bed-003")


def test_focus_stays_while_tiles_move(page: Page, bedside: Bedside, devices: Devices) -> None:
    """An alarm puts another tile first; the focused link keeps its focus."""
    page.goto(bedside.url)
    page.locator(tile("bed-001")).locator(".name").focus()
    patient = devices.patients[2]
    sample = (now_us() - patient.began_us) // 4000
    devices.tell(patient.event(sample, Kind.RUN, Phase.ONSET))
    first = 'document.querySelector(".tile").dataset.stream'
    wait_for(lambda: page.evaluate(first) == "bed-003", what="the alarm's tile to be first")
    expect(page.locator(tile("bed-001")).locator(".name")).to_be_focused()
    devices.tell(patient.event(sample, Kind.RUN, Phase.END))


def test_alarms_are_spoken(page: Page, bedside: Bedside, devices: Devices) -> None:
    """What must be looked at now is put into a live region; a strange beat is not."""
    page.goto(bedside.url)
    expect(page.locator("#connection")).to_have_text("● live")
    patient = devices.patients[0]
    sample = (now_us() - patient.began_us) // 4000
    devices.tell(patient.event(sample - 10))
    devices.tell(patient.event(sample, Kind.RHYTHM_PAUSE, Phase.ONSET))
    expect(page.locator("#alarms")).to_have_text(re.compile(r"Alarm: bed-001, pause.* at \d\d:\d\d:\d\d\.$"))
    assert page.get_attribute("#alarms", "aria-live") == "assertive"
    expect(page.locator(tile("bed-001")).locator(".state")).to_contain_text("▲ now: pause")
    devices.tell(patient.event(sample, Kind.RHYTHM_PAUSE, Phase.END))


_PICTURES = """canvas => new Promise((resolve) => {
    const seen = new Set();
    const began = performance.now();
    const look = () => {
        seen.add(canvas.toDataURL());
        if (performance.now() - began < 2500) setTimeout(look, 50);
        else resolve(seen.size);
    };
    look();
})"""


@pytest.mark.parametrize(("motion", "least", "most"), [("reduce", 2, 5), ("no-preference", 15, 60)])
def test_little_motion_where_it_is_asked_for(
    browser: Browser, bedside: Bedside, devices: Devices, motion: str, least: int, most: int
) -> None:
    """With prefers-reduced-motion a strip is written once a second, otherwise all the time."""
    context = new_context(browser, reduced_motion=motion)
    page = context.new_page()
    page.goto(bedside.url)
    canvas = f"{tile('bed-001')} canvas"
    page.wait_for_selector(canvas)
    page.wait_for_timeout(2000)
    assert least <= page.eval_on_selector(canvas, _PICTURES) <= most
    context.close()


@pytest.mark.parametrize("path", PAGES)
def test_a_phone_needs_no_sideways_scrolling(
    browser: Browser, bedside: Bedside, devices: Devices, path: str
) -> None:
    """On a screen of 360 px all pages fit in width."""
    context = new_context(browser, viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    page = context.new_page()
    page.goto(bedside.url + path)
    page.wait_for_selector(READY[path])
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()


def test_the_theme_can_be_chosen(page: Page, bedside: Bedside, devices: Devices) -> None:
    """The switch goes from the system's through light to dark, and is remembered."""
    page.goto(bedside.url)
    switch = page.locator("#theme")
    expect(switch).to_have_text("Theme: system")
    switch.click()
    switch.click()
    expect(switch).to_have_text("Theme: dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_keys_are_listed(page: Page, bedside: Bedside, devices: Devices) -> None:
    """The question mark shows what can be pressed here; Escape closes it."""
    page.goto(f"{bedside.url}/strip/bed-001")
    page.wait_for_selector(".events")
    page.keyboard.press("?")
    expect(page.locator("dialog.keys")).to_contain_text("Measure with callipers")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)


def test_nothing_comes_from_elsewhere(page: Page, bedside: Bedside, devices: Devices) -> None:
    """Every request goes to the page's own server, under a policy that allows no other."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    answer = page.goto(bedside.url)
    page.wait_for_selector(tile("bed-001"))
    assert answer is not None
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert len(asked) > 10
    assert [url for url in asked if not url.startswith((bedside.url, "ws://"))] == []
