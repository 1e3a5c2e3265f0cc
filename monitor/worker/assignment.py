"""Which partitions are ours: what kafka-python tells its listener, kept until the main loop asks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from kafka import ConsumerRebalanceListener, TopicPartition
from kafka.structs import MemberState

logger = logging.getLogger(__name__)
STUCK_S = 5.0


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Notes changes only: it is called on the client's I/O thread, from within poll, and must not wait.

    A new partition is paused at once, so that no record of it is seen before its state is rebuilt.
    """

    def __init__(self, pause: Callable[..., None]) -> None:
        self._pause = pause
        self._gained: set[TopicPartition] = set()
        self._gone: set[TopicPartition] = set()
        self.changes: list[str] = []  # "assigned", "revoked", "lost", "again" since the last `take`
        self.known = False  # an assignment has been made, even if an empty one

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Note partitions that are now ours."""
        added = set(assigned)
        self._pause(*added)
        self._gained |= added
        self.changes.append("assigned")
        self.known = True

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Note partitions that we give up."""
        self._drop(set(revoked), "revoked")

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        """Note partitions that others may already own."""
        self._drop(set(lost), "lost")

    def _drop(self, partitions: set[TopicPartition], change: str) -> None:
        self._gained -= partitions
        self._gone |= partitions
        self.changes.append(change)

    def again(self, partitions: set[TopicPartition]) -> None:
        """Let partitions that are ours be taken up once more, from their commit."""
        self._pause(*partitions)
        self._gained |= partitions
        self.changes.append("again")

    def take(self) -> tuple[set[TopicPartition], set[TopicPartition], list[str]]:
        """Partitions gone, then gained (one may be in both), and the changes; called between polls."""
        result = self._gone, self._gained, self.changes
        self._gone, self._gained, self.changes = set(), set(), []
        if result[2]:
            logger.info("partitions %s: gone %s, gained %s", *map(_numbers, (result[2], *result[:2])))
        return result


class Joining:
    """Keeps a fault of kafka-python 3.0.12 from leaving us outside the group without a sign.

    A leader that learns of partitions while it joins begins to join once more. If a poll ends
    during that second join, later polls think it done, and it never is: no heartbeats, no stable
    generation, no commit.
    """

    def __init__(self, consumer: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._consumer = consumer
        self._clock = clock
        self._settled_s = clock()
        consumer.topics()  # with the metadata known beforehand there is one join

    def watch(self) -> bool:
        """True if the group has settled; asks to join again where that has not come to an end for long."""
        now_s = self._clock()
        if self._consumer.group_metadata().state is MemberState.STABLE:
            self._settled_s = now_s
            return True
        if now_s - self._settled_s > STUCK_S:
            self._settled_s = now_s
            self.again()
        return False

    @property
    def in_touch(self) -> bool:
        """Whether the group's coordinator answers heartbeats; one that has gone is forgotten at once.

        A worker without work has nothing to commit, by which it would else find the broker gone.
        """
        coordinator = self._consumer._coordinator
        return coordinator.coordinator_id is not None and not coordinator.heartbeat.session_timeout_expired()

    def again(self, insist: bool = False) -> None:
        """Join once more: the leader assigns anew, with partitions that were added; others stay so.

        insist: let the leader do so, whoever joins. One of an older release does not by itself.
        """
        coordinator = self._consumer._coordinator
        if insist:
            for assignor in coordinator._assignors.values():
                assignor.insisted += 1
        coordinator.request_rejoin()  # harmless while a join goes on


def _numbers(items: Iterable[object]) -> str:
    names = (str(item.partition) if isinstance(item, TopicPartition) else str(item) for item in items)
    return ",".join(sorted(names)) or "none"
