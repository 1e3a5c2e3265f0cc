"""Stand-ins for Kafka's clients: records, a consumer, a producer and a delivery that do as they are told."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, TypeVar

from kafka import TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.structs import ConsumerGroupMetadata, MemberState

from monitor.broker.clients import InsistentAssignor
from monitor.broker.kept_states import KeptStates
from monitor.config import DeliverySettings, KafkaSettings, StateSettings
from monitor.detect.interface import StreamDetector
from monitor.worker.delivery import OutcomeUnknownError, Parcel
from monitor.worker.metrics import Metrics
from monitor.worker.partition import Partition
from monitor.worker.positions import Mark, Snapshot, StartPoint
from monitor.worker.settings import SettingsInForce
from monitor.worker.streams import Streams

TOPIC = "ecg.signal"
Given = TypeVar("Given")
STABLE = ConsumerGroupMetadata("group", 1, "member", None, MemberState.STABLE)
REBALANCING = ConsumerGroupMetadata("group", 1, "member", None, MemberState.REBALANCING)
STRANGER = ConsumerGroupMetadata("group", -1, "", None, MemberState.STABLE)


@dataclass
class Record:
    """What a consumer gives."""

    value: bytes | None
    offset: int = 0
    key: bytes | None = None
    partition: int = 0
    topic: str = TOPIC
    timestamp: int = 1_700_000_000_000
    headers: list[tuple[str, bytes | None]] = field(default_factory=list)
    checksum: Any = None  # where monitor.broker.unreadable puts its mark


def place(number: int = 0) -> TopicPartition:
    """A partition of the input."""
    return TopicPartition(TOPIC, number)


def run(steps: Generator[None, None, Given]) -> Given:
    """What something gives that is done bit by bit, all at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            given: Given = end.value
            return given


def partition(
    replay: int = 0,
    committed: int | None = None,
    number: int = 0,
    mark: Mark | None = None,
    deaths: dict[int, int] | None = None,
    state: StateSettings | None = None,
    **snapshots: int,
) -> Partition:
    """A partition taken up at `replay`, with streams restored at the offsets given."""
    held = {stream: Snapshot(stream, offset, at) for at, (stream, offset) in enumerate(snapshots.items())}
    start = StartPoint(
        replay, replay if committed is None else committed, 0, held, mark=mark, deaths=deaths or {}
    )
    return Partition(place(number), start, DeliverySettings(), state or StateSettings(), STABLE.member_id)


class FakeConsumer:
    """A group member whose polls give what was queued."""

    def __init__(self) -> None:
        self.member = STABLE
        self.polls: deque[dict[TopicPartition, list[Record]]] = deque()
        self.on_poll: list[Any] = []  # called with the listener, one a poll
        self.paused: set[TopicPartition] = set()
        self.sought: dict[TopicPartition, int] = {}
        self.highwaters: dict[TopicPartition, int] = {}
        self.owned: set[TopicPartition] = set()
        self.commits: list[Any] = []
        self.closed = False
        self.fail_commit: KafkaError | None = None
        self.rejoins = 0
        self.answers = True
        self.silent = False  # no heartbeat has been answered for a session
        self._coordinator = SimpleNamespace(
            request_rejoin=self._rejoin,
            coordinator_id="1",
            _assignors={InsistentAssignor.name: InsistentAssignor()},
            heartbeat=SimpleNamespace(session_timeout_expired=lambda: self.silent),
        )
        self.topic_id: str | None = None
        self._cluster = SimpleNamespace(topic_id=lambda _: self.topic_id)
        self._listener: Any = None

    def _rejoin(self) -> None:
        self.rejoins += 1

    def subscribe(self, topics: list[str], listener: Any) -> None:
        """Remember the listener."""
        self._listener = listener

    def topics(self) -> set[str]:
        """One topic."""
        return {TOPIC}

    def poll(
        self, timeout_ms: float = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[Record]]:
        """The next of the queue."""
        if self.on_poll:
            self.on_poll.pop(0)(self._listener)
        return self.polls.popleft() if self.polls else {}

    def group_metadata(self) -> ConsumerGroupMetadata:
        """As set."""
        return self.member

    def assignment(self) -> set[TopicPartition]:
        """As set."""
        return self.owned

    def pause(self, *places: TopicPartition) -> None:
        """Note it."""
        self.paused |= set(places)

    def resume(self, *places: TopicPartition) -> None:
        """Note it."""
        self.paused -= set(places)

    def seek(self, where: TopicPartition, offset: int) -> None:
        """Note it."""
        self.sought[where] = offset

    def highwater(self, where: TopicPartition) -> int | None:
        """As set."""
        return self.highwaters.get(where)

    def end_offsets(self, places: list[TopicPartition], timeout_ms: float) -> dict[TopicPartition, int]:
        """All empty, if the broker is there."""
        if not self.answers:
            raise KafkaTimeoutError
        return dict.fromkeys(places, 0)

    def commit(self, offsets: Any, timeout_ms: float) -> None:
        """Note it, or fail."""
        if self.fail_commit:
            raise self.fail_commit
        self.commits.append(offsets)

    def close(self, timeout_ms: float) -> None:
        """Note it."""
        self.closed = True


class FakeDelivery:
    """Keeps parcels; refuses as many as told, and tells no outcome of calls by their number from 0."""

    def __init__(self, refuse: int = 0) -> None:
        self.parcels: list[Parcel] = []
        self.refuse, self.calls = refuse, 0
        self.unknown: set[int] = set()
        self.settled, self.closed = 0, False
        self.stage_seconds = {"produce": 0.001, "commit": 0.002}
        self.placed: list[int] = []
        self.state_end = 0  # of `ecg.state`, where the next parcel's records go

    def settle(self) -> None:
        """Count it."""
        self.settled += 1

    def deliver(self, parcel: Parcel) -> bool:
        """True unless this one is to be refused."""
        self.calls += 1
        if self.calls - 1 in self.unknown:
            raise OutcomeUnknownError("the broker has not answered")
        if self.refuse:
            self.refuse -= 1
            return False
        self.parcels.append(parcel)
        ends = sum(record.topic == "ecg.state" for record in parcel.records)
        first = self.state_end + ends
        self.placed = list(range(first, first + len(parcel.snapshots)))
        return True

    def close(self, timeout_s: float = 1.0) -> None:
        """Note it."""
        self.closed = True


class FakeProducer:
    """Notes calls in order; raises where told. `never`: calls that the broker does not answer."""

    def __init__(self, never: str = "", **fail: KafkaError) -> None:
        self.calls: list[str] = []
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.never, self.fail = never, fail
        self.partitions = set(range(12))
        self._metadata = SimpleNamespace(request_update=lambda: self._do("look"))
        self._transaction_manager = SimpleNamespace(
            send_offsets_to_transaction=lambda offsets, member: self._result("offsets"),
            begin_commit=lambda: self._result("commit"),
        )
        self._sender = SimpleNamespace(wakeup=lambda: None, force_close=lambda: self._do("force"))

    def _do(self, name: str) -> None:
        self.calls.append(name)
        if name in self.fail:
            raise self.fail[name]

    def _result(self, name: str) -> Any:
        def wait(timeout_ms: float) -> bool:
            if name in self.fail:
                raise self.fail[name]
            return name != self.never

        self.calls.append(name)
        return SimpleNamespace(wait=wait)

    def init_transactions(self) -> None:
        """Note it."""
        self._do("init")

    def begin_transaction(self) -> None:
        """Note it."""
        self._do("begin")

    def partitions_for(self, topic: str) -> set[int]:
        """As set, of every topic."""
        del topic
        return self.partitions

    def send(self, topic: str, value: Any, **options: Any) -> Any:
        """Note it; the future's error is "ack"."""
        self._do("send")
        self.sent.append((topic, {"value": value, **options}))
        offset = len(self.sent) - 1
        return SimpleNamespace(is_done=False, get=lambda timeout: self._placed(offset))

    def _placed(self, offset: int) -> SimpleNamespace:
        self._do("ack")
        return SimpleNamespace(offset=offset)

    def close(self, timeout: float) -> None:
        """Note it."""
        self._do("close")


def kept_states(**states: bytes) -> KeptStates:
    """Of partition 0, by stream, each at its own place from 0 on; no broker is asked for them."""
    kept = KeptStates(KafkaSettings(), 1 << 20)
    for at, (stream, state) in enumerate(states.items()):
        kept.put((stream, 0), at, state)
    return kept


def streams_of(
    detector: StreamDetector,
    in_force: SettingsInForce,
    metrics: Metrics,
    kept: KeptStates | None = None,
    **state: Any,
) -> Streams:
    """Which streams are in a detector's memory, by these settings."""
    return Streams(StateSettings(**state), detector, in_force, metrics, kept or kept_states())
