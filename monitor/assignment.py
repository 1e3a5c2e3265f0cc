"""Which partitions are ours: what kafka-python tells its listener, kept until the main loop asks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from kafka import ConsumerRebalanceListener, TopicPartition

logger = logging.getLogger(__name__)


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Notes changes only: it is called on the client's I/O thread, from within poll, and must not wait.

    A new partition is paused at once, so that no record of it is seen before its state is rebuilt.
    """

    def __init__(self, pause: Callable[..., None]) -> None:
        self._pause = pause
        self._gained: set[TopicPartition] = set()
        self._gone: set[TopicPartition] = set()
        self.changes: list[str] = []  # "assigned", "revoked", "lost" since the last `take`
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

    def take(self) -> tuple[set[TopicPartition], set[TopicPartition], list[str]]:
        """Partitions gone, then gained (one may be in both), and the changes; called between polls."""
        result = self._gone, self._gained, self.changes
        self._gone, self._gained, self.changes = set(), set(), []
        if result[2]:
            logger.info("partitions %s: gone %s, gained %s", *map(_numbers, (result[2], *result[:2])))
        return result


def _numbers(items: Iterable[object]) -> str:
    names = (str(item.partition) if isinstance(item, TopicPartition) else str(item) for item in items)
    return ",".join(sorted(names)) or "none"
