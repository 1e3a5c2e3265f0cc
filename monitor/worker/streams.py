"""Which streams are in memory: they wake when they send, fall asleep when they do not, and are forgotten."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Collection, Iterable

from monitor.broker.kept_states import KeptStates
from monitor.config import StateSettings
from monitor.detect.interface import Source, StreamDetector
from monitor.errors import StateError
from monitor.worker.metrics import Metrics
from monitor.worker.partition import Partition
from monitor.worker.settings import SettingsInForce

logger = logging.getLogger(__name__)
MOST_ASLEEP = 200  # streams put to sleep in a turn of the loop


class Streams:
    """Which streams are in the detector's memory: they come when they send, and go when they don't.

    A stream that is asleep is in `ecg.state` alone; no verdict depends on when it went there.
    """

    def __init__(
        self,
        settings: StateSettings,
        detector: StreamDetector,
        in_force: SettingsInForce,
        metrics: Metrics,
        kept: KeptStates,
    ) -> None:
        self._settings, self._kept = settings, kept
        self._detector, self._in_force = detector, in_force
        self._restores, self._forgotten = metrics.restores, metrics.forgotten

    def wake(self, asleep: Iterable[tuple[Partition, str]]) -> None:
        """Bring streams back that send again; raises BrokerError, and changes nothing, if it can't now."""
        wanted = {
            (stream, partition.place.partition): (partition, at)
            for partition, stream in asleep
            if (at := partition.asleep(stream)) is not None
        }
        states = self._kept.read({source: at for source, (_, at) in wanted.items()}) if wanted else {}
        now_s = time.monotonic()
        for source, (partition, _) in wanted.items():
            if self._restore(source, states.get(source)):
                self._restores.labels("restored").inc()
                partition.awaken(source[0], now_s)
            else:
                self._restores.labels("refused").inc()
                partition.refuse(source[0])

    def _restore(self, source: Source, state: bytes | None) -> bool:
        if state is None:
            logger.warning("a stream starts afresh: its state is not in ecg.state any more")
            return False
        try:
            self._detector.restore(source[0], state, source[1])
        except StateError as error:
            logger.warning("a stream starts afresh: %s", error)
            return False
        self._in_force.untuned(*source)
        return True

    def put_to_sleep(self, partitions: Collection[Partition]) -> None:
        """Let streams out of memory that have not sent for long, or for longest where there are too many."""
        since_s = time.monotonic() - self._settings.sleep_after_s
        awake = sum(partition.awake for partition in partitions)
        share = max(0, awake - self._settings.max_awake) / max(1, awake)
        for partition in partitions:
            names = partition.sleepers(since_s)
            most = math.ceil(share * partition.awake)
            if most > len(names):
                names = partition.sleepers(math.inf)[:most]
            for name in names[:MOST_ASLEEP]:
                self._detector.forget(name, partition.place.partition)
                self._in_force.untuned(name, partition.place.partition)
                partition.sleep(name)

    def begin_afresh(self, source: Source, why: str | None) -> None:
        """Nothing is known of a stream from its next record on; `why` is counted, if it is the first time."""
        self._detector.forget(*source)
        self._in_force.forget(*source)
        if why is not None:
            self._forgotten.labels(why).inc()

    def forget(self, partition: Partition, stale: Iterable[str]) -> None:
        """Their state is gone from `ecg.state`."""
        for stream in stale:
            partition.forget(stream)
            self._kept.drop((stream, partition.place.partition))
            self.begin_afresh((stream, partition.place.partition), "silent")

    def drop(self, partition: Partition) -> None:
        """A partition is no longer ours."""
        for stream in partition.streams:
            source = stream, partition.place.partition
            self._detector.forget(*source)
            self._in_force.forget(*source)
            self._kept.drop(source)
