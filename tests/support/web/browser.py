"""Chromium without a window, and what tests ask of a page in it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.conftest import missing

ARGUMENTS = ("--no-sandbox", "--headless=new")
TIMEOUT_MS = 15_000
ZONE = "Europe/Berlin"
# A canvas's pixels, by way of a copy that is meant to be read: reading the page's own would slow it down.
PIXELS = """canvas => {
    const copy = document.createElement("canvas");
    copy.width = canvas.width;
    copy.height = canvas.height;
    const context = copy.getContext("2d", { willReadFrequently: true });
    context.drawImage(canvas, 0, 0);
    return context.getImageData(0, 0, copy.width, copy.height);
}"""
expect.set_options(timeout=TIMEOUT_MS)


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """The one that CHROMIUM names; without it a test is skipped, but not in CI."""
    path = os.environ.get("CHROMIUM")
    if not path:
        missing("CHROMIUM is not set")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *arguments])
        try:
            yield browser
        finally:
            browser.close()


class Complaints(list[str]):
    """What a page said to its console, and the requests that failed."""

    def listen(self, page: Page) -> None:
        """Collect from now on."""
        page.on("console", lambda message: self._console(message.type, message.text))
        page.on("pageerror", lambda error: self.append(f"error: {error}"))

    def _console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.append(f"{kind}: {text}")


def new_context(browser: Browser, **options: Any) -> BrowserContext:
    """A fresh profile in a fixed zone."""
    context = browser.new_context(
        **{"viewport": {"width": 1280, "height": 900}, "timezone_id": ZONE, "locale": "en-GB", **options}
    )
    context.set_default_timeout(TIMEOUT_MS)
    return context


def tile(stream: str) -> str:
    """The selector of a stream's tile."""
    return f'.tile[data-stream="{stream}"]'


def ink(page: Page, selector: str) -> str:
    """What a canvas shows, as a data address: two that are equal show the same."""
    return str(page.eval_on_selector(selector, "canvas => canvas.toDataURL()"))


def inked(page: Page, selector: str) -> int:
    """How many of a canvas's pixels are not clear."""
    script = f"""canvas => {{
        const data = ({PIXELS})(canvas).data;
        let n = 0;
        for (let i = 3; i < data.length; i += 4) n += data[i] > 0;
        return n;
    }}"""
    return int(page.eval_on_selector(selector, script))


def wait_for(condition: Callable[[], object], timeout_s: float = 15.0, what: str = "a condition") -> float:
    """Wait until a condition holds; returns for how long that took, s."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < timeout_s, f"waited {timeout_s} s for {what}"
        time.sleep(0.02)
    return time.monotonic() - began
