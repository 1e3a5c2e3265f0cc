"""Verdicts and settings on the topics."""

from __future__ import annotations

import logging
import threading
import time
import uuid

import pytest

from monitor.broker.topics import create_topics
from monitor.errors import BrokerError
from monitor.formats.profiles import Profile, decode_profile
from monitor.formats.reviews import Opinion, Review, decode_review, partition_of
from monitor.web.writer import Writer
from tests.monitor.web.test_feed import read, reading, settings_on, write
from tests.support.daemon.harness import wait_until
from tests.support.web.made import START_US, chunk_value

pytestmark = pytest.mark.integration


def review(stream: str) -> Review:
    """Somebody's word on an event."""
    return Review(
        id=uuid.uuid4().hex,
        event_id=uuid.uuid4().hex,
        stream=stream,
        time_us=START_US,
        verdict=Opinion.FALSE_ALARM,
        by="Ada",
        at_us=START_US,
    )


def test_verdicts_lie_beside_their_streams(each_broker: str) -> None:
    """In the partition of the stream's signal, under the event's id; profiles under the stream's."""
    settings = settings_on(each_broker)
    create_topics(settings.kafka, 5)
    streams = [f"s{number}" for number in range(6)]
    said = [review(stream) for stream in streams]
    writer = Writer(settings.kafka)
    for each in said:
        writer.review(each)
        writer.profile(Profile(stream=each.stream, at_us=1, paced=True))
        write(settings, ("signal", each.stream.encode(), chunk_value(0, each.stream)))
    writer.close()
    with reading(settings) as made:
        wait_until(lambda: len(made.store.reviews("s5")) == 1 and made.feed.state == "ok", 20, "the records")
        assert [made.store.reviews(stream) for stream in streams] == [[each] for each in said]
    places = {
        topic: {record.key: record.partition for record in read(settings, topic)}
        for topic in ("signal", "feedback", "profiles")
    }
    for each in said:
        place = places["signal"][each.stream.encode()]
        assert place == partition_of(each.stream, range(5))
        assert places["feedback"][each.key] == places["profiles"][each.stream.encode()] == place
    assert {decode_review(record.value).id for record in read(settings, "feedback")} == {v.id for v in said}
    assert all(decode_profile(record.value, record.key) for record in read(settings, "profiles"))


def test_a_broker_that_is_away_is_an_error_soon() -> None:
    """In one line, without leaving a thread behind; the next try begins anew."""
    writer, threads = Writer(settings_on("127.0.0.1:1").kafka), set(threading.enumerate())
    began = time.monotonic()
    for _ in range(2):
        with pytest.raises(BrokerError, match="nothing listens"):
            writer.profile(Profile(stream="a", at_us=1))
    assert time.monotonic() - began < 5
    assert set(threading.enumerate()) <= threads
    writer.close()


@pytest.mark.kafka
def test_a_topic_that_is_missing_is_said(kafka_broker: str, caplog: pytest.LogCaptureFixture) -> None:
    """With the command that tells more."""
    caplog.set_level(logging.CRITICAL, "kafka")
    writer = Writer(settings_on(kafka_broker).kafka)
    with pytest.raises(BrokerError, match="feedback"):
        writer.review(review("a"))
    writer.close()
