"""What kafka-python cannot parse: passed over at its offset, and handed on as a record that says why.

kafka-python 3.0.12 raises out of `poll` for a header whose name is not UTF-8, a codec that is not installed
or a batch that fails its checksum, stays where it is, and raises again: one such record holds up its
partition for good, and a worker at every start. Here it takes a place among the records of the poll, so that
whoever reads them meets it in order: one record alone, where the rest of its batch can be read, else what is
left of the batch.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from kafka import TopicPartition
from kafka import codec as codecs
from kafka.consumer.fetcher import ConsumerRecord, Fetcher
from kafka.errors import CorruptRecordError, UnsupportedCodecError
from kafka.record.default_records import DefaultRecord, DefaultRecordBatch
from kafka.record.memory_records import MemoryRecords
from kafka.record.util import decode_varint

from monitor.broker.inflate import TooLargeError, inflated
from monitor.errors import DecodeError

# By the number that a batch bears: name, whether it can be read, and what reads it.
_CODECS: dict[int, tuple[str, Callable[[], bool], str]] = {
    1: ("gzip", codecs.has_gzip, "Python itself"),
    2: ("snappy", codecs.has_snappy, "python-snappy"),
    3: ("lz4", codecs.has_lz4, "lz4"),
    4: ("zstd", codecs.has_zstd, "zstandard"),
}
_MAX_FAULT = 300  # characters; an error may quote a whole record

Headers = list[tuple[str, bytes | None]]


class Fault(str):
    """Why a record cannot be read; stands where kafka-python once kept a record's checksum."""

    __slots__ = ()


def fault_of(record: Any) -> Fault | None:
    """Why this record could not be read, None for one that was."""
    mark = getattr(record, "checksum", None)
    return mark if isinstance(mark, Fault) else None


def check_readable(record: Any) -> None:
    """Raise DecodeError for a record that could not be read."""
    fault = fault_of(record)
    if fault is not None:
        raise DecodeError("unreadable", fault)


def codecs_here() -> str:
    """The codecs that can be read, and what to install for the others."""
    names = [name for name, is_here, _ in _CODECS.values() if is_here()]
    lacking = [f"{name}: install {package}" for name, is_here, package in _CODECS.values() if not is_here()]
    return ", ".join(names) + (f" (not {'; '.join(lacking)})" if lacking else "")


def tolerant(consumer: Any) -> Any:
    """The consumer, whose polls raise no more for what it cannot parse."""
    tried: dict[TopicPartition, int] = {}
    consumer._fetcher.PartitionRecords = partial(_PartitionRecords, consumer.highwater, tried)
    return consumer


class _PartitionRecords(Fetcher.PartitionRecords):  # type: ignore[misc]  # kafka-python has no types
    """The records of one partition in one response, those among them that cannot be read."""

    def __init__(
        self,
        highwater: Callable[[TopicPartition], int | None],
        tried: dict[TopicPartition, int],
        *args: Any,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._highwater = highwater
        self._tried = tried  # where each partition last met with one, over all responses

    def _unpack_records(self, tp: TopicPartition, records: Any, *deserializers: Any) -> Iterator[Any]:
        batches = _Batches(records._buffer)
        while True:
            try:
                yield from super()._unpack_records(tp, batches, *deserializers)
            except Exception as error:  # noqa: BLE001  whatever it is, the next fetch would meet it again
                fault = _why(error, batches.batch)
            else:
                return
            first, last, known = self._place(tp, batches.batch)
            if self._tried.get(tp) != first:
                self._tried[tp] = first
                self.drain()  # it may have been spoilt on the way: fetched once more
                return
            del self._tried[tp]
            self.next_fetch_offset = last + 1
            yield self._stand_in(tp, batches, first, last, fault)
            if not known:
                self.drain()  # what follows it in the response makes no sense either
                return

    def _place(self, tp: TopicPartition, batch: Any) -> tuple[int, int, bool]:
        """First and last offset to pass over; not known: one only, since the header makes no sense."""
        first = max(self.next_fetch_offset, self.fetch_offset)
        if batch is not None:
            last = batch.last_offset if batch.magic == 2 else batch.base_offset
            # Beyond the partition's end nothing can be sought, and a spoilt header may say anything.
            end = self._highwater(tp)
            if first <= last and batch.base_offset <= last and (end is None or last < end):
                return max(first, batch.base_offset), last, True
        return first, first, False

    def _stand_in(self, tp: TopicPartition, batches: _Batches, first: int, last: int, fault: Fault) -> Any:
        if last > first:
            fault = Fault(f"offsets {first} to {last}: {fault}")
        value = bytes(batches.raw or b"")  # the whole batch: nothing of it is known apart
        sizes = -1, len(value), -1
        return ConsumerRecord(
            *(tp.topic, tp.partition, self.leader_epoch, last, 0, 0, None, value, [], fault), *sizes
        )


class _Batches(MemoryRecords):  # type: ignore[misc]
    """A response's batches; remembers the one in hand, and takes its records singly."""

    def __init__(self, buffer: Any) -> None:
        super().__init__(buffer)
        self.raw: Any = None
        self.batch: Any = None

    def next_batch(self) -> Any:
        """The next one, None after the last."""
        self.raw, self.batch = self._next_slice, None
        batch = super().next_batch()
        if isinstance(batch, DefaultRecordBatch):
            batch.__class__ = _Batch  # the same in all but a method; a copy would be of megabytes
        self.batch = batch
        return batch


class _Batch(DefaultRecordBatch):  # type: ignore[misc]
    """A batch that goes on after a record that cannot be read, if it can be told where that ends.

    It is decompressed up to a bound.
    """

    __slots__ = ()

    def _maybe_uncompress(self) -> None:
        batch: Any = self
        codec = batch.compression_type
        if not batch._decompressed and codec in _CODECS:
            batch._assert_has_codec(codec)
            batch._buffer = inflated(codec, bytes(memoryview(batch._buffer)[batch._pos :]))
            batch._pos, batch._decompressed = 0, True
        else:
            super()._maybe_uncompress()

    def __next__(self) -> Any:
        if self._next_record_index >= self._num_records:
            raise StopIteration  # what bytes may follow the last record are none
        try:
            return super().__next__()
        except CorruptRecordError as error:
            return _singled_out(self, error)


def _singled_out(batch: Any, error: Exception) -> _Unread:
    """What is known of a batch's next record; raises the error where its end or its offset is not."""
    buffer = batch._buffer
    try:
        length, begin = decode_varint(buffer, batch._pos)
        _, pos = decode_varint(buffer, begin)  # attributes, of which there are none
        after_ms, pos = decode_varint(buffer, pos)
        delta, pos = decode_varint(buffer, pos)
    except (IndexError, ValueError):
        raise error from None
    end = begin + length
    if not (pos <= end <= len(buffer) and batch._next_record_index <= delta <= batch.last_offset_delta):
        raise error
    by_broker = batch.timestamp_type == batch.LOG_APPEND_TIME
    time_ms = batch.max_timestamp if by_broker else batch.first_timestamp + after_ms
    place = length, batch.base_offset + delta, time_ms, batch.timestamp_type
    record = _Unread(*place, *_fields(buffer, pos, end))
    record.checksum = _why(error, batch)
    batch._pos = end
    batch._next_record_index += 1
    return record


class _Unread(DefaultRecord):  # type: ignore[misc]
    """A record that cannot be read, as far as it is known."""

    __slots__ = ("checksum",)


def _fields(buffer: bytearray, pos: int, end: int) -> tuple[bytes | None, bytes | None, Headers]:
    """Key, value and headers of the record that ends there, as far as they make sense."""
    key: bytes | None = None
    value: bytes | None = None
    headers: Headers = []
    try:
        key, pos = _bytes(buffer, pos, end)
        value, pos = _bytes(buffer, pos, end)
        count, pos = decode_varint(buffer, pos)
        for _ in range(min(count, end - pos)):
            name, pos = _bytes(buffer, pos, end)
            content, pos = _bytes(buffer, pos, end)
            headers.append(((name or b"").decode(errors="backslashreplace"), content))
    except (IndexError, ValueError):
        pass
    return key, value, headers


def _bytes(buffer: bytearray, pos: int, end: int) -> tuple[bytes | None, int]:
    length, pos = decode_varint(buffer, pos)
    if length < 0:
        return None, pos
    if pos + length > end:
        raise ValueError(f"{length} bytes at {pos}, where the record ends at {end}")
    return bytes(buffer[pos : pos + length]), pos + length


def _why(error: Exception, batch: Any) -> Fault:
    codec = 0 if batch is None else batch.compression_type
    if isinstance(error, UnsupportedCodecError):
        name, _, package = _CODECS.get(codec, (f"codec {codec}", None, "a newer release"))
        return Fault(f"compressed with {name}, which cannot be read here: install {package}")
    if isinstance(error, TooLargeError):
        return Fault(str(error))
    if isinstance(error, struct.error):
        return Fault(f"no header of a batch: {error}")
    # Its own text begins with a number and the name again.
    text = " ".join(map(str, error.args)) if isinstance(error, CorruptRecordError) else repr(error)
    return Fault(text if len(text) <= _MAX_FAULT else text[: _MAX_FAULT - 3] + "...")
