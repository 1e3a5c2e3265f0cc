"""How often a second the bedside page draws a ward of 200 streams, its browser bound to one core.

    CHROMIUM=... python -m tests.benchmarks.bedside_frames [--streams 200] [--core 0] [--json PATH]

The broker, the page's server and the made-up devices run on the other cores. A frame counts when its strips
have been written: the page draws them in the browser's animation frames, at most 60 a second.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import msgspec
from playwright.sync_api import Browser

from monitor.broker.embedded import embedded_broker
from monitor.formats.figures import Figure, figure
from tests.support.web.bedside import Bedside, Devices
from tests.support.web.browser import chromium, new_context

TARGET = 30.0  # frames a second
SETTLE_S, MEASURED_S = 15.0, 20.0
SCREENS = {"1920x1080": (1920, 1080), "3840x2160": (3840, 2160)}
# Frames, and the longest time between two of them, ms.
_FRAMES = """(seconds) => new Promise((resolve) => {
    const began = performance.now();
    let [n, last, longest] = [0, began, 0];
    const frame = (now) => {
        n += 1;
        longest = Math.max(longest, now - last);
        last = now;
        if (now - began < seconds * 1000) requestAnimationFrame(frame);
        else resolve([n / ((now - began) / 1000), longest]);
    };
    requestAnimationFrame(frame);
})"""
_VISIBLE = """() => [...document.querySelectorAll(".tile canvas")].filter((canvas) => {
    const { top, bottom } = canvas.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
}).length"""


def measure(browser: Browser, url: str, screen: tuple[int, int], core: int) -> dict[str, float]:
    """Frames a second, the longest one, strips on the screen, and the CPU time of a frame."""
    context = new_context(browser, viewport={"width": screen[0], "height": screen[1]})
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector(".tile")
    page.wait_for_timeout(SETTLE_S * 1000)
    before_s = _core_s(core)
    frames, longest_ms = page.evaluate(_FRAMES, MEASURED_S)
    used_s = _core_s(core) - before_s
    visible, tiles = page.evaluate(_VISIBLE), page.locator(".tile").count()
    context.close()
    return {
        "frames_per_second": frames,
        "longest_frame_ms": longest_ms,
        "strips": visible,
        "tiles": tiles,
        "core_share": used_s / MEASURED_S,
        "core_ms_per_frame": 1000 * used_s / MEASURED_S / frames,
    }


def _core_s(core: int) -> float:
    """CPU time of the browser's processes: all but this one that are bound to the core."""
    ticks = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        if status.parent.name == str(os.getpid()):
            continue
        with suppress(OSError):
            if f"Cpus_allowed_list:\t{core}\n" in status.read_text():
                fields = status.with_name("stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _figure(screen: str, found: dict[str, float]) -> Figure:
    group = f"{found['tiles']:.0f} streams, {found['strips']:.0f} on {screen}"
    return figure("frames_per_second", found["frames_per_second"], group, target=TARGET)


def main() -> int:
    """Print a line a screen; 1 if a target is missed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--streams", type=int, default=200)
    arguments.add_argument("--core", type=int, default=0)
    arguments.add_argument("--screen", choices=SCREENS, help="one of them alone")
    arguments.add_argument("--json", type=Path)
    options = arguments.parse_args()
    cores = os.sched_getaffinity(0)
    found = {}
    with tempfile.TemporaryDirectory() as directory, embedded_broker("noida") as servers:
        # What is started from here on inherits it.
        os.sched_setaffinity(0, cores - {options.core} or cores)
        bedside = Bedside(servers, Path(directory))
        with bedside.serving(), Devices(bedside, streams=options.streams, history_s=15):
            os.sched_setaffinity(0, {options.core})
            with chromium() as browser:
                for name in [options.screen] if options.screen else SCREENS:
                    found[name] = measure(browser, bedside.url, SCREENS[name], options.core)
                    sys.stdout.write(_line(name, found[name]))
    figures = [_figure(name, each) for name, each in found.items()]
    if options.json:
        report = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "figures": figures,
            "screens": found,
        }
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    return 0 if all(each.met for each in figures) else 1


def _line(name: str, found: dict[str, float]) -> str:
    return (
        f"{name}: {found['frames_per_second']:.1f} frames/s with {found['strips']:.0f} strips on the screen "
        f"of {found['tiles']:.0f} streams; longest {found['longest_frame_ms']:.0f} ms; the browser had "
        f"{100 * found['core_share']:.0f} % of the core, {found['core_ms_per_frame']:.1f} ms a frame\n"
    )


if __name__ == "__main__":
    sys.exit(main())
