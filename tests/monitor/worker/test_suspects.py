"""The record that made the worker fail is found among others, and left alone from then on."""

from __future__ import annotations

import pytest

from monitor.errors import DecodeError
from monitor.worker.suspects import MOST_IN_A_ROW, Suspects
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
    suspects.check(place(), 1)  # none of them is known yet


def test_a_record_that_fails_alone_is_refused_from_then_on() -> None:
    """With what it raised; until its commit."""
    suspects = Suspects(lambda: None)
    suspects.failed({PART: RECORDS[1:2]}, RuntimeError("a bug"))
    suspects.check(place(), 0)
    suspects.check(place(1), 1)
    with pytest.raises(DecodeError, match="failed on it: RuntimeError: a bug") as refused:
        suspects.check(place(), 1)
    assert refused.value.reason == "failed"
    ahead = partition(replay=2, committed=2)
    suspects.passed({ahead: [Record(b"", 2)]})
    suspects.check(place(), 1)


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
