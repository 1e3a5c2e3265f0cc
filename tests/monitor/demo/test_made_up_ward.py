"""A made-up ward: no two beds alike, sent in time, for ever."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from monitor.demo.made_up_ward import REAL_EVERY, TURN_S, Bed, send_ward, ward
from monitor.formats.chunks import decode_chunk
from monitor.recordings.recording import Recording, from_millivolts
from monitor.recordings.synthetic import synthetic_ecg


class Clock:
    """Time that passes only where it is waited for."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.now_s

    def wait(self, seconds: float) -> None:
        """Let them pass."""
        self.now_s += seconds


@pytest.fixture(scope="module")
def real() -> Recording:
    """Ten seconds that stand for the real ECG."""
    ecg = synthetic_ecg(10, rate_hz=360.0, leads=1)
    return from_millivolts("real", 360.0, ["MLII"], ecg.ecg_mv.astype(np.float64))


@pytest.fixture(scope="module")
def beds(real: Recording) -> list[Bed]:
    """A ward of 32."""
    return ward(real, 32)


def test_no_two_beds_are_alike(beds: list[Bed]) -> None:
    """Neither their ids nor their first seconds."""
    assert len({bed.stream for bed in beds}) == 32
    assert len({bed.recording.piece_mv(0, 720).tobytes() for bed in beds}) == 32


def test_every_third_bed_has_the_real_ecg(real: Recording, beds: list[Bed]) -> None:
    """All of its samples, begun elsewhere, the first one as it is."""
    mine = [bed.recording for bed in beds[::REAL_EVERY]]
    assert np.array_equal(mine[0].adc, real.adc)
    assert mine[0].rate_hz == real.rate_hz
    assert all(np.array_equal(np.sort(each.adc, axis=0), np.sort(real.adc, axis=0)) for each in mine)
    assert all(0.8 * 360 <= each.rate_hz <= 1.2 * 360 for each in mine)


def test_made_up_beds_have_their_troubles(beds: list[Bed]) -> None:
    """An electrode comes off, the heart stands still, a device falls silent; each for seconds."""
    made_up = [bed for number, bed in enumerate(beds) if number % REAL_EVERY]
    assert any(not bed.recording.valid.all() for bed in made_up)
    assert any(np.ptp(bed.recording.piece_mv(76 * 250, 80 * 250)) < 0.05 for bed in made_up)
    assert any(last - first > 10 for first, last in (bed.silent_s for bed in made_up))


def test_chunks_are_sent_when_they_are_measured(beds: list[Bed]) -> None:
    """Every stream a chunk a second, none early, none together with all the others."""
    clock, sent = Clock(), []

    def send(stream: str, value: bytes) -> None:
        sent.append((clock.now_s, decode_chunk(value, key=stream.encode())))

    some = beds[:6]
    assert all(
        each.late_s < 0.001 for each in islice(send_ward(some, "s", send, now=clock.now, wait=clock.wait), 60)
    )
    for at_s, chunk in sent:
        assert at_s == pytest.approx(chunk.start_us / 1e6 + len(chunk) / chunk.rate_hz, abs=0.01)
    assert len({at_s % 1 for at_s, _ in sent}) > 3
    assert {chunk.stream for _, chunk in sent} == {bed.stream for bed in some}
    assert 9 <= clock.now_s - 1_700_000_000 <= 12


def test_a_ward_has_no_end(real: Recording) -> None:
    """After a turn sample numbers go on, and so do times."""
    clock, sent = Clock(), []
    bed = Bed("a", real)
    chunks = send_ward(
        [bed], "s", lambda _, value: sent.append(decode_chunk(value)), now=clock.now, wait=clock.wait
    )
    list(islice(chunks, 25))
    ends = [chunk.first_sample + len(chunk) for chunk in sent]
    assert [chunk.first_sample for chunk in sent[1:]] == ends[:-1]
    assert sent[20].first_sample == 20 * 360


def test_a_silent_device_leaves_a_gap(beds: list[Bed]) -> None:
    """Longer than the five seconds after which the page says so."""
    bed = next(bed for bed in beds if bed.silent_s[1])
    clock, firsts = Clock(), []
    chunks = send_ward(
        [bed],
        "s",
        lambda _, value: firsts.append(decode_chunk(value).first_sample),
        now=clock.now,
        wait=clock.wait,
    )
    list(islice(chunks, round(TURN_S / 2)))
    assert max(np.diff(firsts)) / bed.recording.rate_hz > 20
