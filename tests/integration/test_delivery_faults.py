"""Deliveries to real Kafka while members lose their place and the broker crashes or stands still."""

from __future__ import annotations

import gc
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.producer.sender import Sender
from kafka.structs import ConsumerGroupMetadata, MemberState

from monitor.broker.clients import open_consumer, open_reader
from monitor.broker.topics import create_topics
from monitor.config import Settings, load_settings
from monitor.worker.assignment import Joining
from monitor.worker.delivery import (
    ANSWER_S,
    Delivery,
    ExactlyOnce,
    OutcomeUnknownError,
    Outgoing,
    Parcel,
    open_delivery,
)
from monitor.worker.positions import commit_entry
from tests.support.daemon.kafka_node import KafkaNode

pytestmark = [
    pytest.mark.integration,
    pytest.mark.kafka,
    # kafka-python leaves the sockets of attempts that failed to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


def settings_on(servers: str, **more: Any) -> Settings:
    """Topics and group of the test's own, four partitions."""
    own = uuid.uuid4().hex[:8]
    names = ("signal", "events", "beats", "deadletter", "state", "profiles", "feedback")
    flags = {f"kafka.topics.{name}": f"{own}.{name}" for name in names}
    given = {"kafka.bootstrap_servers": servers, "kafka.group_id": own, "kafka.session_timeout_s": 6.0}
    settings = load_settings(None, {**given, **flags, **more})
    create_topics(settings.kafka, 4)
    return settings


class Member:
    """A member of the group, as the worker keeps one."""

    def __init__(self, settings: Settings) -> None:
        self.consumer = open_consumer(settings.kafka)
        self.consumer.subscribe([settings.kafka.topics.signal])
        self._joining = Joining(self.consumer)

    def settled(self) -> ConsumerGroupMetadata:
        """Polls until it is stable in the group; what it then says of itself."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            self._joining.watch()
            self.consumer.poll(timeout_ms=100)
            member: ConsumerGroupMetadata = self.consumer.group_metadata()
            if member.state is MemberState.STABLE and member.generation_id > 0:
                return member
        raise AssertionError("the group does not settle")

    def close(self) -> None:
        """Leave."""
        self.consumer.close(timeout_ms=1000)


def parcel(settings: Settings, member: ConsumerGroupMetadata, *numbers: int, text: bytes = b"x") -> Parcel:
    """An event, and the offset 10 times a partition's number, plus one."""
    places = [TopicPartition(settings.kafka.topics.signal, number) for number in numbers]
    offsets = {place: commit_entry(10 * place.partition + 1, 0) for place in places}
    return Parcel([Outgoing(settings.kafka.topics.events, b"s", text, [])], [], offsets, member)


def committed(settings: Settings) -> dict[int, int]:
    """The group's offsets by partition."""
    reader = open_reader(settings.kafka, group_id=settings.kafka.group_id)
    try:
        places = [TopicPartition(settings.kafka.topics.signal, number) for number in range(4)]
        found = {place.partition: reader.committed(place) for place in places}
        return {number: offset for number, offset in found.items() if offset is not None}
    finally:
        reader.close()


def texts(settings: Settings) -> list[bytes]:
    """Values of all committed events."""
    reader = open_reader(settings.kafka)
    try:
        places = [TopicPartition(settings.kafka.topics.events, number) for number in range(4)]
        reader.assign(places)
        reader.seek_to_beginning(*places)
        found: list[bytes] = []
        quiet_s = time.monotonic() + 3
        while time.monotonic() < quiet_s:
            for records in reader.poll(timeout_ms=100).values():
                found += [record.value for record in records]
        return found
    finally:
        reader.close()


def test_offsets_of_an_aborted_transaction_are_never_committed(kafka_broker: str) -> None:
    """A member that has lost its place commits nothing, and its next transaction what it holds alone."""
    settings = settings_on(kafka_broker)
    first = Member(settings)
    stale = first.settled()
    first.close()
    second = Member(settings)
    member = second.settled()
    delivery = ExactlyOnce(settings)
    try:
        assert not delivery.deliver(parcel(settings, stale, 0, 1))
        assert delivery.deliver(parcel(settings, member, 2, text=b"later"))
        assert committed(settings) == {2: 21}
        assert texts(settings) == [b"later"]
    finally:
        delivery.close()
        second.close()


def attempt(delivery: Delivery, one: Parcel) -> tuple[bool | None, float]:
    """What became of a delivery, None if that is not known, and the seconds that it took."""
    began = time.monotonic()
    try:
        done: bool | None = delivery.deliver(one)
    except OutcomeUnknownError:
        done = None
    return done, time.monotonic() - began


@pytest.mark.parametrize("fault", [KafkaNode.kill, KafkaNode.freeze], ids=["crash", "freeze"])
def test_a_broker_that_goes_away_holds_nobody_up(
    node: KafkaNode, fault: Callable[[KafkaNode], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Every attempt ends in bounded time, the first after its return gets through, and nothing is doubled."""
    settings = settings_on(node.servers)
    one = Member(settings)
    member = one.settled()
    delivery = open_delivery(settings, one.consumer)
    try:
        assert delivery.deliver(parcel(settings, member, 0, text=b"before"))
        fault(node)
        for _ in range(3):
            done, seconds = attempt(delivery, parcel(settings, member, 1, text=b"meanwhile"))
            assert not done
            assert seconds < ANSWER_S + 4
        node.thaw() if fault is KafkaNode.freeze else node.start()
        member = one.settled()
        returned = time.monotonic()
        while attempt(delivery, parcel(settings, member, 2, text=b"after"))[0] is not True:
            assert time.monotonic() - returned < 10
            member = one.settled()
        assert committed(settings) == {0: 1, 2: 21}
        assert sorted(texts(settings)) == [b"after", b"before"]
    finally:
        delivery.close()
        one.close()
        for thread in threading.enumerate():
            if isinstance(thread, Sender):  # of a producer that was discarded while it waited
                thread.join(40)
        caplog.clear()  # its errors hold on to their clients
        gc.collect()  # here, where their warnings are expected
