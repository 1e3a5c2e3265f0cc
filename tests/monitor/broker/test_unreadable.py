"""Responses with what cannot be parsed, read as the fetcher reads them, from a log in memory."""

from __future__ import annotations

import struct
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import CorruptRecordError, UnsupportedCodecError
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder

from monitor.broker.unreadable import _PartitionRecords, check_readable, codecs_here, fault_of
from monitor.errors import DecodeError
from tests.support.daemon.unreadable import BadName

PLACE = TopicPartition("t", 0)
LAST_OFFSET = struct.calcsize(">qiibIh") + 1  # where a batch has it, but for the byte with the sign
HEADER = struct.calcsize(">qiibIhiqqqhii")
GOOD, BAD_NAME = "good", "bad name"


def batch(base: int, kinds: list[str], codec: int = 0) -> bytes:
    """Records with their offset as value."""
    builder = MemoryRecordsBuilder(2, codec, 1 << 20)
    for delta, kind in enumerate(kinds):
        name = BadName("x") if kind == BAD_NAME else "x"
        builder.append(1000 + base + delta, b"k", b"%d" % (base + delta) * 9, [(name, b"h"), ("y", None)])
    builder.close()
    made = bytearray(builder.buffer())
    struct.pack_into(">q", made, 0, base)  # as the broker does, outside the checksum
    return bytes(made)


def spoilt(made: bytes, at: int = -1) -> bytes:
    """One byte is another."""
    changed = bytearray(made)
    changed[at] ^= 0xFF
    return bytes(changed)


def last_of(made: bytes) -> int:
    """The last offset of a batch, as the broker's index has it."""
    return int(struct.unpack_from(">q", made)[0] + len_of(made) - 1)


def len_of(made: bytes) -> int:
    """How many records a batch was built with."""
    return int(struct.unpack_from(">i", made, HEADER - 4)[0])


class Log:
    """A partition's batches; `fetches` counts the responses."""

    def __init__(self, *batches: bytes, lasts: list[int] | None = None) -> None:
        self.batches = batches
        self.lasts = lasts or [last_of(each) for each in batches]
        self.fetches = 0

    def read(self, begin: int = 0, n: int | None = None) -> list[Any]:
        """All records from an offset on, in as many responses as it takes."""
        position, tried, found = begin, dict[TopicPartition, int](), list[Any]()
        while position <= self.lasts[-1]:
            self.fetches += 1
            assert self.fetches < 1000, "it makes no progress"
            pairs = zip(self.batches, self.lasts, strict=True)
            response = b"".join(each for each, last in pairs if last >= position)
            records = _PartitionRecords(
                lambda _: self.lasts[-1] + 1, tried, position, PLACE, MemoryRecords(response)
            )
            while records:
                found += records.take(n)
            position = records.next_fetch_offset
        return found


def offsets(records: list[Any], *, readable: bool) -> list[int]:
    """Of those that could be read, or of the others."""
    return [record.offset for record in records if (fault_of(record) is None) is readable]


def test_kafka_python_still_needs_this() -> None:
    """A release that hands on what it can read makes the module needless."""
    records = MemoryRecords(batch(0, [BAD_NAME, GOOD]))
    with pytest.raises(CorruptRecordError, match="UnicodeDecodeError"):
        Fetcher.PartitionRecords(0, PLACE, records).take()


def test_a_header_that_is_no_text_hides_no_other_record() -> None:
    """The record is known but for the name; those around it in the batch are read."""
    found = Log(batch(5, [GOOD, BAD_NAME, GOOD]), batch(8, [GOOD])).read(5)
    assert [record.offset for record in found] == [5, 6, 7, 8]
    assert offsets(found, readable=False) == [6]
    bad = found[1]
    assert (bad.key, bad.value, bad.timestamp) == (b"k", b"6" * 9, 1006)
    assert bad.headers == [("\\xff\\xfe", b"h"), ("y", None)]
    assert "UnicodeDecodeError" in str(fault_of(bad))


def test_a_batch_that_fails_its_checksum_is_one_record() -> None:
    """It stands at the batch's last offset, with the batch as value, and what follows is read."""
    bad = spoilt(batch(2, [GOOD] * 3))
    log = Log(batch(0, [GOOD, GOOD]), bad, batch(5, [GOOD]))
    found = log.read()
    assert [record.offset for record in found] == [0, 1, 4, 5]
    assert found[2].value == bad
    assert str(fault_of(found[2])).startswith("offsets 2 to 4: Record batch")
    assert log.fetches == 2  # it may have been spoilt on the way


def test_a_commit_within_a_spoilt_batch_is_kept() -> None:
    """Only what was not committed is passed over."""
    (found,) = Log(spoilt(batch(0, [GOOD] * 5))).read(3)
    assert found.offset == 4
    assert str(fault_of(found)).startswith("offsets 3 to 4")


def test_a_spoilt_last_offset_moves_nothing_beyond_the_end() -> None:
    """It may be any number: no offset that does not exist is ever sought, and what follows is read."""
    bad = spoilt(batch(2, [GOOD] * 3), LAST_OFFSET)
    found = Log(batch(0, [GOOD, GOOD]), bad, batch(5, [GOOD]), lasts=[1, 4, 5]).read()
    assert offsets(found, readable=True) == [0, 1, 5]
    assert offsets(found, readable=False) == [2, 3, 4]


def test_a_codec_is_named_with_what_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator can act on it."""
    made = batch(0, [GOOD] * 9, codec=2)
    assert offsets(Log(made).read(), readable=True) == list(range(9))
    monkeypatch.setattr("kafka.codec.snappy", None)
    (found,) = Log(made).read()
    fault = "offsets 0 to 8: compressed with snappy, which cannot be read here: install python-snappy"
    assert fault_of(found) == fault
    with pytest.raises(UnsupportedCodecError):
        Fetcher.PartitionRecords(0, PLACE, MemoryRecords(made)).take()
    assert codecs_here() == "gzip, lz4, zstd (not snappy: install python-snappy)"


def test_whoever_asks_is_told() -> None:
    """As a reason and a message; a record that was read passes."""
    good, bad = Log(batch(0, [GOOD, BAD_NAME])).read()
    check_readable(good)
    with pytest.raises(DecodeError, match="UnicodeDecodeError") as told:
        check_readable(bad)
    assert told.value.reason == "unreadable"


@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from([GOOD, BAD_NAME]), min_size=1, max_size=4), st.booleans()),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from([0, 1, 2, 3, 4]),
    st.sampled_from([1, 2, None]),
)
def test_every_readable_record_comes_once(
    made: list[tuple[list[str], bool]], codec: int, n: int | None
) -> None:
    """In order, whatever lies between; and each that is not has its place."""
    bases = list(accumulate((len(kinds) for kinds, _ in made), initial=0))
    batches, good, bad = [], [], []
    for base, (kinds, spoil) in zip(bases, made, strict=False):
        whole = batch(base, kinds, codec)
        batches.append(spoilt(whole) if spoil else whole)
        if spoil:
            bad.append(base + len(kinds) - 1)
            continue
        good += [base + at for at, kind in enumerate(kinds) if kind == GOOD]
        bad += [base + at for at, kind in enumerate(kinds) if kind == BAD_NAME]
    found = Log(*batches).read(n=n)
    assert (offsets(found, readable=True), offsets(found, readable=False)) == (good, bad)


def test_a_batch_that_is_huge_decompressed_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few kB of zstd may hold GB: no more than a bound is taken, and what follows is read."""
    monkeypatch.setattr("monitor.broker.inflate.MAX_BATCH_BYTES", 2 << 20)
    builder = MemoryRecordsBuilder(2, 4, 1 << 30)
    for _ in range(3):
        builder.append(1000, b"k", bytes(1 << 20), [])
    builder.close()
    passed_over, good = Log(bytes(builder.buffer()), batch(3, [GOOD])).read()
    assert "are more than 2097152 decompressed" in str(fault_of(passed_over))
    assert (passed_over.offset, good.offset) == (2, 3)
