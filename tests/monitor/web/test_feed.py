"""The thread that reads Kafka: history and news, bad records, a broker that goes away."""

from __future__ import annotations

import gc
import logging
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError

from monitor.broker import embedded
from monitor.broker.clients import open_admin, open_producer, open_reader
from monitor.broker.embedded import embedded_broker, free_ports
from monitor.broker.reading import partitions_of
from monitor.broker.topics import create_topics
from monitor.config import Settings, load_settings
from monitor.formats.beats import encode_beats
from monitor.formats.events import encode_event
from monitor.formats.profiles import Profile, encode_profile
from monitor.formats.reviews import Opinion, Review, encode_review, partition_of
from monitor.web.feed import MAX_UNANSWERED, Feed, Fresh
from monitor.web.held.store import Store
from monitor.web.metrics import WebMetrics, new_web_metrics
from tests.support.daemon.harness import wait_until
from tests.support.daemon.unreadable import write_bad_headers
from tests.support.web.made import START_US, chunk_value, event, limits, windows

pytestmark = pytest.mark.integration
TOPICS = ("signal", "events", "beats", "state", "deadletter", "profiles", "feedback")


def settings_on(servers: str, **web: Any) -> Settings:
    """Topics of a test's own."""
    own = uuid.uuid4().hex[:8]
    names = {f"kafka.topics.{name}": f"{own}.{name}" for name in TOPICS}
    flags = {"kafka.bootstrap_servers": servers, **names}
    return load_settings(None, flags | {f"web.{key}": value for key, value in web.items()})


class Reading:
    """A feed at work, and what it told."""

    def __init__(self, settings: Settings) -> None:
        self.store, self.metrics = Store(limits()), new_web_metrics()
        self.told: list[Fresh] = []
        self.feed = Feed(settings.kafka, settings.web, self.store, self.metrics, self.told.append)

    def count(self, metric: str, topic: str = "") -> float:
        """A counter's value."""
        collector = getattr(self.metrics, metric)
        return float((collector.labels(topic) if topic else collector)._value.get())


@contextmanager
def reading(settings: Settings) -> Iterator[Reading]:
    """A feed that is stopped at the end."""
    made = Reading(settings)
    made.feed.start()
    try:
        yield made
    finally:
        made.feed.stop()


def write(settings: Settings, *records: tuple[str, bytes | None, bytes | None], **options: Any) -> None:
    """Produce (topic, key, value)."""
    producer = open_producer(settings.kafka)
    try:
        for topic, key, value in records:
            producer.send(getattr(settings.kafka.topics, topic), value, key=key, **options)
        producer.flush(timeout=20)
    finally:
        producer.close(timeout=5)


def read(settings: Settings, topic: str) -> list[Any]:
    """All records of a topic."""
    name = getattr(settings.kafka.topics, topic)
    reader = open_reader(settings.kafka)
    try:
        places = partitions_of(reader, name)
        ends = reader.end_offsets(places)
        reader.assign(places)
        records: list[Any] = []
        while any((reader.position(place) or 0) < ends[place] for place in places):
            for batch in reader.poll(timeout_ms=100).values():
                records += batch
        return records
    finally:
        reader.close()


def review(event_id: str) -> Review:
    """Somebody's word on an event."""
    return Review(
        id=uuid.uuid4().hex,
        event_id=event_id,
        stream="a",
        time_us=START_US,
        verdict=Opinion.CONFIRMED,
        by="Ada",
        at_us=1,
    )


def test_history_and_news_of_every_topic_are_read(each_broker: str) -> None:
    """A late viewer has what came before; what comes then is told."""
    settings = settings_on(each_broker)
    create_topics(settings.kafka, 3)
    found = event(500)
    place = partition_of("a", range(3))
    write(
        settings,
        *(("signal", b"a", chunk_value(number)) for number in range(5)),
        ("events", b"a", encode_event(found)),
    )
    write(settings, ("beats", None, encode_beats(windows([(500, "beat", False, "good")]))), partition=place)
    write(settings, ("feedback", found.id.encode(), encode_review(review(found.id))), partition=place)
    write(settings, ("profiles", b"a", encode_profile(Profile(stream="a", at_us=1, paced=True))))
    with reading(settings) as made:
        wait_until(lambda: made.store.profile("a") is not None and made.feed.state == "ok", 20, "the history")
        wait_until(lambda: bool(made.store.reviews("a")), 20, "the verdict")
        assert made.told == []
        assert made.store.look("a", lambda known: len(known.history)) == 5
        beats = made.store.look("a", lambda known: known.beats.rows("s")["sample"].tolist())
        assert beats == [500]
        assert made.store.page_event(made.store.events("a")[0])["verdict"].by == "Ada"
        write(settings, ("signal", b"a", chunk_value(5)), ("events", b"a", encode_event(event(700))))
        wait_until(lambda: len(made.told) > 0 and len(made.store.events()) == 2, 10, "the news")
        wait_until(
            lambda: [e.event.r_peak_sample for f in made.told for e in f.events] == [700], 10, "the event"
        )
        assert [stream for fresh in made.told for stream, _ in fresh.frames] == ["a"]
        write(settings, ("profiles", b"a", None))
        wait_until(lambda: made.store.profile("a") is None, 10, "the tombstone")


def test_old_signal_is_not_read(each_broker: str) -> None:
    """No further back than is shown."""
    settings = settings_on(each_broker, history_s=60.0)
    create_topics(settings.kafka, 1)
    old_ms = round(1000 * (time.time() - 300))
    write(settings, *(("signal", b"a", chunk_value(number)) for number in range(5)), timestamp_ms=old_ms)
    write(settings, *(("signal", b"a", chunk_value(number)) for number in range(5, 8)))
    with reading(settings) as made:
        wait_until(lambda: made.count("records", settings.kafka.topics.signal) == 3, 20, "three records")
        wait_until(lambda: made.feed.state == "ok", 10, "the end of the history")


def test_nothing_is_committed_and_no_group_joined(broker: str) -> None:
    """Workers can't be slowed by a page that they don't know of."""
    settings = settings_on(broker)
    create_topics(settings.kafka, 1)
    write(settings, ("signal", b"a", chunk_value(0)))
    admin = open_admin(settings.kafka)
    before = sorted(group["group_id"] for group in admin.list_groups())
    with reading(settings) as made:
        wait_until(lambda: made.store.knows("a"), 20, "the signal")
        assert sorted(group["group_id"] for group in admin.list_groups()) == before
        assert made.feed._consumer.config["group_id"] is None
    admin.close()


def test_a_bad_record_harms_only_itself(noida_broker: str) -> None:
    """It is left out and counted, on every topic."""
    settings = settings_on(noida_broker)
    create_topics(settings.kafka, 1)
    topics = ("signal", "events", "beats", "feedback", "profiles")
    bad: list[bytes | None] = [b"", b"\xc1\xff", b"[]", b"{}", msgspec.msgpack.encode({"schema": 1}), b"null"]
    bad += [
        b'{"schema":1,"columns":{}}',
        msgspec.msgpack.encode({"schema": 1, "columns": {"sample": b"123"}}),
    ]
    write(settings, *((topic, b"a", value) for topic in topics for value in bad))
    short = windows([(1, "beat", False, "good"), (2, "beat", False, "good")])
    short.kind.pop()
    write(settings, ("signal", b"b", chunk_value(0)), ("beats", None, encode_beats(short)))
    write(settings, ("signal", b"a", chunk_value(0)))
    with reading(settings) as made:
        wait_until(lambda: made.store.knows("a"), 20, "the good record")
        wait_until(lambda: made.feed.state == "ok", 20, "the end of the history")
        names = settings.kafka.topics
        assert made.count("bad_records", names.signal) == len(bad) + 1  # one has another stream's key
        assert made.count("bad_records", names.beats) == len(bad) + 1
        for name in (names.events, names.feedback, names.profiles):
            assert made.count("bad_records", name) == len(bad)


@pytest.mark.kafka
def test_what_cannot_be_read_is_passed_over(kafka_broker: str) -> None:
    """A header that is no text stops no topic: it is counted, and what follows is shown."""
    settings = settings_on(kafka_broker)
    create_topics(settings.kafka, 1)
    names = [getattr(settings.kafka.topics, topic) for topic in ("signal", "events", "beats", "feedback")]
    for name in names:
        write_bad_headers(settings, name, [(b"a", chunk_value(0))])
    write(settings, ("signal", b"a", chunk_value(1)))
    with reading(settings) as made:
        wait_until(lambda: made.store.knows("a") and made.feed.state == "ok", 20, "the good record")
        assert [made.count("bad_records", name) for name in names] == [1, 1, 1, 1]
        assert made.count("poll_errors") == 0
        assert made.store.look("a", lambda known: len(known.history)) == 1


def test_what_is_not_committed_is_not_shown(broker: str) -> None:
    """An event of a transaction that was aborted never was."""
    settings = settings_on(broker)
    create_topics(settings.kafka, 1)
    with reading(settings) as made:
        producer = open_producer(settings.kafka, f"t-{uuid.uuid4().hex}")
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(settings.kafka.topics.events, encode_event(event(100)), key=b"a")
        producer.flush(timeout=10)
        producer.abort_transaction()
        producer.begin_transaction()
        producer.send(settings.kafka.topics.events, encode_event(event(200)), key=b"a")
        producer.commit_transaction()
        producer.close(timeout=5)
        wait_until(lambda: bool(made.store.events("a")), 20, "the committed event")
        assert [held.event.r_peak_sample for held in made.store.events("a")] == [200]


def test_an_open_transaction_does_not_hold_up_the_news(
    each_broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What follows it in its partition is hidden; the other streams are live."""
    monkeypatch.setattr("monitor.web.feed.QUIET_S", 1.0)
    settings = settings_on(each_broker)
    create_topics(settings.kafka, 1)
    producer = open_producer(settings.kafka, f"t-{uuid.uuid4().hex}")
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(settings.kafka.topics.events, encode_event(event(100)), key=b"a")
    producer.flush(timeout=10)
    with reading(settings) as made:
        write(settings, ("signal", b"a", chunk_value(0)))
        wait_until(lambda: made.feed.state == "ok", 20, "the end of the history")
        write(settings, ("signal", b"a", chunk_value(1)))
        wait_until(lambda: bool(made.told), 10, "the news")
        assert made.store.events("a") == []
        producer.commit_transaction()
        wait_until(lambda: bool(made.store.events("a")), 10, "the event")
    producer.close(timeout=5)


def test_an_aborted_transaction_at_the_end_is_passed(each_broker: str) -> None:
    """A history that ends with one is read to its end all the same."""
    settings = settings_on(each_broker)
    create_topics(settings.kafka, 1)
    producer = open_producer(settings.kafka, f"t-{uuid.uuid4().hex}")
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(settings.kafka.topics.events, encode_event(event(100)), key=b"a")
    producer.flush(timeout=10)
    producer.abort_transaction()
    producer.close(timeout=5)
    with reading(settings) as made:
        wait_until(lambda: made.feed.state == "ok", 20, "the end of the history")
        assert made.store.events("a") == []


def test_topics_that_come_later_are_found(noida_broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that was started first waits for them."""
    monkeypatch.setattr("monitor.web.feed.TOPICS_S", 0.5)
    settings = settings_on(noida_broker)
    with reading(settings) as made:
        time.sleep(0.5)
        create_topics(settings.kafka, 2)
        write(settings, ("signal", b"a", chunk_value(0)))
        wait_until(lambda: made.store.knows("a"), 20, "the signal")


# Sockets with which kafka-python 3.0.12 did not come through are closed by the garbage collector alone.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_a_broker_that_goes_away_is_noticed_and_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Within seconds, without a loss, without reading anything twice, and without leaving threads behind."""
    for name in ("kafka", "monitor"):  # records that are kept would keep sockets
        caplog.set_level(logging.CRITICAL, name)
    threads = set(threading.enumerate())
    (port,) = free_ports(1)
    monkeypatch.setattr(embedded, "free_ports", lambda count: [port])
    with embedded_broker("noida", tmp_path) as servers:
        settings = settings_on(servers)
        create_topics(settings.kafka, 2)
        write(settings, ("signal", b"a", chunk_value(0)), ("events", b"a", encode_event(event(10))))
        time.sleep(2.5)  # noida-db writes its snapshot about once a second
    made = Reading(settings)
    made.feed.start()
    try:
        wait_until(lambda: made.feed.state == "unreachable", 10, "a broker that was never there")
        assert made.feed.alive
        with embedded_broker("noida", tmp_path):
            wait_until(lambda: made.feed.state == "ok" and made.store.knows("a"), 20, "the broker")
            assert made.count("broker_up") == 1
        wait_until(lambda: made.feed.state == "unreachable", 10, "the broker's end")
        assert made.count("broker_up") == 0
        assert made.count("poll_errors") > 0
        with embedded_broker("noida", tmp_path):
            wait_until(lambda: made.feed.state == "ok", 20, "the broker again")
            write(settings, ("signal", b"a", chunk_value(1)))
            wait_until(lambda: made.store.look("a", lambda known: len(known.history)) == 2, 20, "the next")
            assert made.count("records", settings.kafka.topics.signal) == 2
    finally:
        made.feed.stop()
        gc.collect()
    assert set(threading.enumerate()) <= threads


def test_where_reading_went_on_is_remembered() -> None:
    """A client made anew begins after the last record taken in."""
    made = Reading(settings_on("localhost:1"))
    place = TopicPartition(made.feed._kafka.topics.events, 0)
    record = _Record(place, 41, encode_event(event(5)))
    made.feed._take_in({place: [record]})
    assert made.feed._next == {place: 42}
    assert isinstance(made.metrics, WebMetrics)


def test_a_client_that_gets_no_answer_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten questions, where the broker's port is open; otherwise it goes on asking."""
    made = Reading(settings_on("localhost:1"))
    feed, asked = made.feed, _Silent()
    feed._consumer, feed._next = asked, {TopicPartition("t", 0): 0}
    far_s = time.monotonic() + 3600
    for _ in range(MAX_UNANSWERED + 5):
        feed._probe(far_s)
    assert feed.state == "unreachable"
    assert asked.questions == made.count("poll_errors") == MAX_UNANSWERED + 5
    monkeypatch.setattr("monitor.web.feed.listens", lambda settings: True)
    with pytest.raises(KafkaTimeoutError):
        feed._probe(far_s)


def test_streams_that_are_silent_for_long_are_forgotten(
    noida_broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the reading thread, from time to time."""
    monkeypatch.setattr("monitor.web.feed.KEEP_S", 0.1)
    settings = settings_on(noida_broker)
    create_topics(settings.kafka, 1)
    made = Reading(settings)
    made.store = made.feed._store = Store(limits(forget_after_s=0.5))
    made.feed.start()
    write(settings, ("signal", b"a", chunk_value(0)))
    try:
        wait_until(lambda: made.store.knows("a"), 20, "the signal")
        wait_until(lambda: not made.store.knows("a"), 20, "its end")
    finally:
        made.feed.stop()


class _Silent:
    """A client whose broker never answers."""

    def __init__(self) -> None:
        self.questions = 0

    def end_offsets(self, places: list[TopicPartition], timeout_ms: int) -> None:
        """Wait in vain."""
        self.questions += 1
        raise KafkaTimeoutError(f"no answer about {places} in {timeout_ms} ms")


class _Record:
    """A record as kafka-python gives it."""

    def __init__(self, place: TopicPartition, offset: int, value: bytes) -> None:
        self.topic, self.partition, self.offset, self.value = place.topic, place.partition, offset, value
        self.key, self.headers, self.timestamp = b"a", (), 0
