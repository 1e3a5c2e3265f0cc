"""The worker's eye on `ecg.profiles`, against a broker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kafka.errors import KafkaConnectionError

from monitor.broker.clients import open_producer
from monitor.broker.topics import raise_partitions
from monitor.config import KafkaSettings
from monitor.errors import BrokerError
from monitor.worker.profile_reader import ProfileReader
from tests.support.daemon.harness import wait_until
from tests.support.daemon.topics import own_topics
from tests.support.kafka_fakes import run

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(broker: str) -> KafkaSettings:
    """Topics of the test's own."""
    return own_topics(broker, 3)


@pytest.fixture
def reader(settings: KafkaSettings) -> Iterator[ProfileReader]:
    """One that keeps the values that it has read in `read`."""
    read: list[bytes] = []
    reader = ProfileReader(settings, lambda record: read.append(record.value))
    reader.read = read  # type: ignore[attr-defined]
    yield reader
    reader.close()


def _write(settings: KafkaSettings, *values: bytes) -> None:
    producer = open_producer(settings)
    for value in values:
        producer.send(settings.topics.profiles, value, key=value)
    producer.flush(timeout=10)
    producer.close(timeout=5)


def test_all_that_is_there_is_handed_on(settings: KafkaSettings, reader: Any) -> None:
    """From every partition's beginning, and then no more until there is more."""
    _write(settings, *(b"%d" % number for number in range(20)))
    reader.open()
    run(reader.catch_up())
    assert sorted(reader.read, key=int) == [b"%d" % number for number in range(20)]
    run(reader.catch_up())
    assert len(reader.read) == 20


def test_what_is_new_is_followed(settings: KafkaSettings, reader: Any) -> None:
    """Well before it takes effect."""
    reader.open()
    run(reader.catch_up())
    _write(settings, b"new")

    def there() -> bool:
        reader.follow()
        return bool(reader.read)

    wait_until(there, 1.5, "the new profile")


def test_a_topic_that_cannot_be_read_is_named(
    settings: KafkaSettings, reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker does not go on without knowing what is set."""
    _write(settings, b"never")
    reader.open()
    monkeypatch.setattr(reader._reader, "poll", lambda **_: {})
    with pytest.raises(BrokerError, match=r"profiles\[\d\].* cannot be read to the end"):
        run(reader.catch_up(still_s=0.2))


def test_one_that_was_never_opened_can_be_closed(settings: KafkaSettings) -> None:
    """The broker may not have been reached."""
    ProfileReader(settings, print).close()


def test_partitions_that_were_added_are_read(settings: KafkaSettings, reader: Any) -> None:
    """From their beginning; nothing is read twice."""
    _write(settings, b"0", b"1", b"2")
    reader.open()
    run(reader.catch_up())
    raise_partitions(settings, 6)
    _write(settings, *(b"%d" % number for number in range(3, 30)))
    reader.cover(6)
    run(reader.catch_up())
    reader.cover(6)
    run(reader.catch_up())
    assert sorted(reader.read, key=int) == [b"%d" % number for number in range(30)]


def test_a_look_in_which_the_broker_goes_away_loses_nothing(
    settings: KafkaSettings, reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the client had already let go of is read again, and nothing twice."""
    monkeypatch.setattr("monitor.worker.profile_reader.POLL_S", 0.0)
    _write(settings, b"1", b"2")
    reader.open()
    run(reader.catch_up())
    poll, failed = reader._reader.poll, list[int]()

    def away(**options: Any) -> Any:
        found = poll(**options)
        if found and not failed:
            failed.append(1)
            raise KafkaConnectionError("111 ECONNREFUSED")
        return found

    monkeypatch.setattr(reader._reader, "poll", away)
    _write(settings, b"3", b"4", b"5")
    wait_until(lambda: reader.follow() or len(reader.read) >= 5, 20, "what is new")
    reader.follow()
    assert failed
    assert sorted(reader.read) == [b"1", b"2", b"3", b"4", b"5"]
