"""Which profile holds for which input record: by the records' own times, so that a replay decides the same.

A profile takes effect with its stream's first record of `ecg.signal` that bears a time EFFECT_MS or
more after the profile's own record. Both are times that Kafka keeps with a record, not the samples':
a device's clock may be years off. A worker that learns of a profile later than that (a page's clock
may be behind) lets it take effect with the stream's next record. Either way the stream's state is
written together with the first output under the new profile, and names it: what a replay mutes was
decided under the profiles that the state names, and nothing else.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import msgspec

from monitor.broker.unreadable import check_readable
from monitor.detect.interface import PLAIN, Source, Tuning
from monitor.errors import DecodeError
from monitor.formats.profiles import Profile, decode_profile
from monitor.worker.metrics import Metrics

logger = logging.getLogger(__name__)
MAX_SETTINGS = 1000  # of one stream; nobody sets more in the time that the input is kept
EFFECT_MS = 2000  # a worker looks for new profiles several times in it


@dataclass(frozen=True, slots=True)
class ProfileRecord:
    """A record of `ecg.profiles`; profile None: everything was taken back."""

    offset: int
    timestamp_ms: int
    profile: Profile | None

    def tuning(self, timestamp_ms: int) -> Tuning:
        """What it comes to for an input record of this time."""
        profile = self.profile
        if profile is None:
            return PLAIN
        return Tuning(
            budget_per_hour=profile.false_alarm_budget_per_hour,
            paced=profile.paced,
            muted=profile.muted(1000 * timestamp_ms),
            lead_names=profile.lead_names,
        )


class SettingsInForce:
    """The settings of all streams, and which of them are in force."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._settings: dict[str, list[ProfileRecord]] = {}  # what the topic holds, oldest first
        # Those of them after the one in force, by stream and partition of its input; absent: all of them.
        self._waiting: dict[str, dict[int, list[ProfileRecord]]] = {}
        self._in_force: dict[Source, ProfileRecord] = {}
        self._tuned: dict[Source, Tuning] = {}  # what the detector goes by
        self._partitions: dict[str, set[int]] = {}  # where a stream's settings lie; mostly one

    def learn(self, record: Any) -> None:
        """Take in a record of `ecg.profiles`; one that is none is counted and passed over."""
        try:
            check_readable(record)
            stream = _stream_of(record.key)
            setting = ProfileRecord(record.offset, record.timestamp, decode_profile(record.value, record.key))
        except DecodeError as error:
            place = f"{record.topic}[{record.partition}]@{record.offset}"
            logger.warning("%s: no profile, passed over: %s", place, error.reason)
            self._metrics.profiles.labels("refused").inc()
            return
        partitions = self._partitions.setdefault(stream, set())
        partitions.add(record.partition)
        self._settings[stream] = self._with(self._settings.get(stream, []), setting, partitions)
        waiting = self._waiting.get(stream, {})
        for partition, known in waiting.items():
            waiting[partition] = self._with(known, setting, partitions)
        self._metrics.profiles.labels("taken").inc()

    @staticmethod
    def _with(
        known: list[ProfileRecord], setting: ProfileRecord, partitions: set[int]
    ) -> list[ProfileRecord]:
        later = [*known[-MAX_SETTINGS:], setting]
        if len(partitions) > 1:  # added ones have moved the stream; no order holds between two but time's
            later.sort(key=lambda one: one.timestamp_ms)
        return later

    def take_up(self, stream: str, named: bytes | None, partition: int = 0) -> None:
        """A stream's state has been restored; `named` is what `name` gave when it was written."""
        self.forget(stream, partition)
        if named is None:
            return
        try:
            setting = msgspec.json.decode(named, type=ProfileRecord)
        except msgspec.MsgspecError as error:
            logger.warning("a state names no setting of this version: %s", error)
            return
        self._in_force[stream, partition] = setting
        all_of_it = self._settings.get(stream, [])
        # One that is not there was compacted away, so all that is there came later; or the topic was
        # made anew, and its offsets are no measure.
        if setting in all_of_it:
            self._wait(stream, partition, all_of_it[all_of_it.index(setting) + 1 :])

    def _wait(self, stream: str, partition: int, settings: list[ProfileRecord]) -> None:
        self._waiting.setdefault(stream, {})[partition] = settings

    def name(self, stream: str, partition: int = 0) -> bytes | None:
        """The setting in force, to be kept with the stream's state; None if there is none."""
        setting = self._in_force.get((stream, partition))
        return None if setting is None else msgspec.json.encode(setting)

    def untuned(self, stream: str, partition: int = 0) -> None:
        """The detector has lost a stream's tuning, with the stream; what is in force stays so."""
        self._tuned.pop((stream, partition), None)

    def forget(self, stream: str, partition: int = 0) -> None:
        """A stream is no longer ours, nor is it tuned."""
        self._in_force.pop((stream, partition), None)
        self._tuned.pop((stream, partition), None)
        waiting = self._waiting.get(stream, {})
        waiting.pop(partition, None)
        if not waiting:
            self._waiting.pop(stream, None)

    def change(
        self, stream: str, timestamp_ms: int, replayed: bool, partition: int = 0
    ) -> tuple[Tuning | None, bool]:
        """A new tuning from this input record on, None if it stays; and whether a setting took effect.

        replayed: its output is committed, so whatever had taken effect by then is in the state.
        """
        source = stream, partition
        if stream not in self._settings and source not in self._in_force:
            return None, False
        took_effect = not replayed and self._advance(stream, partition, timestamp_ms)
        setting = self._in_force.get(source)
        tuning = PLAIN if setting is None else setting.tuning(timestamp_ms)
        if tuning == self._tuned.get(source, PLAIN):
            return None, took_effect
        self._tuned[source] = tuning
        return tuning, took_effect

    def _advance(self, stream: str, partition: int, timestamp_ms: int) -> bool:
        """Put the last setting in force whose time has come; it replaces those that came before it."""
        waiting = self._waiting.get(stream, {}).get(partition, self._settings.get(stream, []))
        due = [at for at, one in enumerate(waiting) if one.timestamp_ms + EFFECT_MS <= timestamp_ms]
        if not due:
            return False
        self._in_force[stream, partition] = waiting[due[-1]]
        self._wait(stream, partition, waiting[due[-1] + 1 :])
        return True


def _stream_of(key: bytes | None) -> str:
    if not key:
        raise DecodeError("key", "record has no key, wanted a stream id")
    try:
        return key.decode()
    except UnicodeDecodeError as exc:
        raise DecodeError("key", f"record key is {key!r:.60}, wanted a stream id") from exc
