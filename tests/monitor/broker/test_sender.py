"""Chunks on their way to Kafka."""

from __future__ import annotations

import pytest

from monitor.broker.clients import open_reader
from monitor.broker.reading import partitions_of
from monitor.broker.sender import ChunkSender
from monitor.demo.follower import GroupProgress
from monitor.errors import BrokerError
from monitor.formats.chunks import decode_chunk
from monitor.recordings.replay import ReplayClock, ReplayPlan, replay
from tests.support.daemon.topics import own_topics
from tests.support.scan_fakes import fake_recording

pytestmark = pytest.mark.integration


def test_a_replay_arrives_whole_and_in_order(broker: str) -> None:
    """Each stream's chunks lie in one partition, keyed by the stream, sample after sample."""
    settings, recording = own_topics(broker, 3), fake_recording()
    plan = ReplayPlan(prefix="bed", session="s", streams=3, speed=0)
    clock = ReplayClock.begin(recording, plan, 1_700_000_000.0)
    with ChunkSender(settings) as sender:
        for _ in replay(recording, plan, sender.send, clock=clock):
            pass
    reader = open_reader(settings)
    places = partitions_of(reader, settings.topics.signal)
    reader.assign(places)
    next_sample = dict.fromkeys((plan.stream_id(index) for index in range(3)), 0)
    while any(sample < len(recording) for sample in next_sample.values()):
        for records in reader.poll(timeout_ms=2000).values():
            for record in records:
                chunk = decode_chunk(record.value, dict(record.headers)["content-type"].decode(), record.key)
                assert chunk.first_sample == next_sample[chunk.stream]
                next_sample[chunk.stream] += len(chunk)
    reader.close()


def test_what_was_there_before_is_skipped(broker: str) -> None:
    """A demo on one's own Kafka does not work through the signal of others."""
    settings = own_topics(broker, 3)
    with ChunkSender(settings) as sender:
        sender.send("old", b"not a chunk")
    group = GroupProgress(settings)
    assert group.lag() == 1
    group.skip_to_end()
    assert group.lag() == 0
    group.close()


def test_a_record_that_is_refused_is_told(broker: str) -> None:
    """A chunk that cannot be delivered ends the replay with a reason."""
    settings = own_topics(broker, 3)
    with pytest.raises(BrokerError, match=r"MessageSizeTooLarge"), ChunkSender(settings) as sender:
        sender.send("s", bytes(2_000_000))


def test_a_failed_delivery_stops_the_next_chunk(broker: str) -> None:
    """Delivery fails later than sending; the error is not lost."""
    settings = own_topics(broker, 3)
    sender = ChunkSender(settings)
    sender._failed(TimeoutError("batch expired"))
    with pytest.raises(BrokerError, match=r"signal: batch expired"):
        sender.close()
