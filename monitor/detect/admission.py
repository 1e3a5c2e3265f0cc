"""What a chunk is to its stream, by session, sample number, start time, leads and rate: the one place.

A chunk *fits* if it goes on with the stream's numbering, or is so near that a few were lost, or if its time
agrees with its number. What does not fit is a *rival*: a device that began its counter again, a counter that
jumped, other leads or another rate, an old session, a second sender. Numbers alone can't tell which, so a
rival is held until it has gone on for longer than the stream's own sender pauses between chunks, and then
the stream goes over to it, nothing lost; if the stream's own sender goes on beside it, it is dropped, and
that is an event. All this depends on the chunks alone, never on a clock of ours. docs/formats.md has the table.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from monitor.detect.interface import Rejected
from monitor.detect.order import (
    MAX_FILL_S,
    MAX_HELD_BYTES,
    REORDER_S,
    Stream,
    Stretch,
    begin_segment,
    covered,
    fitted,
    held_bytes,
    new_stream,
    same_shape,
    take,
)
from monitor.formats.chunks import Chunk

AGREE_S = 2.0  # between a chunk's start time and what its number says; more over a long gap:
AGREE_SHARE = 0.002  # a device's clock and its sampling clock drift apart
WRAPS = (1 << 16, 1 << 24, 1 << 31, 1 << 32)  # at which counters begin again at 0
RIVAL_S = 30.0  # of signal that does not fit: then it is the stream, whatever its times say
TOLD_EVERY_S = 60.0  # of the stream's signal between two events that tell of a conflict
SESSIONS_KEPT = 8  # of those that are closed


@dataclass(slots=True)
class Admitted:
    """What becomes of a chunk: the stretches that it releases, and what is to be said of it."""

    stretches: list[Stretch] = field(default_factory=list)
    rejected: Rejected | None = None
    conflict: str | None = None  # why chunks that were held are dropped, if it is to be told now
    anew: list[Chunk] = field(default_factory=list)  # the stream begins anew with these


def admit(stream: Stream, chunk: Chunk, index: int, counts: Counter[str]) -> Admitted:
    """Take a chunk of the stream in, hold it, or refuse it; `index` is its place in the batch."""
    if chunk.session != stream.session:
        return _of_another_session(stream, chunk, index, counts)
    if not same_shape(chunk, stream.leads, stream.rate_hz):
        return _rival(stream, chunk, counts)
    shift = _shift(stream, chunk)
    if shift is None:
        return _rival(stream, chunk, counts)
    mine = fitted(chunk, stream.leads, stream.base + shift)
    if shift > 0:
        stream.base += shift
        counts["wraps"] += 1
    stretches, rejected = take(stream, mine, index, counts)
    alive = mine.first_sample + len(mine)
    if rejected is not None or alive < stream.expected:
        return Admitted(stretches, rejected)  # an old one: it does not show that its sender goes on
    stream.chunk_samples = len(mine)
    # A rival that begins where this chunk ends may yet be the same device, begun again.
    if stream.rival and stream.rival[0].start_us < stream.time_us(alive) - 1e6 * REORDER_S / 4:
        return Admitted(stretches, conflict=_drop_rival(stream, counts))
    return Admitted(stretches)


def successor(stream: Stream, chunk: Chunk) -> Stream:
    """The stream that begins anew with this chunk; its sample numbers never come twice in a session."""
    if chunk.session != stream.session:
        closed = [each for each in stream.closed if each != chunk.session]
        following = new_stream(chunk, stream.tuning, partition=stream.partition)
        following.closed = [*closed, stream.session][-SESSIONS_KEPT:]
        return following
    late_s = (chunk.start_us - stream.time_us(stream.expected)) / 1e6
    base = stream.base
    if not _agrees(stream, chunk.first_sample + base, chunk.start_us):
        base = stream.expected + max(0, round(late_s * stream.rate_hz)) - chunk.first_sample
    following = new_stream(chunk, stream.tuning, partition=stream.partition, base=base)
    following.closed = stream.closed
    return following


def _of_another_session(stream: Stream, chunk: Chunk, index: int, counts: Counter[str]) -> Admitted:
    """A new session takes over at once: so a device's restart is told. An old one has to go on for it."""
    end_us = chunk.start_us + round(len(chunk) * 1e6 / chunk.rate_hz)
    if chunk.session in stream.closed and end_us <= stream.began_us + 1e6 * AGREE_S:
        message = f"session {chunk.session!r:.60} is closed: {stream.session!r:.60} came after it"
        return Admitted(rejected=Rejected(index, "closed_session", message))
    if chunk.session in stream.closed or chunk.start_us < stream.began_us - 1e6 * AGREE_S:
        return _rival(stream, chunk, counts)
    conflict = _drop_rival(stream, counts) if stream.rival else None
    return Admitted(conflict=conflict, anew=[chunk])


def _shift(stream: Stream, chunk: Chunk) -> int | None:
    """What makes the chunk's number fit, beside the stream's base: 0, or a wrap; None if nothing does."""
    first = chunk.first_sample + stream.base
    gap = first - stream.expected
    if 0 <= gap <= MAX_FILL_S * stream.rate_hz or _agrees(stream, first, chunk.start_us):
        return 0
    for period in WRAPS:
        for shift in (period, -period):  # the second: a chunk from before the wrap that comes after it
            near = abs(gap + shift) <= MAX_FILL_S * stream.rate_hz
            if near and _agrees(stream, first + shift, chunk.start_us):
                return shift
    return None


def _agrees(stream: Stream, sample: int, start_us: int) -> bool:
    """True if a sample of this number can have this time."""
    gap_s = abs(sample - stream.expected) / stream.rate_hz
    stray_s = abs(start_us - stream.time_us(sample)) / 1e6
    return stray_s <= AGREE_S + AGREE_SHARE * gap_s


def _rival(stream: Stream, chunk: Chunk, counts: Counter[str]) -> Admitted:
    """Hold a chunk that does not fit, and go over to its like once they have gone on for long enough."""
    conflict = None
    if stream.rival and not _goes_on(stream.rival, chunk):
        conflict = _drop_rival(stream, counts)
    if covered(chunk, stream.rival):
        counts["duplicates"] += 1
        return Admitted(conflict=conflict)
    stream.rival = sorted([*stream.rival, chunk], key=lambda held: held.first_sample)
    if not _persists(stream):
        return Admitted(conflict=conflict)
    chunks, stream.rival = stream.rival, []
    counts["restarts"] += 1
    if stream.describes(chunks[0]):
        return Admitted(begin_segment(stream, chunks, counts), conflict=conflict)
    return Admitted(conflict=conflict, anew=chunks)


def _goes_on(rival: list[Chunk], chunk: Chunk) -> bool:
    first, last = rival[0], rival[-1]
    if chunk.session != first.session or not same_shape(chunk, first.leads, first.rate_hz):
        return False
    after = chunk.first_sample - (last.first_sample + len(last))
    return chunk.first_sample >= first.first_sample and after <= MAX_FILL_S * first.rate_hz


def _persists(stream: Stream) -> bool:
    """True if the rival has gone on beyond the time at which the stream's own sender was due."""
    first, last = stream.rival[0], stream.rival[-1]
    seconds = sum(map(len, stream.rival)) / first.rate_hz
    if seconds >= RIVAL_S or held_bytes(stream.rival) > MAX_HELD_BYTES:
        return True
    end_us = last.start_us + len(last) * 1e6 / last.rate_hz
    due_us = stream.time_us(stream.expected) + 1e6 * (stream.chunk_samples / stream.rate_hz + REORDER_S)
    return seconds >= REORDER_S and end_us >= due_us


def _drop_rival(stream: Stream, counts: Counter[str]) -> str | None:
    """Drop the chunks that did not fit; returns why, unless the like was told a moment ago."""
    dropped, stream.rival = stream.rival, []
    counts["conflicts"] += len(dropped)
    told = stream.conflict_told
    if told >= 0 and stream.expected - told < TOLD_EVERY_S * stream.rate_hz:
        return None
    stream.conflict_told = stream.expected
    first = dropped[0]
    what = "other leads" if set(first.leads) != set(stream.leads) else f"sample {first.first_sample}"
    return (
        f"{len(dropped)} chunks dropped that do not fit (session {first.session!r:.40}, {what}, "
        f"{first.rate_hz:g} Hz): two senders, or a counter that jumped"
    )
