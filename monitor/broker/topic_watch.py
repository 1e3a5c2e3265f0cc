"""An eye on the topics while a worker runs: partitions added, or read by nobody, and a topic made anew.

On a thread and with a client of its own, so that a broker that takes long to answer does not hold up the
loop. A static member that is restarted gets its old partitions back without a rebalance (KIP-345), and if it
was the leader nobody watches for added ones any more: so it is asked of the broker who reads what.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaError

from monitor.broker.clients import listens, open_admin
from monitor.broker.topics import described, differ, id_of, mirrors, problems_of
from monitor.config import Settings
from monitor.errors import BrokerError

logger = logging.getLogger(__name__)
HURRY_S = 1.0  # between looks at least
STOP_S = 1.0  # the end of the process does not wait for a broker that is silent


@dataclass(frozen=True, slots=True)
class TopicsSeen:
    """What one look found."""

    counts: Mapping[str, int]  # partitions of each of our topics
    problems: tuple[str, ...] = ()  # a sentence each
    unread: frozenset[int] = frozenset()  # partitions of `signal` that no member of the group has
    insist: bool = False  # some of them have had none for several looks: let the group assign anew
    signal_id: str | None = None  # the id of the topic `signal`; None: not there, or the broker gives none


class TopicIdentity:
    """Tells the loop when the topic that is read was made anew, by what the watch and the client see.

    The client is the quicker: it can't fetch from the new topic without having heard of it, unless that was
    there before the old one was missed.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._client: str | None = None  # as the client knew it last
        self._told: str | None = None

    def tell(self, topic_id: str | None) -> None:
        """What the watch has seen."""
        self._told = topic_id

    def is_another(self, consumer: Any, read: Iterable[str | None]) -> bool:
        """Whether something new has been seen that is none of the ids of what is read."""
        known = consumer._cluster.topic_id(self._name)  # kafka-python 3.0.12: of its metadata, not asked
        client, told = str(known) if known else self._client, self._told
        new = {told, client if client != self._client else None}
        self._client, self._told = client, None
        return any(differ(one, other) for one in new for other in read)


class TopicWatch:
    """Looks every `kafka.metadata_max_age_s`; what it saw is taken by the loop."""

    def __init__(self, settings: Settings, counts: Mapping[str, int]) -> None:
        """counts: what is known already."""
        self._settings = settings
        self._mirrors = mirrors(settings.kafka.topics, settings.delivery.write_beats)
        self._seen = TopicsSeen(counts)
        self._new = False
        self._in_vain = 0  # looks in a row that found partitions still unread
        self._ending = False
        self._wake = threading.Event()
        self._admin: Any = None
        self._thread = threading.Thread(target=self._run, name="topics", daemon=True)

    def start(self) -> None:
        """Begin to look; not at once, as the number of partitions is known."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ending = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def take(self) -> TopicsSeen | None:
        """What was seen, if there has been a look since the last call."""
        if not self._new:
            return None
        self._new = False
        return self._seen

    def mirrored(self, number: int) -> bool:
        """Whether a partition of `signal` has its counterparts, without which nothing of it can be kept."""
        return all(number < self._seen.counts.get(name, 0) for name in self._mirrors)

    def ready(self, places: Set[TopicPartition]) -> Set[TopicPartition]:
        """Those of these partitions of `signal` that have counterparts; looks again soon if some lack."""
        ready = {place for place in places if self.mirrored(place.partition)}
        if ready != places:
            self.hurry()
        return ready

    def hurry(self) -> None:
        """Look soon."""
        self._wake.set()

    def _run(self) -> None:
        while not self._ending:
            self._wake.wait(self._settings.kafka.metadata_max_age_s)
            self._wake.clear()
            if not self._ending:
                self._try_look()
                time.sleep(0 if self._ending else HURRY_S)
        if self._admin is not None:
            self._admin.close()

    def _try_look(self) -> None:
        try:
            # kafka-python 3.0.12 leaves a thread behind where it can't connect, so that is tried first.
            if self._admin is None and listens(self._settings.kafka):
                self._admin = open_admin(self._settings.kafka)
            if self._admin is not None:
                self._look()
        except (BrokerError, KafkaError, OSError) as error:
            logger.debug("topics cannot be looked at: %s", error)

    def _look(self) -> None:
        kafka = self._settings.kafka
        topics = described(self._admin, kafka)
        counts = {topic["name"]: len(topic["partitions"]) for topic in topics}
        unread = self._unread(counts.get(kafka.topics.signal, 0))
        problems = problems_of(kafka.topics, counts, self._settings.delivery.write_beats)
        if still := unread & self._seen.unread:
            numbers = ", ".join(map(str, sorted(still)))
            problems.append(f"no worker of group {kafka.group_id} reads {kafka.topics.signal}[{numbers}]")
        self._seen = TopicsSeen(
            counts, tuple(problems), unread, self._insist(bool(still)), id_of(topics, kafka.topics.signal)
        )
        self._new = True

    def _insist(self, still: bool) -> bool:
        self._in_vain = self._in_vain + 1 if still else 0
        # After 1, 2, 4, ... looks: the whole group joins each time, and every worker may ask for it.
        return self._in_vain.bit_count() == 1

    def _unread(self, count: int) -> frozenset[int]:
        """Partitions that are in no member's assignment; none while the group is settling."""
        kafka = self._settings.kafka
        group = self._admin.describe_groups([kafka.group_id]).get(kafka.group_id, {})
        if group.get("error") or group.get("group_state") != "Stable":
            return frozenset()
        read: set[int] = set()
        for member in group["members"]:
            for topic in (member.get("member_assignment") or {}).get("assigned_partitions", ()):
                if topic["topic"] == kafka.topics.signal:
                    read.update(topic["partitions"])
        return frozenset(range(count)) - read
