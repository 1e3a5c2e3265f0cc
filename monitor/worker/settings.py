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
from monitor.detect.interface import PLAIN, Tuning
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
        self._waiting: dict[str, list[ProfileRecord]] = {}  # those of them after the one in force
        self._in_force: dict[str, ProfileRecord] = {}
        self._tuned: dict[str, Tuning] = {}  # what the detector goes by
        self._partitions: dict[str, set[int]] = {}  # where a stream's records lie; mostly one

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
        for known in (self._settings, self._waiting):
            known[stream] = [*known.get(stream, ())[-MAX_SETTINGS:], setting]
            if len(partitions) > 1:  # added ones have moved the stream; no order holds between two but time's
                known[stream].sort(key=lambda one: one.timestamp_ms)
        self._metrics.profiles.labels("taken").inc()

    def take_up(self, stream: str, named: bytes | None) -> None:
        """A stream's state has been restored; `named` is what `name` gave when it was written."""
        self.forget(stream)
        if named is None:
            return
        try:
            setting = msgspec.json.decode(named, type=ProfileRecord)
        except msgspec.MsgspecError as error:
            logger.warning("a state names no setting of this version: %s", error)
            return
        self._in_force[stream] = setting
        all_of_it = self._settings.get(stream, [])
        # One that is not there was compacted away, so all that is there came later; or the topic was
        # made anew, and its offsets are no measure.
        if setting in all_of_it:
            self._waiting[stream] = all_of_it[all_of_it.index(setting) + 1 :]

    def name(self, stream: str) -> bytes | None:
        """The setting in force, to be kept with the stream's state; None if there is none."""
        setting = self._in_force.get(stream)
        return None if setting is None else msgspec.json.encode(setting)

    def forget(self, stream: str) -> None:
        """A stream is no longer ours, nor is it tuned."""
        self._in_force.pop(stream, None)
        self._tuned.pop(stream, None)
        if stream in self._settings:
            self._waiting[stream] = self._settings[stream]

    def change(self, stream: str, timestamp_ms: int, replayed: bool) -> tuple[Tuning | None, bool]:
        """A new tuning from this input record on, None if it stays; and whether a setting took effect.

        replayed: its output is committed, so whatever had taken effect by then is in the state.
        """
        if stream not in self._settings and stream not in self._in_force:
            return None, False
        took_effect = not replayed and self._advance(stream, timestamp_ms)
        setting = self._in_force.get(stream)
        tuning = PLAIN if setting is None else setting.tuning(timestamp_ms)
        if tuning == self._tuned.get(stream, PLAIN):
            return None, took_effect
        self._tuned[stream] = tuning
        return tuning, took_effect

    def _advance(self, stream: str, timestamp_ms: int) -> bool:
        """Put the last setting in force whose time has come; it replaces those that came before it."""
        waiting = self._waiting.get(stream, [])
        due = [at for at, one in enumerate(waiting) if one.timestamp_ms + EFFECT_MS <= timestamp_ms]
        if not due:
            return False
        self._in_force[stream], self._waiting[stream] = waiting[due[-1]], waiting[due[-1] + 1 :]
        return True


def _stream_of(key: bytes | None) -> str:
    if not key:
        raise DecodeError("key", "record has no key, wanted a stream id")
    try:
        return key.decode()
    except UnicodeDecodeError as exc:
        raise DecodeError("key", f"record key is {key!r:.60}, wanted a stream id") from exc
