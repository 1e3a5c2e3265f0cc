"""One batch through decoder and detector: what is produced, where, and what is muted."""

from __future__ import annotations

import time
from typing import Any

import pytest

from monitor.broker.kept_states import KeptStates
from monitor.broker.unreadable import Fault
from monitor.config import DeliverySettings, StateSettings, Topics
from monitor.errors import BrokerError
from monitor.formats.beats import decode_beats
from monitor.formats.events import CLOUDEVENT, Kind, decode_event
from monitor.formats.profiles import Profile, encode_profile
from monitor.worker.batches import Batches
from monitor.worker.metrics import Metrics, new_metrics
from monitor.worker.partition import Partition
from monitor.worker.settings import SettingsInForce
from tests.support.daemon.harness import chunk
from tests.support.kafka_fakes import Record, kept_states, partition, streams_of
from tests.support.stub_detector import StubDetector


def _batches(
    detector: StubDetector | None = None,
    metrics: Metrics | None = None,
    kept: KeptStates | None = None,
    **delivery: Any,
) -> Batches:
    metrics, detector = metrics or new_metrics(), detector or StubDetector()
    in_force = SettingsInForce(metrics)
    streams = streams_of(detector, in_force, metrics, kept)
    return Batches(detector, metrics, Topics(), DeliverySettings(**delivery), in_force, streams)


def _records(stream: str, first: int, last: int, number: int = 0) -> list[Record]:
    return [Record(chunk(stream, at, peak=True), at, stream.encode(), number) for at in range(first, last)]


def _sent(part: Partition, topic: str) -> list[Any]:
    return [record for record in part.pending.records if record.topic == topic]


def test_events_carry_their_streams_key_and_type() -> None:
    """One event a peak, in order, as CloudEvents."""
    part = partition()
    assert _batches().process({part: _records("s", 0, 2)}) == [("s", 0), ("s", 0)]
    events = _sent(part, "ecg.events")
    assert [decode_event(record.value).first_sample for record in events] == [0, 250]
    assert {(record.key, *record.headers) for record in events} == {
        (b"s", ("content-type", CLOUDEVENT.encode()))
    }
    assert part.pending.events == [(Kind.BEAT_MORPHOLOGY, time, False) for _, time, _ in part.pending.events]
    assert part.next_offset == 2


def test_a_stream_in_two_partitions_is_two() -> None:
    """What comes of a partition is what would come of it alone: events, windows and dead letters."""
    records = _records("s", 0, 4)
    together = {number: partition(number=number) for number in (0, 1)}
    _batches().process({together[0]: records[:3], together[1]: [records[1], records[3]]})
    for number, part in together.items():
        alone, mine = partition(number=number), records[:3] if number == 0 else [records[1], records[3]]
        _batches().process({alone: mine})
        assert part.pending.records == alone.pending.records
        assert len(part.pending.records) == len(mine) + 1
        assert part.pending.dead == []


def test_a_profile_parts_a_batch() -> None:
    """From its first record on it holds, in the same batch, and the next commit writes the state."""
    batches, part = _batches(), partition()
    value = encode_profile(Profile(stream="s", at_us=0, muted_until_us=3600_000_000))
    batches.in_force.learn(Record(value, 0, b"s", topic="ecg.profiles", timestamp=1000))
    records = _records("s", 0, 4)
    for record in records:
        record.timestamp = 2000 + 500 * record.offset
    batches.process({part: [*records, *_records("t", 4, 5)]})
    events = [decode_event(record.value) for record in _sent(part, "ecg.events")]
    assert [(event.stream, event.muted) for event in events] == [
        *(("s", False), ("s", False), ("s", True), ("s", True), ("t", False))
    ]
    assert [muted for _, _, muted in part.pending.events] == [False, False, True, True, False]
    assert part.due(time.monotonic()) == ["s"]


def test_a_profile_waits_for_the_end_of_a_replay() -> None:
    """What is read again was decided without it, if the state does not name it."""
    detector, part = StubDetector(), partition(replay=0, committed=2)
    batches = _batches(detector)
    value = encode_profile(Profile(stream="s", at_us=0, paced=True))
    batches.in_force.learn(Record(value, 0, b"s", topic="ecg.profiles", timestamp=1000))
    batches.process({part: _records("s", 0, 2)})
    assert detector.tunings == {}
    batches.process({part: _records("s", 2, 3)})
    assert detector.tunings["s", 0].paced


def test_beats_are_one_record_a_partition() -> None:
    """Each with its own partition's windows, to the same number."""
    parts = {number: partition(number=number) for number in (0, 3)}
    _batches().process({part: _records(f"s{at}", 0, 3, at) for at, part in parts.items()})
    for number, part in parts.items():
        (beats,) = _sent(part, "ecg.beats")
        assert (beats.partition, beats.key) == (number, None)
        assert decode_beats(beats.value).stream == [f"s{number}"] * 3


def test_beats_can_be_switched_off() -> None:
    """Events go out all the same."""
    part = partition()
    _batches(write_beats=False).process({part: _records("s", 0, 2)})
    assert (len(_sent(part, "ecg.beats")), len(_sent(part, "ecg.events"))) == (0, 2)


def test_many_beats_are_split() -> None:
    """No record of beats outgrows the broker's limit, however long the stream's id is."""
    part = partition()
    stream = "s" * 200
    _batches(max_record_bytes=1024).process({part: _records(stream, 0, 40)})
    values = [record.value for record in _sent(part, "ecg.beats")]
    assert len(values) > 1
    assert max(map(len, values)) <= 1024
    assert sum(len(decode_beats(value)) for value in values) == 40


def test_muted_records_move_state_and_say_nothing() -> None:
    """Read again after a restart they lead to the same events later, and to none now."""
    whole, resumed = partition(), partition(replay=0, committed=3)
    _batches().process({whole: _records("s", 0, 5)})
    _batches().process({resumed: [*_records("s", 0, 5), Record(b"\xc1", 5)]})
    assert _sent(resumed, "ecg.events") == _sent(whole, "ecg.events")[3:]
    assert len(decode_beats(_sent(resumed, "ecg.beats")[0].value)) == 2
    assert resumed.pending.inputs == 3


def test_ecg_is_counted_in_seconds_where_it_is_heard() -> None:
    """Neither a refused chunk nor one that is read again after a restart makes a patient-hour."""
    metrics = new_metrics()
    batches = _batches(metrics=metrics)
    refused = Record(chunk("s", 0), 5, b"s")
    batches.process({partition(replay=0, committed=3): [*_records("s", 0, 5), refused]})
    assert metrics.registry.get_sample_value("ecg_monitor_signal_seconds_total") == 2.0


def test_alarms_are_the_events_that_begin_something() -> None:
    """Each peak of the stub is an event of its own."""
    part = partition()
    _batches().process({part: _records("s", 0, 2)})
    assert part.pending.alarms == [Kind.BEAT_MORPHOLOGY] * 2


def test_muted_bad_records_are_not_buried_again() -> None:
    """Neither undecodable ones nor those that the detector refuses."""
    part = partition(replay=0, committed=3)
    again = _records("s", 0, 1)[0]
    _batches().process({part: [Record(b"\xc1", 0), *_records("s", 1, 2), Record(again.value, 2, b"s")]})
    assert part.pending.dead == []


def test_what_could_not_be_read_is_buried_whatever_it_holds() -> None:
    """In its place, with why; in the muted part of a replay it is passed over."""
    record = Record(chunk("s", 0, peak=True), 0, b"s", checksum=Fault("a header is no text"))
    heard, muted = partition(), partition(0, 9)
    for part in (heard, muted):
        _batches().process({part: [record]})
    (letter,) = heard.pending.records
    headers = dict(letter.headers)
    assert (headers["reason"], headers["message"]) == (b"unreadable", b"a header is no text")
    assert (heard.pending.dead, heard.next_offset) == (["unreadable"], 1)
    assert (muted.pending.records, muted.next_offset) == ([], 1)


def test_records_within_a_snapshot_are_skipped() -> None:
    """The detector does not see them a second time."""
    detector = StubDetector()
    part = partition(replay=0, committed=4, s=3)
    _batches(detector, kept=kept_states(s=b'{"chunks": 7}')).process({part: _records("s", 0, 4)})
    assert detector.memory["s", 0].chunks == 8


def test_a_stream_is_woken_by_its_record() -> None:
    """Once, whatever else is in the batch; others stay where they are."""
    detector, metrics, part = StubDetector(), new_metrics(), partition(replay=3, committed=3, s=3, t=3)
    batches = _batches(detector, metrics, kept_states(s=b'{"chunks": 7}', t=b'{"chunks": 8}'))
    batches.process({part: _records("s", 3, 5)})
    batches.process({part: _records("s", 5, 6)})
    assert {name: memory.chunks for (name, _), memory in detector.memory.items()} == {"s": 10}
    assert metrics.registry.get_sample_value("ecg_monitor_restores_total", {"outcome": "restored"}) == 1.0


def test_state_that_can_not_be_had_now_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is done by halves: the same batch, later, gives what it would have given."""
    detector, part = StubDetector(), partition(replay=3, committed=3, s=3)
    kept = kept_states()
    batches = _batches(detector, kept=kept)
    away = Record(b"\xc1", 2)

    def refuse(*_: Any) -> None:
        raise BrokerError("away")

    monkeypatch.setattr(kept, "_look_up", refuse)
    with pytest.raises(BrokerError, match="away"):
        batches.process({part: [*_records("s", 3, 5), away]})
    assert (part.next_offset, part.pending.records, detector.memory) == (3, [], {})
    kept.put(("s", 0), 0, b'{"chunks": 7}')
    batches.process({part: _records("s", 3, 5)})
    assert detector.memory["s", 0].chunks == 9


def test_state_that_is_gone_or_broken_begins_its_stream_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """All its input from the commit on counts."""
    for state in (None, b"broken"):
        detector, metrics, part = StubDetector(), new_metrics(), partition(replay=0, committed=4, s=3)
        kept = kept_states() if state is None else kept_states(s=state)
        monkeypatch.setattr(kept, "_look_up", lambda *_: {})
        _batches(detector, metrics, kept).process({part: _records("s", 0, 6)})
        assert detector.memory["s", 0].chunks == 2
        assert metrics.registry.get_sample_value("ecg_monitor_restores_total", {"outcome": "refused"}) == 1.0


def _later(record: Record, days: float) -> Record:
    record.timestamp += round(days * 86_400_000)
    return record


def test_a_stream_that_comes_back_late_begins_afresh() -> None:
    """By its records' times, after more than the days set; what came before in the batch is judged first."""
    detector, metrics, part = StubDetector(), new_metrics(), partition()
    records = _records("s", 0, 3)
    for record, days in zip(records, (0, 7, 14.001), strict=True):
        _later(record, days)
    _batches(detector, metrics).process({part: records})
    assert detector.memory["s", 0].chunks == 1
    assert len(_sent(part, "ecg.events")) == 3
    why = {"why": "returned"}
    assert metrics.registry.get_sample_value("ecg_monitor_streams_forgotten_total", why) == 1.0


def test_a_stream_that_is_crowded_out_begins_afresh() -> None:
    """Once so many others have sent since it did, and not before."""
    detector, part = StubDetector(), partition(state=StateSettings(max_streams=2))
    names = ["a", "b", "a", "c", "a", "b"]  # b: two others have sent when it comes back
    records = [Record(chunk(name, at, peak=True), at, name.encode()) for at, name in enumerate(names)]
    _batches(detector).process({part: records})
    assert {name: memory.chunks for (name, _), memory in detector.memory.items()} == {"a": 3, "b": 1, "c": 1}


def test_a_batch_of_nothing_good_needs_no_detector() -> None:
    """It ends in dead letters, and the offset moves on."""
    part = partition()
    assert _batches().process({part: [Record(None, 0), Record(b"", 1), Record(b"x", 2)]}) == []
    assert part.pending.dead == ["empty", "empty", "field"]
    assert part.next_offset == 3


def test_a_refused_chunk_is_buried_where_it_came_from() -> None:
    """The detector's index leads to the record."""
    part = partition()
    old = Record(chunk("s", 0), 1, b"s")
    _batches().process({part: [*_records("s", 4, 5), old]})
    (letter,) = _sent(part, "ecg.deadletter")
    assert dict(letter.headers)["source-offset"] == b"1"
    assert part.pending.dead == ["out_of_order"]


def test_a_content_type_of_bad_bytes_is_refused_not_fatal() -> None:
    """Headers come from outside, too."""
    part = partition()
    _batches().process({part: [Record(chunk("s", 0), 0, b"s", headers=[("content-type", b"\xff\xfe")])]})
    assert part.pending.dead == ["content_type"]
