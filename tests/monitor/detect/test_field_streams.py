"""Streams as devices in the field sent them, with the bundled model: right values of ../shared/field."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache

import numba
import pytest

from monitor.detect.admission import WRAPS
from monitor.detect.detector import Detector
from monitor.formats.chunks import JSON, Chunk, decode_chunk
from monitor.formats.events import Event, Kind
from monitor.model.model import Model, load_model
from tests.support.project import ROOT

FIELD = ROOT.parent / "shared" / "field"
pytestmark = [
    pytest.mark.skipif(not FIELD.is_dir(), reason="the recordings from the field are not there"),
    pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="minutes of ECG need compiled code"),
]
BEGUN_US = 1_777_622_400_000_000  # 08:00:00
STRANGE_S = 30.2  # when its one strange beat begins; the R peak is a little later
BEATS = 48
HOUR_S = 3600
RATE_HZ = 125


@cache
def bundled() -> Model:
    """The model that a worker has if nothing else is said."""
    return load_model()


@dataclass
class Told:
    """What a worker would tell of a stream."""

    events: list[Event] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    state_bytes: int = 0  # of its largest snapshot

    def of(self, kind: Kind) -> list[float]:
        """When it told of a kind, s from the begin."""
        return [(event.time_us - BEGUN_US) / 1e6 for event in self.events if event.kind is kind]

    def finds_the_beat(self, late_s: float = 0.0) -> bool:
        """True if the strange beat was found, and no other one."""
        found = self.of(Kind.BEAT_MORPHOLOGY)
        return len(found) == 1 and abs(found[0] - late_s - STRANGE_S) < 0.4


def field_chunks(name: str) -> list[Chunk]:
    """A stream's chunks in the order of their records."""
    return [decode_chunk(line, JSON) for line in (FIELD / name).read_bytes().splitlines()]


def tell(chunks: Iterable[Chunk]) -> Told:
    """What becomes of chunks that come one by one."""
    detector, told = Detector(bundled()), Told()
    for chunk in chunks:
        found = detector.process([chunk])
        told.events += found.events
        told.reasons += [rejected.reason for rejected in found.rejected]
        told.counts += found.counts
        told.state_bytes = max(told.state_bytes, len(detector.snapshot(chunk.stream)))
    return told


def plain() -> list[Chunk]:
    """Forty seconds, one strange beat, nothing wrong with the sender."""
    return field_chunks("stream_plain/plain.jsonl")


@pytest.mark.parametrize("name", ["plain/plain", "leads/leads_change_places", "rate/rate_as_measured"])
def test_nothing_is_wrong_with_these(name: str) -> None:
    """Leads in another order, and a rate as just measured, are as plain as the plain one."""
    told = tell(field_chunks(f"stream_{name}.jsonl"))
    assert told.finds_the_beat()
    assert abs(told.counts["beats"] - BEATS) <= 1
    assert len(told.events) == 1
    assert not told.reasons


def test_a_counter_that_begins_again_hides_no_beat() -> None:
    """The strange beat ten seconds after the restart is found, and the restart is told."""
    told = tell(field_chunks("stream_counter/counter_restarts.jsonl"))
    assert told.finds_the_beat()
    assert told.counts["beats"] >= BEATS - 3
    assert told.counts["restarts"] == 1
    assert all(19 < at < 22 for at in told.of(Kind.SIGNAL_LOST))


@pytest.mark.parametrize("period", WRAPS)
def test_a_counter_that_wraps_is_plain(period: int) -> None:
    """At every width that counters have."""
    told = tell(replace(c, first_sample=(c.first_sample + period - 2000) % period) for c in plain())
    assert told.finds_the_beat()
    assert len(told.events) == 1
    assert told.counts["wraps"] == 1


@pytest.mark.parametrize("late_s", [0, HOUR_S])
@pytest.mark.parametrize("chunks", [1, 3])
def test_a_jump_of_an_hour_buries_nothing(chunks: int, late_s: int) -> None:
    """A few chunks with a number, or also a time, an hour ahead: all others are judged."""
    stream = [
        replace(c, first_sample=c.first_sample + HOUR_S * RATE_HZ, start_us=c.start_us + late_s * 1_000_000)
        if 5 <= i < 5 + chunks
        else c
        for i, c in enumerate(plain())
    ]
    told = tell(stream)
    assert told.finds_the_beat()
    assert told.counts["beats"] >= BEATS - 4
    assert not told.reasons
    assert told.of(Kind.STREAM_CONFLICT) or told.counts["restarts"]


def test_an_outage_of_an_hour_is_a_gap() -> None:
    """Lost signal from its begin to its end, and what comes after is judged."""
    chunks = plain()
    later = [
        replace(c, first_sample=c.first_sample + HOUR_S * RATE_HZ, start_us=c.start_us + HOUR_S * 1_000_000)
        for c in chunks[10:]
    ]
    told = tell([*chunks[:10], *later])
    assert told.finds_the_beat(HOUR_S)
    (lost,) = (event for event in told.events if event.kind is Kind.SIGNAL_LOST)
    assert lost.last_sample == 10 * RATE_HZ + HOUR_S * RATE_HZ - 1
    assert not told.of(Kind.STREAM_CONFLICT)


def test_early_chunks_sent_again_and_again_weigh_nothing() -> None:
    """Sixty copies of chunks that wait for one before them."""
    chunks = plain()
    told = tell([*chunks[:10], *[chunks[11]] * 60, chunks[10], *chunks[11:]])
    assert told.finds_the_beat()
    assert len(told.events) == 1
    assert told.state_bytes < 30_000


def test_a_late_chunk_of_the_session_before_takes_nothing_away() -> None:
    """It is refused by that reason, and the stream goes on with all that it has learned."""
    new = [replace(c, session="device-2", start_us=c.start_us + 20_000_000) for c in plain()]
    told = tell([*plain()[:20], *new[:10], plain()[19], *new[10:]])
    assert told.reasons == ["closed_session"]
    assert told.finds_the_beat(20.0)
    assert len(told.of(Kind.SIGNAL_LOST)) == 1


@pytest.mark.parametrize("session", ["device-1", "device-2"])
def test_two_devices_on_one_id_are_one_stream_and_an_event(session: str) -> None:
    """One is judged as if it were alone; of the other it is told that it is there."""
    others = [
        replace(c, session=session, first_sample=c.first_sample + 7000, ecg_mv=c.ecg_mv[::-1].copy())
        for c in plain()
    ]
    told = tell(c for pair in zip(others, plain(), strict=True) for c in pair)
    assert told.counts["beats"] >= BEATS - 5
    assert len(told.of(Kind.STREAM_CONFLICT)) == 1
    assert len(told.of(Kind.SIGNAL_LOST)) <= 1
    assert told.counts["conflicts"] + len(told.reasons) >= 35
