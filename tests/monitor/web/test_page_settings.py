"""Per-stream settings in a browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support.web.bedside import Bedside, Devices, now_us
from tests.support.web.browser import Complaints, tile, wait_for

pytestmark = pytest.mark.integration


def _dialog(page: Page, bedside: Bedside, stream: str) -> None:
    page.goto(bedside.url)
    page.get_by_role("button", name=f"Settings of {stream}").click()
    expect(page.locator("dialog.settings")).to_be_visible()


def test_a_muted_stream_is_visibly_muted(page: Page, bedside: Bedside, devices: Devices) -> None:
    """The record reaches `ecg.profiles`; the tile says until when, and goes behind the others."""
    _dialog(page, bedside, "bed-002")
    page.fill('dialog [name="by"]', "Anna")
    page.get_by_role("button", name="1 h", exact=True).click()
    page.fill('dialog [name="budget"]', "1.5")
    page.check('dialog [name="paced"]')
    page.fill('dialog [name="leads"]', "II, V5")
    page.get_by_role("button", name="Keep").click()
    expect(page.locator("dialog")).to_have_count(0)
    record = next(each for each in bedside.read("profiles") if each["stream"] == "bed-002")
    assert (record["by"], record["false_alarm_budget_per_hour"], record["paced"]) == ("Anna", 1.5, True)
    assert record["lead_names"] == ["II", "V5"]
    assert record["muted_until_us"] == pytest.approx(now_us() + 3600e6, abs=120e6)
    state = page.locator(tile("bed-002")).locator(".state")
    expect(state).to_contain_text("⊘ muted until ")
    expect(state).to_contain_text("↯ paced")
    last = 'document.querySelector(".tile:last-child").dataset.stream'
    wait_for(lambda: page.evaluate(last) == "bed-002", 15, "the muted tile to be last")


def test_settings_are_shown_as_they_are(page: Page, bedside: Bedside, devices: Devices) -> None:
    """What was kept is in the dialog again; all of it can be taken away."""
    _dialog(page, bedside, "bed-003")
    page.fill('dialog [name="by"]', "Ben")
    page.fill('dialog [name="budget"]', "2")
    page.get_by_role("button", name="Keep").click()
    expect(page.locator("dialog")).to_have_count(0)
    _dialog(page, bedside, "bed-003")
    expect(page.locator('dialog [name="budget"]')).to_have_value("2")
    expect(page.locator("dialog")).to_contain_text("last changed by Ben at ")
    page.fill('dialog [name="budget"]', "")
    page.get_by_role("button", name="Keep").click()
    expect(page.locator("dialog")).to_have_count(0)
    wait_for(lambda: bedside.read("profiles")[-1]["stream"] == "bed-003", what="the record")
    assert bedside.read("profiles")[-1].get("false_alarm_budget_per_hour") is None


def test_what_the_server_refuses_is_told(
    page: Page, bedside: Bedside, devices: Devices, complaints: Complaints
) -> None:
    """A bad value keeps the dialog open and says why."""
    _dialog(page, bedside, "bed-001")
    page.fill('dialog [name="by"]', "Cleo")
    page.fill('dialog [name="leads"]', "II, II")
    page.get_by_role("button", name="Keep").click()
    expect(page.locator("dialog .failure")).to_have_text("Not kept: lead names repeat.")
    assert [each for each in bedside.read("profiles") if each["stream"] == "bed-001"] == []
    (complaint,) = complaints  # Chromium itself tells of every refused request
    assert "400" in complaint
    complaints.clear()
