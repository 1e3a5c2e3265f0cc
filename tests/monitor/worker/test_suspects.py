"""The record that made the worker fail is found among others, and left alone from then on."""

from __future__ import annotations

import pytest

from monitor.errors import DecodeError
from monitor.worker.positions import Mark
from monitor.worker.suspects import DEADLY, MOST_IN_A_ROW, Batch, Suspects
from tests.support.kafka_fakes import Record, partition, place

PART = partition()
RECORDS = [Record(b"", offset) for offset in range(3)]


def test_nothing_is_parted_without_a_suspicion() -> None:
    """One pass a poll."""
    assert list(Suspects(lambda: None).parts({PART: RECORDS})) == [{PART: RECORDS}]


def test_after_a_failure_records_go_one_by_one() -> None:
    """Those of the poll that failed; what follows goes together again."""
    suspects = Suspects(lambda: None)
    suspects.failed({PART: RECORDS}, RuntimeError("a bug"))
    assert [part[PART][0].offset for part in suspects.parts({PART: RECORDS})] == [0, 1, 2]
    later = [Record(b"", 3), Record(b"", 4)]
    assert list(suspects.parts({PART: later})) == [{PART: later}]
    suspects.check(PART, 1)  # none of them is known yet


def test_a_record_that_fails_alone_is_refused_from_then_on() -> None:
    """With what it raised; until its commit."""
    suspects = Suspects(lambda: None)
    suspects.failed({PART: RECORDS[1:2]}, RuntimeError("a bug"))
    suspects.check(PART, 0)
    suspects.check(partition(number=1), 1)
    with pytest.raises(DecodeError, match="failed on it: RuntimeError: a bug") as refused:
        suspects.check(PART, 1)
    assert refused.value.reason == "failed"
    ahead = partition(replay=2, committed=2)
    suspects.passed({ahead: [Record(b"", 2)]})
    suspects.check(PART, 1)


def fail(suspects: Suspects, count: int) -> None:
    """Records that fail alone, one after another, each buried then."""
    for offset in range(count):
        suspects.failed({PART: [Record(b"", offset)]}, RuntimeError("a bug"))
        suspects.passed({PART: [Record(b"", offset)]})


def test_where_every_record_fails_we_test_ourselves() -> None:
    """A sender's fault may be in all that it sends: with nothing wrong with us, all of it is buried."""
    tests: list[None] = []
    fail(Suspects(lambda: tests.append(None)), 3 * MOST_IN_A_ROW)
    assert len(tests) == 2


def broken() -> None:
    """What a detector says that cannot judge anything."""
    raise ZeroDivisionError


def test_where_the_self_test_fails_it_is_not_the_records() -> None:
    """Its error ends the process, rather than all that comes be buried; a record that passes clears us."""
    suspects = Suspects(broken)
    fail(suspects, MOST_IN_A_ROW)
    suspects.passed({PART: [Record(b"", 60)]})
    fail(suspects, MOST_IN_A_ROW)
    with pytest.raises(ZeroDivisionError):
        fail(suspects, 1)


def _offsets(suspects: Suspects, batch: Batch) -> list[dict[int, list[int]]]:
    return [
        {each.place.partition: [record.offset for record in records] for each, records in part.items()}
        for part in suspects.parts(batch)
    ]


def test_where_a_process_ended_records_go_one_by_one() -> None:
    """The others of the poll together, as far as they come before."""
    found, other = partition(mark=Mark(1, 2)), partition(number=1)
    records = [Record(b"", offset) for offset in range(5)]
    assert _offsets(Suspects(lambda: None), {found: records, other: records}) == [
        {0: [0], 1: [0, 1, 2, 3, 4]},
        {0: [1]},
        {0: [2]},
        {0: [3, 4]},
    ]


def test_new_partitions_are_marked_by_one_commit() -> None:
    """Those in hand with what is judged, the others with whatever comes; and never again."""
    suspects, owned = Suspects(lambda: None), {place(number): partition(number=number) for number in range(3)}
    batch = {owned[place(0)]: RECORDS}
    assert suspects.marks(owned, batch, batch) == {place(0): Mark(0, 2), place(1): Mark(0), place(2): Mark(0)}
    for part in owned.values():
        part.commit([], 0.0, {}, Mark(0))
    assert suspects.marks(owned, batch, batch) == {}


def test_after_an_end_each_part_is_marked() -> None:
    """Deaths are counted of a record alone, and once a process however often it tries."""
    suspects, part = Suspects(lambda: None), partition(mark=Mark(0))
    owned = {place(): part}
    assert suspects.marks(owned, {part: RECORDS}, {part: RECORDS}) == {place(): Mark(0, 2)}
    assert part.deaths == {}
    for _ in range(DEADLY + 1):
        assert suspects.marks(owned, {part: RECORDS}, {part: RECORDS[:1]}) == {place(): Mark(0, 0)}
        assert part.deaths == {0: 1}
        suspects.check(part, 0)


def test_a_record_beside_those_of_others_is_not_blamed() -> None:
    """It may have been them."""
    suspects, (one, other) = (
        Suspects(lambda: None),
        [partition(number=number, mark=Mark(0)) for number in range(2)],
    )
    together = {one: RECORDS[:1], other: RECORDS[:1]}
    assert len(suspects.marks({place(0): one, place(1): other}, together, together)) == 2
    assert (one.deaths, other.deaths) == ({}, {})


def test_a_record_that_passes_is_blamed_no_more() -> None:
    """Whatever ended the processes before."""
    suspects, part = Suspects(lambda: None), partition(mark=Mark(0, 2), deaths={0: DEADLY - 1})
    suspects.marks({place(): part}, {part: RECORDS}, {part: RECORDS[:1]})
    assert part.deaths == {0: DEADLY}
    suspects.check(part, 0)
    suspects.passed({part: RECORDS[:1]})
    assert part.deaths == {}


def test_a_record_that_ended_too_many_processes_is_refused() -> None:
    """Without another attempt, also in every replay that meets it."""
    suspects, part = Suspects(lambda: None), partition(mark=Mark(0, 2), deaths={1: DEADLY})
    assert suspects.marks({place(): part}, {part: RECORDS}, {part: RECORDS[1:2]}) == {}
    for _ in range(2):
        with pytest.raises(DecodeError, match=f"{DEADLY} processes ended") as refused:
            suspects.check(part, 1)
        assert refused.value.reason == "failed"
        suspects.passed({part: RECORDS[1:2]})
    assert part.deaths == {1: DEADLY}


def test_where_every_record_ends_a_process_it_is_not_the_records() -> None:
    """No more are blamed."""
    suspects, deaths = Suspects(lambda: None), dict.fromkeys(range(10, 11 + MOST_IN_A_ROW), DEADLY)
    part = partition(mark=Mark(0, 2), deaths=dict(deaths))
    suspects.marks({place(): part}, {part: RECORDS}, {part: RECORDS[:1]})
    assert part.deaths == deaths
