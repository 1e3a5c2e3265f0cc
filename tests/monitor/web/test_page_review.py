"""Review in a browser: verdicts reach `ecg.feedback`, and are taken back."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.web.bedside import Bedside, Devices, now_us
from tests.support.web.browser import ink, wait_for

pytestmark = pytest.mark.integration


def _review(page: Page, bedside: Bedside, who: str = "Anna") -> str:
    """The review page of one stream with a name filled in; returns the chosen event's id."""
    page.goto(f"{bedside.url}/review?stream=bed-001")
    page.fill("#who", who)
    page.press("#who", "Escape")
    page.wait_for_selector(".event")
    return str(page.get_attribute(".event", "data-event"))


def _reviews(bedside: Bedside, by: str) -> list[dict[str, Any]]:
    return [each for each in bedside.read("feedback") if each["by"] == by]


def test_a_verdict_reaches_the_topic(page: Page, bedside: Bedside, devices: Devices) -> None:
    """One key; the record says which event, what, who and when, and the next event comes up."""
    before_us = now_us()
    event = _review(page, bedside, "Anna")
    page.keyboard.press("f")
    expect(page.locator("#notice")).to_contain_text("Kept: false alarm.")
    (record,) = _reviews(bedside, "Anna")
    assert (record["event_id"], record["stream"], record["verdict"]) == (event, "bed-001", "false_alarm")
    assert before_us <= record["at_us"] <= now_us()
    assert record["time_us"] == next(each.time_us for each in devices.sent if each.id == event)
    expect(page.locator(f'.event[data-event="{event}"]')).to_have_count(0)


def test_a_verdict_is_taken_back(page: Page, bedside: Bedside, devices: Devices) -> None:
    """u writes a record that undoes the last one, and the event is open again."""
    event = _review(page, bedside, "Ben")
    page.keyboard.press("c")
    expect(page.locator("#notice")).to_contain_text("Kept: confirmed.")
    page.keyboard.press("u")
    expect(page.locator("#notice")).to_contain_text("Undone: confirmed.")
    first, second = _reviews(bedside, "Ben")
    assert (first["verdict"], second["undoes"]) == ("confirmed", first["id"])
    expect(page.locator(f'.event[data-event="{event}"]')).to_contain_text("Not reviewed yet.")


def test_another_kind_is_said(page: Page, bedside: Bedside, devices: Devices) -> None:
    """o sends the kind that is chosen beside the button."""
    _review(page, bedside, "Cleo")
    page.select_option(".event select.kind", "beat.early")
    page.keyboard.press("Escape")
    page.locator("body").press("o")
    expect(page.locator("#notice")).to_contain_text("Kept: another kind: early beat.")
    (record,) = _reviews(bedside, "Cleo")
    assert (record["verdict"], record["kind"]) == ("other", "beat.early")


def test_who_and_when_are_shown_after_a_reload(page: Page, bedside: Bedside, devices: Devices) -> None:
    """The name is remembered by the browser, the verdict by the topic."""
    event = _review(page, bedside, "Dora")
    page.keyboard.press("c")
    expect(page.locator("#notice")).to_contain_text("Kept")
    page.goto(f"{bedside.url}/strip/bed-001?at={_time_of(devices, event)}&event={event}")
    expect(page.locator(".verdict")).to_contain_text("✓ confirmed, by Dora at ")
    expect(page.locator("#who")).to_have_value("Dora")
    page.locator(".verdict button").click()
    expect(page.locator(".event")).to_contain_text("Not reviewed yet.")


def _time_of(devices: Devices, event: str) -> int:
    return next(each.time_us for each in devices.sent if each.id == event)


def test_no_verdict_without_a_name(page: Page, bedside: Bedside, devices: Devices) -> None:
    """The page asks who one is, and keeps nothing."""
    page.goto(f"{bedside.url}/review")
    page.wait_for_selector(".event")
    before = len(bedside.read("feedback"))
    page.keyboard.press("c")
    expect(page.locator("#notice")).to_contain_text("Say who you are first")
    expect(page.locator("#who")).to_be_focused()
    assert len(bedside.read("feedback")) == before


def test_a_missed_event_is_marked(page: Page, bedside: Bedside, devices: Devices) -> None:
    """x on the strip sends its middle as missed, with the kind that is chosen."""
    at_us = devices.sent[0].time_us + 2_000_000
    page.goto(f"{bedside.url}/strip/bed-001?at={at_us}&span=5")
    page.fill("#who", "Eva")
    page.press("#who", "Escape")
    page.select_option(".tools-strip select.kind", "run")
    page.locator(".stage").focus()
    page.keyboard.press("x")
    expect(page.locator("#notice")).to_contain_text("Kept: missed by the monitor")
    (record,) = _reviews(bedside, "Eva")
    assert (record["event_id"], record["verdict"], record["kind"]) == (None, "missed", "run")
    assert record["time_us"] == pytest.approx(at_us, abs=1000)
    before = ink(page, "canvas.strip")
    page.keyboard.press("u")
    expect(page.locator("#notice")).to_contain_text("Undone")
    wait_for(lambda: ink(page, "canvas.strip") != before, what="the mark to go")


def test_a_group_is_judged_at_once(page: Page, bedside: Bedside, devices: Devices) -> None:
    """All its events that nobody has judged get one verdict, and one undo takes the step back."""
    page.goto(f"{bedside.url}/review?stream=bed-002")
    page.fill("#who", "Finn")
    page.press("#who", "Escape")
    card = page.locator(".group-card").first
    expect(card).to_contain_text("not reviewed")
    count = int(card.locator("button").first.inner_text().split()[-1])
    assert count > 1
    card.locator("button").first.click()
    expect(page.locator("#notice")).to_contain_text(f"({count} events)")
    wait_for(lambda: len(_reviews(bedside, "Finn")) == count, what="verdicts")
    assert len({each["event_id"] for each in _reviews(bedside, "Finn")}) == count
    page.locator("body").press("u")
    wait_for(lambda: len(_reviews(bedside, "Finn")) == 2 * count, what="undone verdicts")


def test_agreement_counts_verdicts(page: Page, bedside: Bedside, devices: Devices) -> None:
    """The page's figures are those of the verdicts that stand."""
    page.goto(f"{bedside.url}/review?stream=bed-003")
    page.fill("#who", "Gil")
    page.press("#who", "Escape")
    page.wait_for_selector(".event")
    for key, words in (("c", "Kept: confirmed"), ("c", "Kept: confirmed"), ("f", "Kept: false alarm")):
        event = page.get_attribute(".event", "data-event")
        page.keyboard.press(key)
        expect(page.locator("#notice")).to_contain_text(words)
        expect(page.locator(f'.event[data-event="{event}"]')).to_have_count(0)
    page.locator("body").press("a")
    row = page.locator("tr", has=page.get_by_role("link", name="bed-003"))
    expect(row.locator('[data-name="confirmed"]')).to_have_text("2")
    expect(row.locator('[data-name="false_alarm"]')).to_have_text("1")
    expect(row.locator('[data-name="agreement"]')).to_have_text("67 %")
    expect(row.locator('[data-name="false_alarms_per_hour"]')).to_contain_text("/h")
