"""The strip view in a browser: what is shown of an event, moving, measuring, keeping."""

from __future__ import annotations

import io
import re
import time
import zipfile
from pathlib import Path

import pytest
from msgspec.structs import replace
from playwright.sync_api import Page, expect

from monitor.formats.events import Event, Kind
from monitor.recordings.files import read_recording
from tests.support.web.bedside import Bedside, Devices, now_us
from tests.support.web.browser import ink, tile, wait_for
from tests.support.web.patients import RATE_HZ, Patient

pytestmark = pytest.mark.integration
STRIP = "canvas.strip"
_BED = "bed-001"


def _own(devices: Devices) -> list[Event]:
    return sorted((each for each in devices.sent if each.stream == _BED), key=lambda each: each.time_us)


def _open(page: Page, bedside: Bedside, event: Event) -> None:
    page.goto(f"{bedside.url}/strip/{_BED}?at={event.time_us}&span=6")
    page.wait_for_selector(f'.event[data-event="{event.id}"]')
    expect(page.locator(STRIP)).to_have_attribute("aria-label", re.compile(r", \d+ beats, [1-9]"))


def _facts(page: Page) -> dict[str, str]:
    names = page.locator(".event dt").all_inner_texts()
    return dict(zip(names, page.locator(".event dd").all_inner_texts(), strict=True))


def test_what_is_told_of_an_event_is_the_topics(page: Page, bedside: Bedside, devices: Devices) -> None:
    """Why, p-value, threshold, score, leads, part, intervals and model are those of its record in Kafka."""
    event = _own(devices)[0]
    record = next(each["data"] for each in bedside.read("events") if each["id"] == event.id)
    _open(page, bedside, event)
    facts = _facts(page)
    assert facts["Why"] == record["why"]
    assert facts["p-value"] == f"{record['p_value']:.1e} (raised below {record['threshold']:.1e})".replace(
        "e-0", "e-"
    )
    assert facts["Score"] == f"{record['score']:.2f} (higher is stranger)"
    assert facts["Leads"] == f"{', '.join(record['leads'])} (largest error first)"
    first, last = (f"{each * 1000:.0f}" for each in record["part_s"])
    assert facts["Part"] == f"{record['part']} {first} to {last} ms from the R peak"
    assert (
        facts["RR interval"]
        == f"{record['rr_s'] * 1000:.0f} ms, usually {record['usual_rr_s'] * 1000:.0f} ms"
    )
    assert facts["Model"] == f"{record['model']} {record['model_version']}"
    local = time.strftime("%M:%S", time.gmtime(record["time_us"] / 1e6))
    assert f":{local}.{record['time_us'] // 1000 % 1000:03d}, Europe/Berlin" in facts["When"]
    expect(page.locator("h2").first).to_contain_text("◆ strange beat")


def test_events_are_walked_by_key(page: Page, bedside: Bedside, devices: Devices) -> None:
    """n goes to the next event, p to the one before; the address follows."""
    first, second = _own(devices)[:2]
    _open(page, bedside, first)
    page.keyboard.press("n")
    expect(page.locator(f'.event[data-event="{second.id}"]')).to_be_visible()
    assert f"at={second.time_us}" in page.url
    page.keyboard.press("p")
    expect(page.locator(f'.event[data-event="{first.id}"]')).to_be_visible()
    page.keyboard.press("p")
    expect(page.locator("#notice")).to_have_text("No earlier event.")


def test_a_conflict_speaks_of_the_measurement(page: Page, bedside: Bedside, devices: Devices) -> None:
    """It is told with its reason, and is no alarm: not spoken, no coloured tile, no episode, no R peak."""
    quiet = Patient("bed-quiet", devices.began_us, seed=9, wide=())
    devices.patients.append(quiet)
    page.goto(bedside.url)
    mine = page.locator(tile(quiet.stream))
    expect(page.locator("#connection")).to_have_text("● live")
    why = "3 chunks dropped that did not fit (session 'b', sample 7, 250 Hz): two senders, or another"
    nothing = dict.fromkeys(("score", "p_value", "threshold", "part_s", "part", "rr_s", "usual_rr_s"))
    conflict = quiet.event((now_us() - devices.began_us) // 4000, Kind.STREAM_CONFLICT)
    conflict = replace(conflict, why=why, leads=(), **nothing)
    devices.tell(conflict)
    expect(mine.locator(".last")).to_contain_text("◆ conflicting signal, ")
    expect(mine.locator(".last")).to_contain_text(why)
    expect(mine).to_have_class("tile")  # not stale either, which would hide its colour
    expect(mine).to_have_attribute("data-priority", "0")
    expect(mine.locator(".state")).not_to_contain_text("now:")
    assert quiet.stream not in page.locator("#alarms").inner_text()
    page.goto(f"{bedside.url}/strip/{quiet.stream}?at={conflict.time_us}")
    expect(page.locator(f'.event[data-event="{conflict.id}"] h2')).to_contain_text("◆ conflicting signal")
    facts = _facts(page)
    devices.patients.remove(quiet)
    assert facts.keys() == {"When", "Why", "Priority", "Model"}
    assert (facts["Why"], facts["Priority"]) == (why, "◆ priority 2, look soon")
    assert "R peak" not in facts["When"]


def test_a_link_to_an_old_event_finds_it(page: Page, bedside: Bedside, devices: Devices) -> None:
    """Also where many have come since, and its signal is not kept any more: why it was raised is told."""
    patient = next(each for each in devices.patients if each.stream == "bed-002")
    old = patient.event(-120 * RATE_HZ)  # two minutes before the signal begins
    for second in range(230):
        devices.tell(patient.event(-100 * RATE_HZ + 10 * second, Kind.BEAT_LATE))
    devices.tell(old)
    devices.flush()

    begins_us = old.time_us + 120_000_000
    signal = f"{bedside.url}/api/overview/bed-002?from_us={begins_us}&to_us={begins_us + 5_000_000}"

    def has_come() -> bool:
        around = f"before_us={old.time_us + 1}&after_us={old.time_us - 1}"
        told = page.request.get(f"{bedside.url}/api/events?stream=bed-002&{around}")
        return old.id in told.text() and page.request.get(signal).ok

    wait_for(has_come, what="the event and the stream's signal")  # or the page is told that there is none
    page.goto(f"{bedside.url}/strip/bed-002?at={old.time_us}&span=6&event={old.id}")
    expect(page.locator(f'.event[data-event="{old.id}"]')).to_contain_text(old.why)
    page.keyboard.press("n")
    later = patient.event(-100 * RATE_HZ, Kind.BEAT_LATE)
    expect(page.locator(f'.event[data-event="{later.id}"]')).to_be_visible()


def test_a_muted_stream_says_so_on_its_strip(page: Page, bedside: Bedside, devices: Devices) -> None:
    """As its tile does."""
    profile = {"by": "Anna", "muted_until_us": now_us() + 3600_000_000}
    page.goto(f"{bedside.url}/strip/bed-003")
    put = """([stream, profile]) => fetch(`/api/profiles/${stream}`, {
        method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify(profile),
    }).then((answer) => answer.status)"""
    assert page.evaluate(put, ["bed-003", profile]) in (200, 201)
    expect(page.locator("h1 + p")).to_contain_text("⊘ muted until ")


def test_a_link_reopens_the_same_moment(page: Page, bedside: Bedside, devices: Devices) -> None:
    """The address after scrolling and zooming, opened anew, shows the same picture of the same event."""
    _open(page, bedside, _own(devices)[0])
    before = ink(page, STRIP)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("-")
    wait_for(lambda: ink(page, STRIP) != before, what="another picture")
    page.keyboard.press("e")  # without the model's expectation, which comes when it comes
    expect(page.locator(STRIP)).to_have_attribute("aria-label", re.compile("8 beats|9 beats|10 beats"))
    label, address = page.locator(STRIP).get_attribute("aria-label"), page.url
    again = page.context.new_page()
    again.goto(address)
    expect(again.locator(STRIP)).to_have_attribute("aria-label", label or "")
    assert again.locator(".event").get_attribute("data-event") == page.locator(".event").get_attribute(
        "data-event"
    )


def test_signs_are_clicked_and_the_strip_is_dragged(page: Page, bedside: Bedside, devices: Devices) -> None:
    """A click on an event's sign chooses it; dragging goes back in time by what was dragged."""
    first, second = _own(devices)[:2]
    page.goto(f"{bedside.url}/strip/{_BED}?at={(first.time_us + second.time_us) // 2}&span=30")
    expect(page.locator(STRIP)).to_have_attribute("aria-label", re.compile(r"[1-9]\d* beats, [1-9]"))
    box = page.locator(STRIP).bounding_box()
    assert box is not None
    px_per_s = (box["width"] - 58 - 12) / 30
    at = box["x"] + 58 + (15 + (second.time_us - first.time_us) / 2e6) * px_per_s
    page.mouse.click(at, box["y"] + 18)
    expect(page.locator(f'.event[data-event="{second.id}"]')).to_be_visible()
    page.mouse.move(at, box["y"] + 150)
    page.mouse.down()
    page.mouse.move(at + 100, box["y"] + 150, steps=4)
    page.mouse.up()
    moved_us = second.time_us - int(re.findall(r"at=(\d+)", page.url)[0])
    assert moved_us == pytest.approx(100 / px_per_s * 1e6, rel=0.05)


def test_callipers_measure(page: Page, bedside: Bedside, devices: Devices) -> None:
    """Moved by keys, they tell ms, beats a minute and mV between them."""
    _open(page, bedside, _own(devices)[0])
    page.keyboard.press("m")
    expect(page.locator(".readout")).to_have_text("600 ms (100 /min), 0.50 mV")
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    for _ in range(4):
        page.keyboard.press("ArrowUp")
    expect(page.locator(".readout")).to_have_text("800 ms (75 /min), 0.70 mV")
    handle = page.locator(".handle").nth(1)
    box = handle.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 11, box["y"] + 11)
    page.mouse.down()
    page.mouse.move(box["x"] + 11 + 98, box["y"] + 11 - 20)  # 20 px are half a millivolt
    page.mouse.up()
    read = re.fullmatch(r"(\d+) ms \(\d+ /min\), 0\.20 mV", page.locator(".readout").inner_text())
    assert read is not None
    assert int(read[1]) == pytest.approx(800 + 98 / _px_per_ms(page), abs=4)


def _px_per_ms(page: Page) -> float:
    width = page.eval_on_selector(STRIP, "canvas => canvas.clientWidth")
    return float(width - 58 - 12) / 6000


def test_a_strip_is_kept_as_picture(page: Page, bedside: Bedside, devices: Devices, tmp_path: Path) -> None:
    """The PNG has the size of what is seen and is not empty."""
    _open(page, bedside, _own(devices)[0])
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as PNG").click()
    path = tmp_path / "strip.png"
    download.value.save_as(path)
    png = path.read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    size = [int.from_bytes(png[at : at + 4], "big") for at in (16, 20)]
    assert size == page.eval_on_selector(STRIP, "canvas => [canvas.width, canvas.height]")
    assert len(png) > 10_000
    assert re.fullmatch(_BED + r"-\d{4}-\d\d-\d\dT\d{6}\.\d{3}Z\.png", download.value.suggested_filename)


def test_a_strip_is_kept_as_wfdb(page: Page, bedside: Bedside, devices: Devices, tmp_path: Path) -> None:
    """The record holds the signal that is seen, at its own rate."""
    event = _own(devices)[0]
    _open(page, bedside, event)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as a WFDB record").click()
    download.value.save_as(tmp_path / "strip.zip")
    with zipfile.ZipFile(io.BytesIO((tmp_path / "strip.zip").read_bytes())) as archive:
        archive.extractall(tmp_path)
    (header,) = tmp_path.rglob("*.hea")
    record = read_recording(header.with_suffix(""))
    assert (record.rate_hz, [lead.name for lead in record.leads]) == (250.0, ["MLII", "V1"])
    assert len(record) == pytest.approx(6 * 250, abs=2)
    assert record.adc[:, 0].max() / record.leads[0].gain == pytest.approx(1.6, abs=0.1)  # the wide beat


def test_zooming_out_shows_minutes(page: Page, bedside: Bedside, devices: Devices) -> None:
    """Beyond the samples' span least and greatest of each column are drawn, and the scale is told."""
    _open(page, bedside, _own(devices)[0])
    for _ in range(8):
        page.keyboard.press("-")
    expect(page.locator("body")).to_contain_text("overview: least and greatest of each column")
    expect(page.locator("body")).to_contain_text("10 mm/mV")


def test_a_strip_at_the_newest_sample_grows(page: Page, bedside: Bedside, devices: Devices) -> None:
    """A moment that was opened while it happened is filled as its signal comes, without following."""
    page.goto(f"{bedside.url}/strip/{_BED}?at={now_us() + 3_000_000}&span=8")
    expect(page.locator(STRIP)).to_have_attribute("aria-label", re.compile(r", \d beats"))

    def beats() -> int:
        return int(re.findall(r"(\d+) beats", str(page.locator(STRIP).get_attribute("aria-label")))[0])

    at_first = beats()
    wait_for(lambda: beats() >= at_first + 3, what="three beats more")


def test_the_live_strip_moves(page: Page, bedside: Bedside, devices: Devices) -> None:
    """Following the newest signal, it shows another second each second."""
    page.goto(f"{bedside.url}/strip/{_BED}")
    expect(page.locator(STRIP)).to_have_attribute("aria-label", re.compile(r"[1-9]\d* beats"))
    label = page.locator(STRIP).get_attribute("aria-label")
    wait_for(lambda: page.locator(STRIP).get_attribute("aria-label") != label, 5, "another second")
