"""A stream's chunks that fit it, put in order: gaps, duplicates, early and late ones, clocks, segments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from monitor.detect.interface import PLAIN, Rejected, Source, Tuning
from monitor.ecg.samples import MISSING, flags_of
from monitor.formats.chunks import Chunk

MAX_FILL_S = 5.0  # a longer gap begins a new segment; a shorter one is filled with missing samples
MAX_HELD_BYTES = 1 << 18  # of early chunks; 2 s of 12 leads at 1000 Hz have 144 kB
RATE_SLACK = 0.001  # a device may report the rate that it has just measured
REORDER_S = 2.0  # a chunk that is early waits until so much signal has come after the hole
CLOCK_S = 0.5  # a chunk whose start time strays so far from the sample count sets the clock anew
CLOCK_STEP_S = 0.1  # between two settings, so that no number of small chunks makes too many
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
    """What is known of a stream beside its arrays. Sample numbers here are the device's plus `base`."""

    name: str
    session: str
    leads: tuple[str, ...]
    rate_hz: float
    segment: int  # input sample number of the segment's first sample
    expected: int  # input sample number that comes next
    clocks: list[tuple[int, int]] = field(default_factory=list)  # (sample, µs), oldest first
    gaps: list[tuple[int, int]] = field(default_factory=list)  # the last ones given up: [first, after)
    held: list[Chunk] = field(default_factory=list)  # early chunks, by first sample
    base: int = 0  # so that numbers go on over a counter that wraps or begins again
    began_us: int = 0  # start time of the session
    chunk_samples: int = 0  # of the last chunk taken: how long its sender may be silent
    closed: list[str] = field(default_factory=list)  # sessions before this one, oldest first
    rival: list[Chunk] = field(default_factory=list)  # held chunks that do not fit, in their own numbers
    recent: list[tuple[int, int, int]] = field(default_factory=list)  # first sample, length, CRC-32 of chunks
    drift: float = 0.0  # of the last chunk's rate from the stream's, as a share
    rival_since: int = 0  # what was expected when they began
    conflict_told: int = -1  # sample at which a conflict was last told
    tuning: Tuning = PLAIN  # not part of a snapshot
    partition: int = 0  # that its records come from; not part of a snapshot

    @property
    def source(self) -> Source:
        """Whose chunks these are, and from which partition."""
        return self.name, self.partition

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
        """True if the chunk has this stream's session, leads in any order, and sampling rate."""
        return chunk.session == self.session and same_shape(chunk, self.leads, self.rate_hz)


def same_shape(chunk: Chunk, leads: tuple[str, ...], rate_hz: float) -> bool:
    """True if the chunk has these leads, in whatever order, and this rate, give or take RATE_SLACK."""
    if chunk.leads != leads and (len(chunk.leads) != len(leads) or set(chunk.leads) != set(leads)):
        return False
    return abs(chunk.rate_hz - rate_hz) <= RATE_SLACK * rate_hz


def fitted(chunk: Chunk, leads: tuple[str, ...], shift: int) -> Chunk:
    """The chunk with its columns in the order of these leads and its number shifted."""
    if chunk.leads != leads:
        order = [chunk.leads.index(lead) for lead in leads]
        arrays = {name: getattr(chunk, name)[:, order] for name in ("ecg_mv", "valid", "saturated")}
        chunk = replace(chunk, leads=leads, **arrays)
    return replace(chunk, first_sample=chunk.first_sample + shift) if shift else chunk


def new_stream(chunk: Chunk, tuning: Tuning = PLAIN, *, partition: int = 0, base: int = 0) -> Stream:
    """A stream that begins with this chunk."""
    first = chunk.first_sample + base
    return Stream(
        name=chunk.stream,
        session=chunk.session,
        leads=chunk.leads,
        rate_hz=chunk.rate_hz,
        segment=first,
        expected=first,
        clocks=[(first, chunk.start_us)],
        base=base,
        began_us=chunk.start_us,
        tuning=tuning,
        partition=partition,
    )


def take(
    stream: Stream, chunk: Chunk, index: int, counts: Counter[str]
) -> tuple[list[Stretch], Rejected | None]:
    """The stretches that a chunk which fits the stream releases, in order, or why it is refused."""
    if chunk.first_sample > stream.expected:
        return _hold(stream, chunk, counts), None
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


def begin_segment(stream: Stream, chunks: list[Chunk], base: int, counts: Counter[str]) -> list[Stretch]:
    """Go on with chunks after a long gap, or of another numbering; what is held comes first.

    The segment is a new one: nothing says how the samples before and after it hang together.
    """
    stretches = give_up(stream, counts)
    gap = max(0, chunks[0].first_sample + base - stream.expected)
    if gap:
        counts["gaps"] += 1
        stream.gaps = [*stream.gaps[-7:], (stream.expected, stream.expected + gap)]
    stream.expected += gap
    stream.base = stream.expected - chunks[0].first_sample
    first, *stream.held = [fitted(chunk, stream.leads, stream.base) for chunk in chunks]
    stretches.append(_stretch(stream, first, 0, fresh=True))
    stream.chunk_samples = len(first)
    return stretches + _release(stream, counts)


def give_up(stream: Stream, counts: Counter[str]) -> list[Stretch]:
    """All that is held, as nothing will come before it: the recording or the session is over."""
    return _release(stream, counts, wait=False)


def _hold(stream: Stream, chunk: Chunk, counts: Counter[str]) -> list[Stretch]:
    """Keep an early chunk for a while; one that is held already, or too much of them, is not kept."""
    if covered(chunk, stream.held):
        counts["duplicates"] += 1
        return []
    stream.held = sorted([*stream.held, chunk], key=lambda held: held.first_sample)
    return _release(stream, counts, wait=held_bytes(stream.held) <= MAX_HELD_BYTES)


def covered(chunk: Chunk, by: Sequence[Chunk]) -> bool:
    """True if one of these chunks has all its sample numbers."""
    end = chunk.first_sample + len(chunk)
    return any(
        each.first_sample <= chunk.first_sample and each.first_sample + len(each) >= end for each in by
    )


def held_bytes(chunks: Sequence[Chunk]) -> int:
    """What these chunks add to a snapshot, uncompressed."""
    return sum(each.ecg_mv.nbytes + each.valid.nbytes + each.saturated.nbytes for each in chunks)


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
    since = chunk.first_sample - stream.clocks[-1][0]
    if abs(stray) > CLOCK_S * 1e6 and (fresh or since >= CLOCK_STEP_S * stream.rate_hz):
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
