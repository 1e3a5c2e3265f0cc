"""Which partitions are ours, and joins that never end."""

from __future__ import annotations

import inspect

from kafka.coordinator.base import BaseCoordinator

from monitor.worker.assignment import STUCK_S, Assignment, Joining
from tests.support.kafka_fakes import REBALANCING, STABLE, TOPIC, FakeConsumer, place


def test_a_new_partition_is_paused_until_it_is_taken_up() -> None:
    """No record of it may be seen before its state is there."""
    consumer = FakeConsumer()
    assignment = Assignment(consumer.pause)
    assert not assignment.known
    assignment.on_partitions_assigned([place(1), place(2)])
    assert consumer.paused == {place(1), place(2)}
    assert assignment.take() == (set(), {place(1), place(2)}, ["assigned"])
    assert assignment.take() == (set(), set(), [])
    assert assignment.known


def test_a_partition_that_came_and_went_is_only_gone() -> None:
    """Taking it up would be in vain."""
    assignment = Assignment(lambda *_: None)
    assignment.on_partitions_assigned([place(1)])
    assignment.on_partitions_revoked([place(1)])
    assert assignment.take() == ({place(1)}, set(), ["assigned", "revoked"])


def test_a_partition_that_was_lost_and_came_back_is_both() -> None:
    """Its state in memory is dropped, and rebuilt from what was committed."""
    assignment = Assignment(lambda *_: None)
    assignment.on_partitions_lost([place(1)])
    assignment.on_partitions_assigned([place(1)])
    assert assignment.take() == ({place(1)}, {place(1)}, ["lost", "assigned"])


def test_a_join_that_never_ends_is_begun_again() -> None:
    """Not before it has taken long, and not while the group is settled."""
    consumer, now = FakeConsumer(), [0.0]
    joining = Joining(consumer, clock=lambda: now[0])
    consumer.member = REBALANCING
    now[0] = STUCK_S
    assert (joining.watch(), consumer.rejoins) == (False, 0)
    now[0] += 1
    assert (joining.watch(), consumer.rejoins) == (False, 1)
    assert (joining.watch(), consumer.rejoins) == (False, 1)
    consumer.member = STABLE
    now[0] += 100
    assert (joining.watch(), consumer.rejoins) == (True, 1)


def test_a_follower_that_insists_joins_in_other_words() -> None:
    """Else the broker gives it its old assignment, and the leader is not asked."""
    consumer = FakeConsumer()
    joining, (assignor,) = Joining(consumer), consumer._coordinator._assignors.values()
    said = [assignor.metadata([TOPIC]).encode()]
    for insist in (False, True, True):
        joining.again(insist)
        said.append(assignor.metadata([TOPIC]).encode())
    assert (said[0] == said[1], len(set(said)), consumer.rejoins) == (True, 3, 3)


def test_a_broker_that_answers_no_heartbeat_is_out_of_touch() -> None:
    """One that is gone, and one that stands still; by what kafka-python keeps of the group's coordinator."""
    assert "self.coordinator_id = None" in inspect.getsource(BaseCoordinator.coordinator_dead)
    assert "self.heartbeat.session_timeout_expired()" in inspect.getsource(BaseCoordinator)
    gone, frozen, there = FakeConsumer(), FakeConsumer(), FakeConsumer()
    gone._coordinator.coordinator_id = None
    frozen.silent = True
    assert [Joining(each).in_touch for each in (gone, frozen, there)] == [False, False, True]
