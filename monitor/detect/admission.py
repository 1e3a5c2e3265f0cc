"""What a chunk is to its stream, by session, sample number, start time, leads and rate: the one place.

A chunk *fits* if it goes on with the stream's numbering, or is so near that a few were lost, or if it is
old and its time agrees with its number. What does not fit is a *rival*: a counter that began again or jumped,
other leads or another rate, an old session, a second sender. Numbers alone can't tell which, so a rival is
held until it has gone on for longer than the stream's own sender pauses between chunks; then the stream goes
over to it, nothing lost. If the stream's own sender goes on beside it, it is dropped, and that is an event.
All this depends on the chunks alone, never on a clock of ours; docs/formats.md has the table.
"""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

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
    give_up,
    held_bytes,
    new_stream,
    same_shape,
    take,
)
from monitor.formats.chunks import Chunk

AGREE_S = 2.0  # between a chunk's start time and what its number says; more over a long gap:
AGREE_SHARE = 0.002  # a device's clock and its sampling clock drift apart
WRAPS = (1 << 16, 1 << 24, 1 << 31, 1 << 32)  # at which counters begin again at 0
BESIDE_S = 0.5  # by which a sender's start times may lie before the end of what came before
RIVAL_S = 30.0  # of signal that does not fit: then it is the stream, whatever its times say
TOLD_EVERY_S = 60.0  # of the stream's signal between two events that tell of a conflict
RECENT_CHUNKS = 4  # whose samples are known again
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
    shift = _shift(stream, chunk) if same_shape(chunk, stream.leads, stream.rate_hz) else None
    if shift is None or _goes_on_with_rival(stream, chunk):
        return _rival(stream, chunk, counts)
    mine = fitted(chunk, stream.leads, stream.base + shift)
    seen = (mine.first_sample, len(mine), zlib.crc32(np.ascontiguousarray(mine.ecg_mv).data))
    if _led_astray(stream, mine.first_sample) or _had_otherwise(stream, seen):
        return _rival(stream, chunk, counts)
    if shift > 0:
        stream.base += shift
        counts["wraps"] += 1
    stretches, rejected = take(stream, mine, index, counts)
    alive = mine.first_sample + len(mine)
    if rejected is not None or alive < stream.expected:
        return Admitted(stretches, rejected)  # an old one: it does not show that its sender goes on
    stream.chunk_samples, stream.drift = len(mine), chunk.rate_hz / stream.rate_hz - 1
    stream.recent = [*stream.recent[1 - RECENT_CHUNKS :], seen]
    if stream.rival and _outlived(stream, alive):
        return Admitted(stretches, conflict=_drop_rival(stream, counts))
    return Admitted(stretches)


def conclude(stream: Stream, counts: Counter[str]) -> list[Stretch]:
    """All that is held, as the recording or the session is over: also what came last after a long gap."""
    stretches = give_up(stream, counts)
    if stream.rival and _came_last(stream):
        stretches += begin_segment(stream, *_taken(stream, counts), counts)
    return stretches


def successor(stream: Stream, chunk: Chunk) -> Stream:
    """The stream that begins anew with this chunk; its sample numbers never come twice in a session."""
    if chunk.session != stream.session:
        closed = [each for each in stream.closed if each != chunk.session]
        following = new_stream(chunk, stream.tuning, partition=stream.partition)
        following.closed = [*closed, stream.session][-SESSIONS_KEPT:]
        return following
    following = new_stream(chunk, stream.tuning, partition=stream.partition, base=_base_for(stream, chunk))
    following.began_us, following.closed = stream.began_us, stream.closed
    return following


def _of_another_session(stream: Stream, chunk: Chunk, index: int, counts: Counter[str]) -> Admitted:
    """A new session takes over at once: so a device's restart is told. An old one has to go on for it."""
    end_us = chunk.start_us + round(len(chunk) * 1e6 / chunk.rate_hz)
    if chunk.session in stream.closed and end_us <= stream.began_us + 1e6 * AGREE_S:
        message = f"session {chunk.session!r:.60} is closed: {stream.session!r:.60} came after it"
        return Admitted(rejected=Rejected(index, "closed_session", message))
    if chunk.session in stream.closed or chunk.start_us < stream.began_us - 1e6 * AGREE_S:
        return _rival(stream, chunk, counts)
    conflict = _drop_rival(stream, counts) if stream.rival and not _came_last(stream) else None
    return Admitted(conflict=conflict, anew=[chunk])


def _shift(stream: Stream, chunk: Chunk) -> int | None:
    """What makes the chunk's number fit, beside the stream's base: 0, or a wrap; None if nothing does."""
    first = chunk.first_sample + stream.base
    newest = max([stream.expected, *(held.first_sample + len(held) for held in stream.held)])
    gap = first - newest
    if gap <= MAX_FILL_S * stream.rate_hz and (
        first >= stream.expected or _agrees(stream, first, chunk.start_us)
    ):
        return 0
    for period in WRAPS:
        for shift in (period, -period):  # the second: a chunk from before the wrap that comes after it
            near = first + shift >= 0 and gap + shift <= MAX_FILL_S * stream.rate_hz
            if near and _agrees(stream, first + shift, chunk.start_us):
                return shift
    return None


def _agrees(stream: Stream, sample: int, start_us: int) -> bool:
    """True if a sample of this number can have this time."""
    gap_s = abs(sample - stream.expected) / stream.rate_hz
    stray_s = abs(start_us - stream.time_us(sample)) / 1e6
    return stray_s <= AGREE_S + AGREE_SHARE * gap_s


def _had_otherwise(stream: Stream, seen: tuple[int, int, int]) -> bool:
    """True if a chunk of the same numbers was had a moment ago, with other samples: by another sender."""
    return any(seen[:2] == other[:2] and seen != other for other in stream.recent)


def _led_astray(stream: Stream, first: int) -> bool:
    """True if the chunk lies in a long gap after which little came: a single jump may have made the gap."""
    return any(
        begin <= first < after
        and after - begin > MAX_FILL_S * stream.rate_hz
        and stream.expected - after < RIVAL_S * stream.rate_hz
        for begin, after in stream.gaps
    )


def _rival(stream: Stream, chunk: Chunk, counts: Counter[str]) -> Admitted:
    """Hold a chunk that does not fit, and go over to its like once they have gone on for long enough."""
    conflict = None
    if stream.rival and not _goes_on(stream.rival, chunk):
        conflict = _drop_rival(stream, counts)
    if covered(chunk, stream.rival):
        counts["duplicates"] += 1
        return Admitted(conflict=conflict)
    if not stream.rival:
        stream.rival_since = stream.expected
    stream.rival = sorted([*stream.rival, chunk], key=lambda held: held.first_sample)
    if not _persists(stream):
        return Admitted(conflict=conflict)
    chunks, base = _taken(stream, counts)
    if stream.describes(chunks[0]):
        return Admitted(begin_segment(stream, chunks, base, counts), conflict=conflict)
    return Admitted(conflict=conflict, anew=chunks)


def _goes_on(rival: list[Chunk], chunk: Chunk) -> bool:
    """True if the chunk may come from the sender of these."""
    first, last = rival[0], rival[-1]
    if chunk.session != first.session or not same_shape(chunk, first.leads, first.rate_hz):
        return False
    before = first.first_sample - (chunk.first_sample + len(chunk))
    after = chunk.first_sample - (last.first_sample + len(last))
    return max(before, after) <= MAX_FILL_S * first.rate_hz


def _goes_on_with_rival(stream: Stream, chunk: Chunk) -> bool:
    """True if the chunk's number may be the stream's by chance alone: its time is the next of the rival's."""
    if not stream.rival or _agrees(stream, chunk.first_sample + stream.base, chunk.start_us):
        return False
    last = stream.rival[-1]
    due_us = last.start_us + len(last) * 1e6 / last.rate_hz
    is_next = chunk.first_sample == last.first_sample + len(last)
    return is_next and abs(chunk.start_us - due_us) <= 1e6 * BESIDE_S and _goes_on(stream.rival, chunk)


def _persists(stream: Stream) -> bool:
    """True if the rival has gone on for longer than the stream's own sender is ever silent."""
    first, last = stream.rival[0], stream.rival[-1]
    seconds = _extent(stream.rival) / first.rate_hz
    silent_s = stream.chunk_samples / stream.rate_hz + REORDER_S
    if held_bytes(stream.rival) > MAX_HELD_BYTES or seconds >= max(RIVAL_S, silent_s):
        return True
    # One that was measured beside what we took, and came after it in a burst, is a second sender's.
    beside = first.start_us < stream.time_us(stream.expected) - 1e6 * BESIDE_S
    end_us = last.start_us + len(last) * 1e6 / last.rate_hz
    due_us = stream.time_us(stream.expected) + 1e6 * silent_s
    return not beside and seconds >= silent_s and end_us >= due_us


def _extent(chunks: list[Chunk]) -> int:
    """How many samples chunks in order have, those that repeat others counted once."""
    total, end = 0, chunks[0].first_sample
    for chunk in chunks:
        after = chunk.first_sample + len(chunk)
        total += max(0, after - max(end, chunk.first_sample))
        end = max(end, after)
    return total


def _outlived(stream: Stream, alive: int) -> bool:
    """True if the stream's own sender went on, to this sample, beside the rival.

    One that begins where this chunk ends may yet be the same device, begun again.
    """
    beside = stream.rival[0].start_us < stream.time_us(alive) - 1e6 * BESIDE_S
    return beside or alive - stream.rival_since > REORDER_S * stream.rate_hz


def _came_last(stream: Stream) -> bool:
    """True if the rival came after all that the stream has, and only a long gap or a new count parts them."""
    first = stream.rival[0]
    return stream.describes(first) and first.start_us >= stream.time_us(stream.expected) - 1e6 * AGREE_S


def _taken(stream: Stream, counts: Counter[str]) -> tuple[list[Chunk], int]:
    """The rival's chunks, which are the stream's now, and the base of their numbers."""
    chunks, stream.rival = stream.rival, []
    base = _base_for(stream, chunks[0])
    if base != stream.base or not stream.describes(chunks[0]):
        counts["restarts"] += 1
    return chunks, base


def _base_for(stream: Stream, chunk: Chunk) -> int:
    """The base with which a chunk comes after all that was had: by its own numbers, else by its time."""
    first = chunk.first_sample + stream.base
    if first >= stream.expected and _agrees(stream, first, chunk.start_us):
        return stream.base
    late_s = (chunk.start_us - stream.time_us(stream.expected)) / 1e6
    return stream.expected + max(0, round(late_s * stream.rate_hz)) - chunk.first_sample


def _drop_rival(stream: Stream, counts: Counter[str]) -> str | None:
    """Drop the chunks that did not fit; returns why, unless the like was told a moment ago."""
    dropped, stream.rival = stream.rival, []
    counts["conflicts"] += len(dropped)
    told = stream.conflict_told
    if told >= 0 and stream.expected - told < TOLD_EVERY_S * stream.rate_hz:
        return None
    stream.conflict_told = stream.expected
    first = dropped[0]
    count = "1 chunk" if len(dropped) == 1 else f"{len(dropped)} chunks"
    what = "other leads" if set(first.leads) != set(stream.leads) else f"sample {first.first_sample}"
    return (
        f"{count} dropped that did not fit (session {first.session!r:.40}, {what}, "
        f"{first.rate_hz:g} Hz): two senders, or a counter that jumped"
    )
