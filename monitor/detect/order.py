"""Which samples of a stream's chunks go into the signal path: gaps, duplicates, order, new segments."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitor.detect.interface import PLAIN, Rejected, Tuning
from monitor.ecg.samples import MISSING, flags_of
from monitor.formats.chunks import Chunk

MAX_FILL_S = 5.0  # a longer gap begins a new segment; a shorter one is filled with missing samples
REORDER_S = 2.0  # a chunk that is early waits until so much signal has come after the hole
CLOCK_S = 0.5  # a chunk whose start time strays so far from the sample count sets the clock anew
LOOK_BACK_S = 10.0  # clock settings are kept for so long: events look back a few seconds only


@dataclass(slots=True, eq=False)
class Stretch:
    """Samples of one stream without a break; `fresh`: the signal path starts anew before them."""

    ecg_mv: NDArray[np.float32]  # (n, leads)
    flags: NDArray[np.uint8]  # (n, leads)
    first_sample: int
    fresh: bool


@dataclass(slots=True)
class Stream:
    """What is known of a stream beside its arrays."""

    name: str
    session: str
    leads: tuple[str, ...]
    rate_hz: float
    segment: int  # input sample number of the segment's first sample
    expected: int  # input sample number that comes next
    clocks: list[tuple[int, int]] = field(default_factory=list)  # (sample, µs), oldest first
    gaps: list[tuple[int, int]] = field(
        default_factory=list
    )  # the last gaps given up on: [first, after last)
    held: list[Chunk] = field(default_factory=list)  # early chunks, by first sample
    tuning: Tuning = PLAIN  # not part of a snapshot

    def time_us(self, sample: int) -> int:
        """Time of an input sample, by the last clock setting at or before it."""
        known = [clock for clock in self.clocks if clock[0] <= sample] or self.clocks[:1]
        at, start_us = known[-1]
        return start_us + round((sample - at) * 1e6 / self.rate_hz)

    def forget_clocks(self) -> None:
        """Drop clock settings that no event looks back to; not before a batch is worked off."""
        oldest = self.expected - LOOK_BACK_S * self.rate_hz
        old = sum(at <= oldest for at, _ in self.clocks)
        self.clocks = self.clocks[max(0, old - 1) :]

    def describes(self, chunk: Chunk) -> bool:
        """True if the chunk continues this stream's session, leads and sampling rate."""
        return (chunk.session, chunk.leads, chunk.rate_hz) == (self.session, self.leads, self.rate_hz)


def new_stream(chunk: Chunk, tuning: Tuning = PLAIN) -> Stream:
    """A stream that begins with this chunk."""
    return Stream(
        name=chunk.stream,
        session=chunk.session,
        leads=chunk.leads,
        rate_hz=chunk.rate_hz,
        segment=chunk.first_sample,
        expected=chunk.first_sample,
        clocks=[(chunk.first_sample, chunk.start_us)],
        tuning=tuning,
    )


def admit(
    stream: Stream, chunk: Chunk, index: int, counts: Counter[str]
) -> tuple[list[Stretch], Rejected | None]:
    """The stretches that this chunk releases, in order, or why it is refused."""
    if chunk.first_sample > stream.expected:
        stream.held = sorted([*stream.held, chunk], key=lambda held: held.first_sample)
        return _release(stream, counts), None
    skip = stream.expected - chunk.first_sample
    if skip and any(
        chunk.first_sample < after and chunk.first_sample + len(chunk) > first for first, after in stream.gaps
    ):
        message = (
            f"samples {chunk.first_sample} came after the gap there was given up; wanted {stream.expected}"
        )
        return [], Rejected(index, "out_of_order", message)
    if skip >= len(chunk):
        counts["duplicates"] += 1
        return [], None
    if stream.held:
        counts["reordered"] += 1
    stretches = [_stretch(stream, chunk, skip, fresh=False)]
    return stretches + _release(stream, counts), None


def give_up(stream: Stream, counts: Counter[str]) -> list[Stretch]:
    """All that is held, as nothing will come before it: the recording or the session is over."""
    return _release(stream, counts, wait=False)


def _release(stream: Stream, counts: Counter[str], *, wait: bool = True) -> list[Stretch]:
    """Held chunks that follow on, and those after a gap that is given up."""
    stretches: list[Stretch] = []
    while stream.held:
        chunk = stream.held[0]
        gap = chunk.first_sample - stream.expected
        newest = max(held.first_sample + len(held) for held in stream.held)
        if wait and gap > 0 and newest - stream.expected - gap < REORDER_S * stream.rate_hz:
            break
        stream.held.pop(0)
        if gap > 0:
            counts["gaps"] += 1
            stretches += _bridge(stream, gap)
        fresh = gap > MAX_FILL_S * stream.rate_hz
        if stream.expected - chunk.first_sample < len(chunk):
            stretches.append(_stretch(stream, chunk, stream.expected - chunk.first_sample, fresh=fresh))
        else:
            counts["duplicates"] += 1
    return stretches


def _bridge(stream: Stream, gap: int) -> list[Stretch]:
    """Step over a gap: missing samples if it is short, nothing if a new segment follows."""
    stream.gaps = [*stream.gaps[-7:], (stream.expected, stream.expected + gap)]
    first, stream.expected = stream.expected, stream.expected + gap
    if gap > MAX_FILL_S * stream.rate_hz:
        return []
    shape = (gap, len(stream.leads))
    return [Stretch(np.zeros(shape, np.float32), np.full(shape, MISSING, np.uint8), first, fresh=False)]


def _stretch(stream: Stream, chunk: Chunk, skip: int, *, fresh: bool) -> Stretch:
    stray = chunk.start_us - stream.time_us(chunk.first_sample)
    if abs(stray) > CLOCK_S * 1e6:
        stream.clocks.append((chunk.first_sample, chunk.start_us))
    stream.expected = chunk.first_sample + len(chunk)
    flags = flags_of(chunk.valid, chunk.saturated)
    return Stretch(chunk.ecg_mv[skip:], flags[skip:], chunk.first_sample + skip, fresh)


def join(stretches: list[Stretch]) -> list[Stretch]:
    """The same stretches with those that follow on put together, so that a batch is one pass."""
    joined: list[list[Stretch]] = []
    for stretch in stretches:
        if joined and not stretch.fresh:
            joined[-1].append(stretch)
        else:
            joined.append([stretch])
    return [
        Stretch(
            np.concatenate([stretch.ecg_mv for stretch in group]),
            np.concatenate([stretch.flags for stretch in group]),
            group[0].first_sample,
            group[0].fresh,
        )
        for group in joined
    ]
