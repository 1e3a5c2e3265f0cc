"""Which profile holds for which record: in order of time, after a restart, and for those that are none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from prometheus_client import generate_latest

from monitor.broker.unreadable import Fault
from monitor.detect.interface import PLAIN, Tuning
from monitor.formats.profiles import Profile, encode_profile
from monitor.worker.metrics import new_metrics
from monitor.worker.settings import EFFECT_MS, SettingsInForce
from tests.support.kafka_fakes import Record

NOW_MS = 1_700_000_000_000
LOUD = Tuning(budget_per_hour=60.0)


def setting(offset: int, at_ms: int = NOW_MS, **fields: Any) -> Record:
    """A record of `ecg.profiles` for stream "s"; without fields one that takes everything back."""
    value = encode_profile(Profile(stream="s", at_us=1000 * at_ms, **fields)) if fields else None
    return Record(value, offset, b"s", topic="ecg.profiles", timestamp=at_ms)


def knowing(*records: Record) -> SettingsInForce:
    """Tunings that have read these."""
    in_force = SettingsInForce(new_metrics())
    for record in records:
        in_force.learn(record)
    return in_force


def at(in_force: SettingsInForce, ms: int, *, replayed: bool = False) -> tuple[Tuning | None, bool]:
    """What changes with a record of "s" so long after NOW_MS."""
    return in_force.change("s", NOW_MS + ms, replayed)


LOUDER: dict[str, Any] = {"false_alarm_budget_per_hour": 60.0}


def test_nothing_is_set_of_most_streams() -> None:
    """Then nothing ever changes."""
    assert at(knowing(), 10**6) == (None, False)


def test_a_profile_takes_effect_two_seconds_after_it_was_written() -> None:
    """With the first record of that time, and once."""
    in_force = knowing(setting(0, **LOUDER))
    assert at(in_force, EFFECT_MS - 1) == (None, False)
    assert at(in_force, EFFECT_MS) == (LOUD, True)
    assert at(in_force, EFFECT_MS) == (None, False)


def test_settings_in_two_partitions_hold_in_the_order_of_time() -> None:
    """A stream has moved to a partition that was added; the old one may be read last."""
    newer = replace(setting(0, NOW_MS + 10, paced=True), partition=4)
    in_force = knowing(newer, setting(7, NOW_MS, **LOUDER))
    assert at(in_force, 10 + EFFECT_MS) == (Tuning(paced=True), True)


def test_one_that_was_learned_late_takes_effect_at_once() -> None:
    """The page's clock may be behind."""
    in_force = knowing()
    assert at(in_force, 10**6) == (None, False)
    in_force.learn(setting(0, **LOUDER))
    assert at(in_force, 10**6) == (LOUD, True)


def test_the_last_one_due_counts() -> None:
    """Those between are passed over."""
    in_force = knowing(setting(0, **LOUDER), setting(1, NOW_MS + 5, paced=True))
    assert at(in_force, EFFECT_MS + 5) == (Tuning(paced=True), True)


def test_a_record_without_a_value_takes_everything_back() -> None:
    """The stream is as if nobody had set anything."""
    in_force = knowing(setting(0, **LOUDER), setting(1, NOW_MS + 100))
    assert at(in_force, EFFECT_MS)[0] == LOUD
    assert at(in_force, EFFECT_MS + 100) == (PLAIN, True)


def test_muting_ends_by_itself() -> None:
    """With the first record of that time; no new state has to be written for it."""
    in_force = knowing(setting(0, muted_until_us=1000 * (NOW_MS + 9000)))
    assert at(in_force, EFFECT_MS) == (Tuning(muted=True), True)
    assert at(in_force, 8999) == (None, False)
    assert at(in_force, 9000) == (PLAIN, False)


def test_a_restored_stream_goes_on_with_what_its_state_names() -> None:
    """Also where the topic no longer holds it; what came after it is still to take effect."""
    first = knowing(setting(7, **LOUDER))
    at(first, EFFECT_MS)
    named = first.name("s")
    for there in ([setting(7, **LOUDER)], []):
        second = knowing(*there, setting(8, NOW_MS + 100, paced=True))
        second.take_up("s", named)
        assert at(second, EFFECT_MS) == (LOUD, False)
        assert at(second, EFFECT_MS + 100) == (Tuning(paced=True), True)


def test_a_name_of_another_version_is_passed_over() -> None:
    """The topic's settings count instead."""
    in_force = knowing(setting(0, **LOUDER))
    in_force.take_up("s", b'{"number": 3}')
    assert at(in_force, EFFECT_MS) == (LOUD, True)


def test_a_topic_that_was_made_anew_is_believed() -> None:
    """Its offsets begin again, and say nothing of the state's."""
    first = knowing(setting(7, **LOUDER))
    at(first, EFFECT_MS)
    second = knowing(setting(0, NOW_MS + 100, paced=True))
    second.take_up("s", first.name("s"))
    assert at(second, EFFECT_MS + 100) == (Tuning(paced=True), True)


def test_a_replay_goes_by_the_state_alone() -> None:
    """Whatever had taken effect before its end is in the state, so the rest waits for the end."""
    in_force = knowing(setting(0, **LOUDER))
    in_force.take_up("s", None)
    assert at(in_force, 10**6, replayed=True) == (None, False)
    assert at(in_force, 10**6) == (LOUD, True)


def test_a_forgotten_stream_begins_anew() -> None:
    """If it comes back without state, every setting counts again."""
    in_force = knowing(setting(0, **LOUDER))
    at(in_force, EFFECT_MS)
    in_force.forget("s")
    assert in_force.name("s") is None
    assert at(in_force, EFFECT_MS) == (LOUD, True)


def test_records_that_are_none_are_counted_and_passed_over() -> None:
    """A broken value, a wrong key, no key, a key that is no text, and what could not be read."""
    metrics = new_metrics()
    in_force = SettingsInForce(metrics)
    good = setting(0, **LOUDER)
    for value, key in ((b"{", b"s"), (good.value, b"t"), (good.value, None), (None, b"\xff")):
        in_force.learn(Record(value, 1, key, topic="ecg.profiles"))
    in_force.learn(replace(good, checksum=Fault("spoilt")))
    assert at(in_force, 10**6) == (None, False)
    in_force.learn(good)
    lines = generate_latest(metrics.registry).decode().splitlines()
    assert 'ecg_monitor_profile_records_total{outcome="refused"} 5.0' in lines
    assert 'ecg_monitor_profile_records_total{outcome="taken"} 1.0' in lines


def test_a_stream_in_two_partitions_is_tuned_in_each() -> None:
    """A setting takes effect in each partition by its own records, and is forgotten with it alone."""
    in_force = knowing(setting(0, **LOUDER))
    assert in_force.change("s", NOW_MS + 2 * EFFECT_MS, False, 1)[1]
    assert in_force.change("s", NOW_MS - EFFECT_MS, False, 0) == (None, False)
    assert in_force.change("s", NOW_MS + 2 * EFFECT_MS, False, 0)[1]
    in_force.forget("s", 1)
    assert (in_force.name("s", 1), in_force.name("s") is None) == (None, False)
