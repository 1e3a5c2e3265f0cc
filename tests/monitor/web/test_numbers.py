"""What a browser is shown against what is in Kafka, number by number."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from monitor.broker.topics import create_topics
from monitor.formats.beats import decode_beats, encode_beats
from monitor.formats.events import encode_event
from monitor.web.app import Page
from tests.monitor.web.test_feed import read, settings_on, write
from tests.monitor.web.views.test_strips import samples
from tests.support.daemon.harness import wait_until
from tests.support.web.judged import SECONDS, judged
from tests.support.web.made import START_US
from tests.support.web.pages import client

pytestmark = pytest.mark.integration


def test_the_page_shows_what_is_in_kafka(noida_broker: str) -> None:
    """Every event's data and id, every beat's time, score and p-value, every sample, and the heart rate."""
    settings = settings_on(noida_broker)
    create_topics(settings.kafka, 1)
    made = judged()
    values = made.store.look("p", lambda known: [held.value for held in known.history])
    assert values is not None
    write(settings, *(("signal", b"p", value) for value in values))
    write(settings, ("beats", None, encode_beats(made.windows)))
    write(settings, *(("events", b"p", encode_event(event)) for event in made.events))
    page = Page(settings)
    with client(page) as browser:
        wait_until(
            lambda: page.feed.state == "ok" and len(page.store.events()) == len(made.events), 30, "all"
        )
        end_us = START_US + SECONDS * 1_000_000
        events = browser.get("/api/events?limit=1000&stream=p").json()["events"]
        strip = browser.get(f"/api/strip/p?from_us={START_US}&to_us={end_us}").json()
        wait_until(lambda: bool(page.hub._rows), 10, "a row")
        row = page.hub._rows["p"][0]

    _same_events(events, [msgspec.json.decode(record.value) for record in read(settings, "events")])
    _same_beats(strip["beats"], next(decode_beats(record.value) for record in read(settings, "beats")))
    sent_uv = np.rint(1000 * made.recording.ecg_mv.astype(np.float64))
    for column, lead in enumerate(strip["leads"]):
        assert np.array_equal(samples(lead), sent_uv[:, column])
    beats = [i for i, kind in enumerate(made.windows.kind) if kind != "fixed"]
    assert row["heart_rate"] == round(60 / float(np.median(made.windows.rr_s[beats][-8:])))


def _same_events(shown: list[dict[str, Any]], in_kafka: list[dict[str, Any]]) -> None:
    assert len(shown) == len(in_kafka) > 5
    wanted = {event["id"]: event["data"] for event in in_kafka}
    for event in shown:
        own = {key: value for key, value in event.items() if key not in ("id", "verdict", "muted")}
        data = wanted.pop(event["id"])
        data.pop("latent", None)
        assert own == data
    assert wanted == {}


def _same_beats(shown: list[dict[str, Any]], in_kafka: Any) -> None:
    beats = [i for i, kind in enumerate(in_kafka.kind) if kind != "fixed"]
    assert [beat["sample"] for beat in shown] == in_kafka.sample[beats].tolist()
    for beat, i in zip(shown, beats, strict=True):
        assert beat["time_us"] == in_kafka.time_us[i]
        for name in ("score", "p_value", "rr_s"):
            value = getattr(in_kafka, name)[i]
            assert beat[name] is None if np.isnan(value) else np.float32(beat[name]) == value
        assert (beat["kind"], beat["quality"]) == (in_kafka.kind[i], in_kafka.quality[i])
