"""Pictures of the bedside page for the docs: record 208 and made-up patients, judged by a real worker.

CHROMIUM=/usr/bin/chromium python -m tests.benchmarks.bedside_pictures [--output docs]
"""

from __future__ import annotations

import argparse
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

from monitor.broker.embedded import embedded_broker
from tests.support.web.bedside import Bedside, Devices
from tests.support.web.browser import chromium, new_context, wait_for

HISTORY_S = 90
SETTLE_MS = 8000  # strips are full, and the worker has caught up
COLOURS = 256  # of a picture's palette: a third of the bytes
PATIENT = "icu-03"
EXCERPTS = {"icu-01": 20, PATIENT: 100, "icu-07": 190}
SILENT, MUTED = "bed-004", "bed-002"


def main() -> None:
    """Write bedside-*.png."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--output", type=Path, default=Path("docs"))
    output = arguments.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as directory,
        embedded_broker("noida") as servers,
        chromium() as browser,
    ):
        bedside = Bedside(servers, Path(directory))
        devices = Devices(bedside, streams=5, history_s=HISTORY_S, excerpts=EXCERPTS, found=False)
        with bedside.working(), bedside.serving(), devices:
            _mute(browser, bedside)
            devices.silent.add(SILENT)
            _ward(browser, bedside, output)
            _strip(browser, bedside, output)
            _review(browser, bedside, output)


def _open(browser: Browser, address: str, width: int, height: int, scheme: str = "light") -> Page:
    context = new_context(browser, viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    page.fill("#who", "Anna")
    page.press("#who", "Escape")
    return page


def _mute(browser: Browser, bedside: Bedside) -> None:
    page = _open(browser, bedside.url, 1280, 800)
    page.get_by_role("button", name=f"Settings of {MUTED}").click()
    page.get_by_role("button", name="1 h", exact=True).click()
    page.get_by_role("button", name="Keep").click()
    page.wait_for_selector(".tile.muted")
    page.context.close()


def _ward(browser: Browser, bedside: Bedside, output: Path) -> None:
    for name, width, height in (("ward", 1280, 590), ("phone", 390, 844)):
        page = _open(browser, bedside.url, width, height)
        # The worker has judged what was sent before it looked.
        wait_for(lambda page=page: page.locator(".tile.unjudged").count() == 0, 120, "the worker")  # type: ignore[misc]
        page.wait_for_timeout(SETTLE_MS)
        _keep(page, output / f"bedside-{name}.png")


def _strip(browser: Browser, bedside: Bedside, output: Path) -> None:
    page = _open(browser, f"{bedside.url}/strip/{PATIENT}?span=8", 1280, 1000)
    page.wait_for_selector(".events li:nth-child(12)")
    page.locator('.events li:nth-child(n + 6) button:has-text("strange beat")').first.click()
    page.mouse.move(5, 5)
    page.wait_for_timeout(SETTLE_MS)  # until the model has been run
    page.keyboard.press("m")
    page.wait_for_timeout(500)
    _keep(page, output / "bedside-strip.png")


def _review(browser: Browser, bedside: Bedside, output: Path) -> None:
    page = _open(browser, f"{bedside.url}/review?stream={PATIENT}", 1280, 1240, "dark")
    page.wait_for_selector(".group-card")
    page.keyboard.press("c")
    page.wait_for_timeout(SETTLE_MS)
    _keep(page, output / "bedside-review.png")


def _keep(page: Page, path: Path) -> None:
    picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
    # By coverage of the colours: the few red pixels of marks are what matters.
    method = Image.Quantize.MAXCOVERAGE
    picture.quantize(COLOURS, method, dither=Image.Dither.NONE).save(path, optimize=True)
    page.context.close()


if __name__ == "__main__":
    main()
