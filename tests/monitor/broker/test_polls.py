"""A poll is taken up to a bound in bytes, in order, and the rest is read again."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka import TopicPartition

from monitor.broker import polls
from monitor.broker.polls import Polls
from tests.support.kafka_fakes import Record, place


def _records(*sizes: int) -> list[Record]:
    return [Record(b"x" * size, offset) for offset, size in enumerate(sizes)]


def _offsets(taken: polls.Polled) -> dict[TopicPartition, list[int]]:
    return {where: [record.offset for record in records] for where, records in taken.items()}


def test_an_ordinary_poll_is_taken_whole() -> None:
    """And the next one may be as large as the settings say."""
    own = Polls(500)
    polled = {place(0): _records(2000, 2000), place(1): [Record(None, 7)]}
    assert own.take(polled) == (polled, {})
    assert own.max_records == 500
    assert own.take({}) == ({}, {})


def test_what_is_too_much_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the first record that was not taken; the next poll is smaller, and grows again."""
    monkeypatch.setattr(polls, "MAX_BYTES", 100)
    own = Polls(500)
    taken, left = own.take({place(0): _records(40, 40, 40), place(1): _records(40)})
    assert (_offsets(taken), left) == ({place(0): [0, 1]}, {place(0): 2, place(1): 0})
    assert own.max_records == 2
    own.take({place(0): _records(1)})
    assert own.max_records == 100


@given(
    sizes=st.lists(st.lists(st.integers(0, 150), min_size=1, max_size=6), min_size=1, max_size=4),
    most=st.integers(1, 20),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_each_record_is_taken_once_in_order(sizes: list[list[int]], most: int) -> None:
    """However often the rest is read again; no turn takes more than the bound, but a single record."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(polls, "MAX_BYTES", 100)
        own, queue = Polls(most), {place(at): _records(*own_sizes) for at, own_sizes in enumerate(sizes)}
        seen: dict[TopicPartition, list[int]] = {where: [] for where in queue}
        while queue:
            taken, left = own.take(queue)
            assert 1 <= own.max_records <= most
            values = [record.value or b"" for records in taken.values() for record in records]
            assert len(values) == 1 or sum(map(len, values)) <= 100
            for where, offsets in _offsets(taken).items():
                seen[where] += offsets
            queue = {
                where: [record for record in queue[where] if record.offset >= offset]
                for where, offset in left.items()
            }
    assert seen == {place(at): list(range(len(own_sizes))) for at, own_sizes in enumerate(sizes)}
