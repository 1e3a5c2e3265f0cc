"""What a chunk is to its stream: each row of the table in docs/formats.md, and what holds for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.detect.admission import RIVAL_S, SESSIONS_KEPT, WRAPS, admit, conclude, successor
from monitor.detect.detector import Detector
from monitor.detect.order import MAX_HELD_BYTES, Stream, Stretch, held_bytes, new_stream
from monitor.ecg.samples import MISSING
from monitor.formats.chunks import Chunk
from tests.support.made_up import chunk_of, outcome, run
from tests.support.models import small_model

RATE_HZ = 100.0
SECOND = 100  # samples
HOUR = 3600 * SECOND


def piece(
    first: int, n: int = SECOND, *, number: int | None = None, late_s: float = 0, session: str = "s"
) -> Chunk:
    """Samples whose values tell where they are in truth, whatever numbers and times they bear."""
    ecg_mv = np.arange(first, first + n, dtype=np.float32)[:, None]
    start_us = round(first * 1e6 / RATE_HZ + late_s * 1e6)
    return chunk_of(
        ecg_mv, first if number is None else number, rate_hz=RATE_HZ, session=session, start_us=start_us
    )


def pieces(
    first_s: int, last_s: int, *, shift: int = 0, late_s: float = 0, session: str = "s"
) -> list[Chunk]:
    """A chunk a second, their numbers shifted."""
    firsts = range(first_s * SECOND, last_s * SECOND, SECOND)
    return [piece(first, number=first + shift, late_s=late_s, session=session) for first in firsts]


class Desk:
    """One stream as the detector has it, and what became of its chunks."""

    def __init__(self) -> None:
        self.stream: Stream | None = None
        self.counts: Counter[str] = Counter()
        self.reasons: list[str] = []
        self.conflicts: list[str] = []
        self.stretches: list[Stretch] = []
        self.begun = 0  # how often the stream began anew

    def take(self, *chunks: Chunk) -> Desk:
        """Admit chunks one after the other."""
        for index, chunk in enumerate(chunks):
            self.stream = self.stream or new_stream(chunk)
            admitted = admit(self.stream, chunk, index, self.counts)
            self.stretches += admitted.stretches
            self.reasons += [admitted.rejected.reason] if admitted.rejected else []
            self.conflicts += [admitted.conflict] if admitted.conflict else []
            if admitted.anew:
                self._begin_anew(admitted.anew, index)
        return self

    def _begin_anew(self, chunks: list[Chunk], index: int) -> None:
        assert self.stream is not None
        self.stretches += conclude(self.stream, self.counts)
        self.stream = successor(self.stream, chunks[0])
        self.begun += 1
        for chunk in chunks:
            self.stretches += admit(self.stream, chunk, index, self.counts).stretches

    @property
    def known(self) -> Stream:
        """The stream, once a chunk of it came."""
        assert self.stream is not None
        return self.stream

    @property
    def measured(self) -> list[int]:
        """Which samples were released, as their values tell."""
        found = [each.ecg_mv[(each.flags[:, 0] & MISSING) == 0, 0] for each in self.stretches]
        return np.concatenate(found).astype(int).tolist() if found else []

    @property
    def undisturbed(self) -> bool:
        """True if nothing was told, refused or begun again."""
        told = self.conflicts or self.reasons or self.begun
        return not (told or self.counts.keys() & {"gaps", "wraps", "restarts", "conflicts"})


def test_a_counter_that_begins_again_goes_on() -> None:
    """Within a session: every sample is judged, from where the device began again as a new segment."""
    desk = Desk().take(*pieces(0, 20), *pieces(20, 40, shift=-20 * SECOND))
    assert desk.measured == list(range(40 * SECOND))
    assert [each.first_sample for each in desk.stretches if each.fresh] == [20 * SECOND]
    assert (desk.counts["restarts"], desk.counts["duplicates"], desk.conflicts) == (1, 0, [])


def test_a_restart_that_sets_the_clock_back_loses_nothing() -> None:
    """It is held for longer, and its numbers come by where the stream had been: they are not taken for it."""
    later = pieces(8, 60, shift=-8 * SECOND, late_s=-3600)
    desk = Desk().take(*pieces(0, 8, late_s=7200), *later)
    assert desk.measured == list(range(60 * SECOND))
    assert not desk.conflicts


def test_numbers_never_come_twice_in_a_session() -> None:
    """Event ids are made of them: after a restart they go on, by as much as its time says was lost."""
    desk = Desk().take(*pieces(0, 20), *pieces(23, 40, shift=-23 * SECOND))
    assert [each.first_sample for each in desk.stretches if each.fresh] == [23 * SECOND]
    assert desk.known.time_us(desk.known.expected) == 40_000_000
    assert (desk.counts["restarts"], desk.counts["gaps"]) == (1, 1)


@pytest.mark.parametrize("period", WRAPS)
def test_a_counter_that_wraps_goes_on(period: int) -> None:
    """It is no restart: the segment goes on, and nothing is told."""
    begun = period - 10 * SECOND - 7
    chunks = [replace(each, first_sample=(each.first_sample + begun) % period) for each in pieces(0, 20)]
    desk = Desk().take(*chunks)
    assert desk.measured == list(range(20 * SECOND))
    assert desk.known.expected == begun + 20 * SECOND
    assert desk.counts.pop("wraps") == 1
    assert desk.undisturbed


def test_a_chunk_from_before_a_wrap_is_known_again() -> None:
    """Sent again after the wrap it is a duplicate still."""
    chunks = [replace(each, first_sample=(each.first_sample + 64_900) % (1 << 16)) for each in pieces(0, 20)]
    desk = Desk().take(*chunks, chunks[2])
    assert (desk.counts["duplicates"], desk.conflicts, desk.known.rival) == (1, [], [])


@pytest.mark.parametrize("late_s", [0, 3600])
def test_one_chunk_that_jumps_an_hour_is_one_chunk_lost(late_s: float) -> None:
    """Its number or also its time: the others are judged, and it is told."""
    jumped = piece(10 * SECOND, number=10 * SECOND + HOUR, late_s=late_s)
    desk = Desk().take(*pieces(0, 10), jumped, *pieces(11, 280))
    assert desk.measured == [*range(10 * SECOND), *range(11 * SECOND, 280 * SECOND)]
    assert (desk.counts["conflicts"], len(desk.conflicts), desk.reasons) == (1, 1, [])


@pytest.mark.parametrize("late_s", [0, 3600])
def test_a_jump_that_is_taken_back_buries_nothing(late_s: float) -> None:
    """A sender that was believed, and goes on where it was before, is believed again."""
    jumped = pieces(10, 15, shift=HOUR, late_s=late_s)
    desk = Desk().take(*pieces(0, 10), *jumped, *pieces(15, 280))
    assert desk.measured == list(range(280 * SECOND))
    assert not desk.reasons


@pytest.mark.parametrize("late_s", [0, 3600])
def test_a_counter_that_jumped_for_good_goes_on(late_s: float) -> None:
    """Its numbers go by its times: an hour is missing only where the times say so, too."""
    desk = Desk().take(*pieces(0, 10), *pieces(10, 30, shift=HOUR, late_s=late_s))
    assert desk.measured == list(range(30 * SECOND))
    assert desk.known.expected == 30 * SECOND + (HOUR if late_s else 0)
    assert not desk.conflicts


def test_late_chunks_of_an_outage_are_refused_once_the_stream_goes_on() -> None:
    """When as much came after a long gap as makes a rival, a late chunk is a dead letter, not a rival."""
    after = 100 + round(RIVAL_S) + 1
    desk = Desk().take(*pieces(0, 10), *pieces(100, after), *pieces(50, 52))
    assert desk.reasons == ["out_of_order", "out_of_order"]
    assert not desk.known.rival


def test_early_chunks_in_any_number_of_copies_are_held_once() -> None:
    """Sixty copies of a chunk weigh as much as one, whether it is early or fits nothing."""
    late = piece(5 * SECOND, 50)
    desk = Desk().take(*pieces(0, 4), *[late] * 60, *[piece(0, number=9 * HOUR)] * 60)
    assert (len(desk.known.held), len(desk.known.rival)) == (1, 1)
    assert desk.counts["duplicates"] == 118
    desk.take(*pieces(4, 8))
    assert desk.measured == list(range(8 * SECOND))


def test_what_is_held_is_bounded_in_bytes() -> None:
    """Early chunks and rivals of any size: beyond the bound they are let through."""
    ecg_mv = np.zeros((round(1.5 * MAX_HELD_BYTES / 12 / 6), 12), np.float32)
    first = chunk_of(ecg_mv[:100], rate_hz=1000.0)
    for number, time_us in ((200, None), (1 << 40, 100_000)):
        desk = Desk().take(first, *[chunk_of(ecg_mv[:900], number, rate_hz=1000.0, start_us=time_us)] * 2)
        desk.take(chunk_of(ecg_mv, number + 900, rate_hz=1000.0, start_us=time_us))
        assert held_bytes([*desk.known.held, *desk.known.rival]) <= MAX_HELD_BYTES
        assert sum(map(len, (each.ecg_mv for each in desk.stretches))) >= 1000 + len(ecg_mv)


def test_a_closed_sessions_late_chunk_is_refused() -> None:
    """What was learned since stays; the refusal says which session came after it."""
    new = pieces(20, 40, shift=-20 * SECOND, session="t")
    desk = Desk().take(*pieces(0, 20), *new[:10], piece(19 * SECOND), *new[10:])
    assert (desk.reasons, desk.begun, desk.known.session) == (["closed_session"], 1, "t")
    assert desk.measured == list(range(40 * SECOND))


def test_a_session_that_is_taken_up_again_is_believed() -> None:
    """An old session's sender that goes on alone is the stream's."""
    desk = Desk().take(*pieces(0, 20), *pieces(20, 25, session="t"), *pieces(25, 40))
    assert (desk.known.session, desk.begun, desk.conflicts) == ("s", 2, [])
    assert desk.measured == list(range(40 * SECOND))


def test_closed_sessions_are_kept_in_a_bounded_number() -> None:
    """The oldest is forgotten."""
    desk = Desk().take(*[piece(i * SECOND, session=f"s{i}") for i in range(20)])
    assert desk.known.closed == [f"s{i}" for i in range(19 - SESSIONS_KEPT, 19)]


def beside(own: Sequence[Chunk], others: Sequence[Chunk]) -> list[Chunk]:
    """Two senders' chunks, in turn."""
    return [chunk for pair in zip(own, others, strict=True) for chunk in pair]


@pytest.mark.parametrize(
    ("change", "shift"),
    [
        ({"session": "t"}, 0),
        ({}, 20 * SECOND),
        ({}, 2 * HOUR),
        ({"start_us": 5}, 0),
        ({"leads": ("V5",)}, 0),
        ({"rate_hz": 128.0}, 0),
        ({"ecg_mv": np.full((SECOND, 1), -9, np.float32)}, 0),
    ],
)
def test_two_senders_on_one_id_are_told(change: dict[str, object], shift: int) -> None:
    """One of them is judged without a break, the other's chunks are counted, and an event says why."""
    own = pieces(0, 130)
    others = [replace(chunk, **change) for chunk in pieces(0, 130, shift=shift)]  # type: ignore[arg-type]
    desk = Desk().take(*own[:1], *beside(own[1:], others[:-1]))
    assert len(desk.measured) >= 125 * SECOND
    assert desk.counts["conflicts"] >= 120
    assert 2 <= len(desk.conflicts) <= 4  # once a minute
    assert desk.begun <= 1


@pytest.mark.parametrize("chunks", [4, 8])
def test_two_senders_that_come_in_bursts_are_told_apart(chunks: int) -> None:
    """Each silent for as long as the other's burst lasts: their times overlap, so that both are there."""
    own, others = pieces(0, 96), pieces(0, 96, shift=3 * HOUR)
    desk = Desk()
    for at in range(0, 96, chunks):
        desk.take(*own[at : at + chunks], *others[at : at + chunks])
    assert desk.measured == list(range(96 * SECOND))
    assert desk.counts["conflicts"] + len(desk.known.rival) == 96
    assert not desk.counts["restarts"]


def test_leads_are_known_by_their_names() -> None:
    """In whatever order a chunk has them."""
    ecg_mv = np.stack([np.arange(1000.0), -np.arange(1000.0)], axis=1).astype(np.float32)
    desk = Desk()
    for at in range(0, 1000, SECOND):
        part, names = ecg_mv[at : at + SECOND], ("I", "II")
        if at % (2 * SECOND):
            part, names = part[:, ::-1], ("II", "I")
        desk.take(chunk_of(part, at, rate_hz=RATE_HZ, leads=names))
    assert np.array_equal(np.concatenate([each.ecg_mv for each in desk.stretches]), ecg_mv)
    assert desk.undisturbed


@pytest.mark.parametrize(("share", "same"), [(5e-4, True), (9.9e-4, True), (1.1e-3, False)])
def test_a_rate_as_measured_is_the_streams(share: float, same: bool) -> None:
    """Up to a thousandth; beyond it, it is another."""
    desk = Desk()
    for i, chunk in enumerate(pieces(0, 20)):
        desk.take(replace(chunk, rate_hz=RATE_HZ * (1 + (share if i % 2 else 0))))
    assert desk.undisturbed is same
    assert (len(desk.measured) == 20 * SECOND) is same


@pytest.mark.parametrize("change", [{"rate_hz": 128.0}, {"leads": ("V5",)}])
def test_other_leads_or_another_rate_are_held_until_they_go_on(change: dict[str, object]) -> None:
    """Nothing is lost: the stream begins anew with the first of them."""
    others = [replace(chunk, **change) for chunk in pieces(20, 30)]  # type: ignore[arg-type]
    desk = Desk().take(*pieces(0, 20), *others)
    assert desk.measured == list(range(30 * SECOND))
    assert (desk.begun, desk.counts["restarts"], desk.conflicts) == (1, 1, [])


def test_a_session_that_ends_after_a_long_gap_keeps_its_last_chunk() -> None:
    """What came last is no rival any more when the session is over."""
    desk = Desk().take(*pieces(0, 10), *pieces(60, 61), *pieces(61, 70, session="t"))
    assert desk.measured == [*range(10 * SECOND), *range(60 * SECOND, 70 * SECOND)]
    assert not desk.conflicts


def shuffled(chunks: list[Chunk], swaps: set[int], twice: set[int]) -> list[Chunk]:
    """Neighbours swapped, the first one aside, and some sent again."""
    for at in sorted(swaps):
        if 0 < at < len(chunks) - 1:
            chunks[at], chunks[at + 1] = chunks[at + 1], chunks[at]
    return [chunk for i, chunk in enumerate(chunks) for _ in range(1 + (i in twice))]


def cut(total: int, sizes: Sequence[int]) -> list[Chunk]:
    """A recording of so many samples in chunks of these sizes, over and over."""
    chunks: list[Chunk] = []
    at = 0
    while at < total:
        n = min(sizes[len(chunks) % len(sizes)], total - at)
        chunks.append(piece(at, n))
        at += n
    return chunks


SIZES = st.lists(st.integers(10, 150), min_size=1, max_size=8)
SWAPS = st.sets(st.sampled_from(range(1, 40, 2)))
PLACES = st.sets(st.integers(1, 40))


@given(sizes=SIZES, swaps=SWAPS, twice=PLACES, period=st.sampled_from(WRAPS), before=st.integers(1, 1500))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_wrap_anywhere_changes_nothing(
    sizes: list[int], swaps: set[int], twice: set[int], period: int, before: int
) -> None:
    """However chunks are cut, repeated or swapped, at every width: all samples, one segment, no event."""
    wrapped = [
        replace(chunk, first_sample=(chunk.first_sample + period - before) % period)
        for chunk in cut(1600, sizes)
    ]
    desk = Desk().take(*shuffled(wrapped, swaps, twice))
    desk.stretches += conclude(desk.known, desk.counts)
    assert desk.measured == list(range(1600))
    assert not any(stretch.fresh for stretch in desk.stretches)
    del desk.counts["wraps"]
    assert desk.undisturbed


@given(sizes=SIZES, swaps=SWAPS, twice=PLACES, again=st.integers(500, 1500), lost=st.integers(0, 400))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_a_restart_anywhere_loses_nothing(
    sizes: list[int], swaps: set[int], twice: set[int], again: int, lost: int
) -> None:
    """A counter begun again at any chunk, with what was lost meanwhile; cut and repeated in any way."""
    chunks = cut(3000, sizes)
    begin = next(i for i, chunk in enumerate(chunks) if chunk.first_sample >= again)
    at = chunks[begin].first_sample
    later = [
        replace(chunk, first_sample=chunk.first_sample - at, start_us=chunk.start_us + lost * 10_000)
        for chunk in chunks[begin:]
    ]
    desk = Desk().take(*shuffled(chunks[:begin], swaps, twice), *shuffled(later, swaps, twice))
    assert desk.measured == list(range(3000))
    assert (desk.counts["restarts"], desk.conflicts, desk.reasons) == (1, [], [])


ANY_CHUNK = st.builds(
    lambda number, at_s, n, session, lead, rate_hz, value: chunk_of(
        np.full((n, 1), value, np.float32), number, session=session, leads=(lead,), rate_hz=rate_hz,
        start_us=round(at_s * 1e6),
    ),
    st.integers(0, 4000) | st.sampled_from([HOUR, (1 << 16) - 50, (1 << 32) - 1]),
    st.floats(0, 60) | st.sampled_from([3600.0, 1e8]),
    st.integers(1, 400),
    st.sampled_from("sst"),
    st.sampled_from(["I", "I", "II"]),
    st.sampled_from([100.0, 100.0, 100.05, 250.0]),
    st.integers(0, 2),
)  # fmt: skip


@given(chunks=st.lists(ANY_CHUNK, min_size=1, max_size=40))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_nothing_is_dropped_without_a_word(chunks: list[Chunk]) -> None:
    """Whatever comes is released, held, or in one of the counts; a conflict is told at least once."""
    desk = Desk().take(*chunks)
    released = sum(not (stretch.flags == MISSING).all() for stretch in desk.stretches)
    held = len(desk.known.held) + len(desk.known.rival)
    dropped = desk.counts["duplicates"] + desk.counts["conflicts"] + len(desk.reasons)
    assert released + held + dropped == len(chunks)
    assert bool(desk.conflicts) == bool(desk.counts["conflicts"])
    assert held_bytes([*desk.known.held, *desk.known.rival]) <= 2 * MAX_HELD_BYTES


@given(chunks=st.lists(ANY_CHUNK, min_size=1, max_size=25), cut=st.integers(0, 25))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_whatever_comes_batches_and_snapshots_do_not_matter(chunks: list[Chunk], cut: int) -> None:
    """One batch, one chunk at a time, or a restored snapshot between two halves: the same is said."""
    together = outcome([Detector(small_model()).process(chunks)])
    single, first, second = Detector(small_model()), Detector(small_model()), Detector(small_model())
    assert outcome(run(single, ([chunk] for chunk in chunks))) == together
    parts = [first.process(chunks[:cut])]
    if cut:
        second.restore("a", first.snapshot("a"))
    assert outcome([*parts, second.process(chunks[cut:])]) == together
