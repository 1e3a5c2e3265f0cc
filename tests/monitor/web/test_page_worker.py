"""The whole path: record 208, a worker with the bundled model, and its events on the page."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka import TopicPartition
from playwright.sync_api import Browser, Page, expect

from monitor.broker.clients import open_reader
from tests.support.web.bedside import PARTITIONS, Bedside, Devices
from tests.support.web.browser import Complaints, new_context, tile, wait_for

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]
WANTED = 3  # events that must have come up
_STREAM = "record-208"
# When each event's id is first seen on a tile, ms since the epoch.
_WATCH = """() => {
    window.seen = {};
    const look = () => {
        const id = document.querySelector(".last")?.dataset.event;
        if (id && !(id in window.seen)) window.seen[id] = Date.now();
    };
    new MutationObserver(look).observe(document.body, {
        subtree: true, childList: true, attributes: true, attributeFilter: ["data-event"],
    });
}"""


@contextmanager
def _kafka_log(bedside: Bedside) -> Iterator[dict[str, tuple[float, dict[str, object]]]]:
    """When each committed event can be read, s since the epoch, and its data; filled by a thread."""
    found: dict[str, tuple[float, dict[str, object]]] = {}
    stop = threading.Event()

    def follow() -> None:
        reader = open_reader(bedside.kafka, isolation_level="read_committed")
        places = [TopicPartition(bedside.kafka.topics.events, number) for number in range(PARTITIONS)]
        reader.assign(places)
        reader.seek_to_beginning(*places)
        while not stop.is_set():
            for batch in reader.poll(timeout_ms=50).values():
                for record in batch:
                    event = json.loads(record.value)
                    found[event["id"]] = (time.time(), event["data"])
        reader.close()

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join(10)


def _shown(page: Page) -> dict[str, int]:
    seen: dict[str, int] = page.evaluate("window.seen")
    return seen


def test_an_anomaly_of_record_208_is_on_the_page_within_3_s(
    browser: Browser, noida_broker: str, tmp_path: Path, complaints: Complaints
) -> None:
    """From the moment at which its event can be read; and what is told of it is what the worker said."""
    bedside = Bedside(noida_broker, tmp_path)
    with bedside.working(), bedside.serving(), _kafka_log(bedside) as log:
        context = new_context(browser)
        page = context.new_page()
        complaints.listen(page)
        page.goto(bedside.url)
        page.evaluate(_WATCH)
        with Devices(bedside, streams=0, history_s=30, excerpts={_STREAM: 100}):
            expect(page.locator(tile(_STREAM))).to_be_visible()
            wait_for(lambda: len(_shown(page)) >= WANTED, 90, f"{WANTED} events on the tile")
            shown = _shown(page)
            late_s = {each: at_ms / 1000 - log[each][0] for each, at_ms in shown.items()}
            assert max(late_s.values()) < 3.0
            assert {log[each][1]["kind"] for each in shown} & {"beat.morphology", "beat.early"}
            _reads_as_in_kafka(page, bedside, log)
        context.close()
    assert complaints == []


def _reads_as_in_kafka(page: Page, bedside: Bedside, log: dict[str, tuple[float, dict[str, object]]]) -> None:
    """Why, score and model of an event, and that the model's expectation is drawn."""
    event, (_, data) = next(
        (each, told) for each, told in log.items() if told[1]["kind"] == "beat.morphology"
    )
    with page.expect_response("**/api/reconstruction/**", timeout=60_000) as answer:
        page.goto(f"{bedside.url}/strip/{_STREAM}?at={data['time_us']}&span=6&event={event}")
    facts = page.locator(f'.event[data-event="{event}"]')
    expect(facts).to_contain_text(str(data["why"]))
    expect(facts).to_contain_text(f"{data['score']:.2f} (higher is stranger)")
    expect(facts).to_contain_text(f"{data['model']} {data['model_version']}")
    windows = answer.value.json()["windows"]
    mine = next(each for each in windows if each["sample"] == data["r_peak_sample"])
    assert mine["score"] == pytest.approx(data["score"], rel=1e-5)
    assert len(mine["parts"][0]["expected"]) == len(mine["parts"][0]["observed"]) > 50
