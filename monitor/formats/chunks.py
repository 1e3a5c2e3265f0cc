"""Chunks of ECG ↔ bytes: the records of `ecg.signal`, as MessagePack or JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from monitor.errors import DecodeError

CHUNK_SCHEMA = 1
MAX_SAMPLE = 1 << 43  # 279 years at 1000 Hz; its time, at the lowest rate, still has a date
CONTENT_TYPE = "content-type"  # the header that says how a record is encoded
MSGPACK = "application/msgpack"
MSGPACK_TOO = ("application/x-msgpack", "application/vnd.msgpack")  # its names before and beside
JSON = "application/json"
INVALID = -32768  # int16 code of a sample that was not measured
MAX_SAMPLES = 60_000  # one minute at 1000 Hz; a longer chunk would stall its partition's other streams
MIN_RATE_HZ, MAX_RATE_HZ = 100.0, 1000.0

# Bytes of a record that says no more than it has to; a float as JSON has up to 24 characters and a comma.
_PACKED_SAMPLE, _JSON_SAMPLE, _FIELDS, _LEAD_FIELDS = 2, 26, 160, 100

StreamId = Annotated[str, Meta(min_length=1, max_length=200)]
LeadName = Annotated[str, Meta(min_length=1, max_length=40)]
# JSON knows integers of any size; one beyond a float's range must not end the process.
AdcUnits = Annotated[int, Meta(ge=-(1 << 31), le=1 << 31)]


class Lead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One lead's name and how its integers become millivolts: mV = (sample - zero) / gain."""

    name: LeadName
    gain: float = 200.0  # ADC units per mV
    zero: AdcUnits = 0  # ADC units at 0 mV
    low: AdcUnits = -32767  # at or below this the ADC is saturated
    high: AdcUnits = 32767  # at or above this the ADC is saturated


class _Header(msgspec.Struct, kw_only=True):
    """Fields that both wire forms share."""

    schema: int
    stream: StreamId
    session: Annotated[str, Meta(min_length=1, max_length=200)]
    first_sample: Annotated[int, Meta(ge=0, le=MAX_SAMPLE)]
    # Of first_sample, µs since the epoch; monitor.formats.signal_records says which are live.
    start_us: Annotated[int, Meta(ge=-(1 << 62), le=1 << 62)]
    rate_hz: float
    leads: Annotated[list[Lead], Meta(min_length=1, max_length=12)]


class _PackedChunk(_Header, kw_only=True):
    """MessagePack form: int16 little-endian, time-major, INVALID where nothing was measured."""

    samples: bytes


class _JsonChunk(_Header, kw_only=True):
    """JSON form: a list of rows in mV, null where nothing was measured."""

    samples: list[list[float | None]]


class _Versioned(msgspec.Struct):
    """Just enough to tell an unknown version from a broken record."""

    schema: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """A run of samples of one stream, decoded.

    ecg_mv: (n_samples, n_leads) float32 mV, 0 where not valid; valid: the same shape, False where
    the device measured nothing; saturated: the same shape, True where the ADC was at its limit.
    """

    stream: str
    session: str
    first_sample: int
    start_us: int
    rate_hz: float
    leads: tuple[str, ...]
    ecg_mv: NDArray[np.float32]
    valid: NDArray[np.bool_]
    saturated: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ecg_mv)


_packer = msgspec.msgpack.Encoder()
_unpack = msgspec.msgpack.Decoder(_PackedChunk)
_unpack_version = msgspec.msgpack.Decoder(_Versioned)
_parse = msgspec.json.Decoder(_JsonChunk)
_parse_version = msgspec.json.Decoder(_Versioned)


def content_type_of(record: Any) -> str:
    """How a Kafka record is encoded: what its header says, in any case, without parameters (RFC 9110, 8.3).

    One without the header is MessagePack, or JSON if it begins like that, which MessagePack cannot.
    """
    said = {name.lower(): value for name, value in record.headers or ()}.get(CONTENT_TYPE)
    if said is None:
        return JSON if (record.value or b"").lstrip()[:1] == b"{" else MSGPACK
    media_type: str = said.decode("utf-8", "replace").partition(";")[0].strip().lower()
    return MSGPACK if media_type in MSGPACK_TOO else media_type


def encode_chunk(
    *,
    stream: str,
    session: str,
    first_sample: int,
    start_us: int,
    rate_hz: float,
    leads: tuple[Lead, ...],
    adc: NDArray[np.int16],
) -> bytes:
    """MessagePack bytes of one chunk; adc: (n_samples, n_leads) ADC units, INVALID = not measured."""
    if adc.ndim != 2 or adc.shape[1] != len(leads):
        raise ValueError(f"need adc (n_samples, {len(leads)}); got {adc.shape}")
    return _packer.encode(
        _PackedChunk(
            schema=CHUNK_SCHEMA,
            stream=stream,
            session=session,
            first_sample=first_sample,
            start_us=start_us,
            rate_hz=rate_hz,
            leads=list(leads),
            samples=np.ascontiguousarray(adc, "<i2").tobytes(),
        )
    )


def decode_chunk(value: bytes | None, content_type: str = MSGPACK, key: bytes | None = None) -> Chunk:
    """The chunk in a record's value; raises DecodeError with a reason that is a metric label.

    Reasons: empty, content_type, malformed, schema_version, field, truncated, not_finite, too_long, key.
    """
    if not value:
        raise DecodeError("empty", "record has no value")
    if content_type not in (MSGPACK, JSON):
        raise DecodeError("content_type", f"content-type is {content_type!r}, wanted {MSGPACK} or {JSON}")
    header = _decode_header(value, content_type)
    _check_header(header, key)
    if isinstance(header, _PackedChunk):
        return _from_adc(header)
    return _from_millivolts(header)


def decode_adc(
    value: bytes, content_type: str = MSGPACK
) -> tuple[tuple[Lead, ...], NDArray[np.int16]] | None:
    """Leads and (n, leads) ADC units, INVALID = not measured, of a chunk that `decode_chunk` takes.

    None for JSON, which comes in mV.
    """
    if content_type != MSGPACK:
        return None
    header = _unpack.decode(value)
    return tuple(header.leads), np.frombuffer(header.samples, "<i2").reshape(-1, len(header.leads))


def compacted(value: bytes, content_type: str, chunk: Chunk) -> bytes:
    """A record's value, or the same without what no chunk needs where it is longer than one needs to be.

    chunk: what `decode_chunk` makes of it. Fields that nobody knows, and spaces, are valid and may be of any
    length.
    """
    a_sample = _PACKED_SAMPLE if content_type == MSGPACK else _JSON_SAMPLE
    words = sum(len(word.encode()) for word in (chunk.stream, chunk.session, *chunk.leads))
    if len(value) <= a_sample * chunk.ecg_mv.size + words + _FIELDS + _LEAD_FIELDS * len(chunk.leads):
        return value
    if content_type == MSGPACK:
        return _packer.encode(_unpack.decode(value))
    return msgspec.json.encode(_parse.decode(value))


def _decode_header(value: bytes, content_type: str) -> _PackedChunk | _JsonChunk:
    packed = content_type == MSGPACK
    try:
        version = (_unpack_version if packed else _parse_version).decode(value).schema
        if version != CHUNK_SCHEMA:
            raise DecodeError("schema_version", f"schema is {version!r:.40}, wanted {CHUNK_SCHEMA}")
        return _unpack.decode(value) if packed else _parse.decode(value)
    except msgspec.ValidationError as exc:
        raise DecodeError("field", str(exc)) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        reason = "not_finite" if not packed and _names_non_finite(value) else "malformed"
        raise DecodeError(reason, f"not {content_type}: {exc}") from exc


def _names_non_finite(value: bytes) -> bool:
    return any(word in value for word in (b"NaN", b"Infinity"))


def _check_header(header: _Header, key: bytes | None) -> None:
    numbers = [header.rate_hz, *(lead.gain for lead in header.leads)]
    if not all(math.isfinite(number) for number in numbers):
        raise DecodeError("not_finite", f"rate and gains are {numbers}, wanted finite numbers")
    if not MIN_RATE_HZ <= header.rate_hz <= MAX_RATE_HZ:
        raise DecodeError("field", f"rate_hz is {header.rate_hz}, wanted {MIN_RATE_HZ} to {MAX_RATE_HZ}")
    if any(lead.gain <= 0 for lead in header.leads):
        raise DecodeError("field", f"gains are {numbers[1:]}, wanted more than 0")
    if len({lead.name for lead in header.leads}) != len(header.leads):
        raise DecodeError("field", f"lead names repeat: {[lead.name for lead in header.leads]}")
    if key is not None and key != header.stream.encode():
        raise DecodeError("key", f"record key is {key!r:.60}, wanted the stream id {header.stream!r:.60}")


def _check_length(n_samples: int) -> None:
    if n_samples == 0:
        raise DecodeError("empty", "chunk has no samples")
    if n_samples > MAX_SAMPLES:
        raise DecodeError("too_long", f"chunk has {n_samples} samples, wanted {MAX_SAMPLES} at most")


def _from_adc(chunk: _PackedChunk) -> Chunk:
    row = 2 * len(chunk.leads)
    if len(chunk.samples) % row:
        raise DecodeError("truncated", f"samples are {len(chunk.samples)} bytes, wanted a multiple of {row}")
    adc = np.frombuffer(chunk.samples, "<i2").reshape(-1, len(chunk.leads))
    _check_length(len(adc))
    zero = np.array([lead.zero for lead in chunk.leads], np.float32)
    gain = np.array([lead.gain for lead in chunk.leads], np.float32)
    low = np.array([lead.low for lead in chunk.leads])
    high = np.array([lead.high for lead in chunk.leads])
    valid = adc != INVALID
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # `_chunk` refuses what is not finite
        ecg_mv = np.where(valid, (adc.astype(np.float32) - zero) / gain, np.float32(0))
    return _chunk(chunk, ecg_mv, valid, valid & ((adc <= low) | (adc >= high)))


def _from_millivolts(chunk: _JsonChunk) -> Chunk:
    _check_length(len(chunk.samples))
    if any(len(row) != len(chunk.leads) for row in chunk.samples):
        raise DecodeError("truncated", f"rows have not all {len(chunk.leads)} values")
    ecg = np.array(chunk.samples, np.float64)  # None becomes NaN
    valid = ~np.isnan(ecg)
    with np.errstate(over="ignore"):  # `_chunk` refuses what is not finite
        ecg_mv = np.where(valid, ecg, 0).astype(np.float32)
    zero = np.array([lead.zero for lead in chunk.leads])
    gain = np.array([lead.gain for lead in chunk.leads])
    low = (np.array([lead.low for lead in chunk.leads]) - zero) / gain
    high = (np.array([lead.high for lead in chunk.leads]) - zero) / gain
    return _chunk(chunk, ecg_mv, valid, valid & ((ecg <= low) | (ecg >= high)))


def _chunk(
    header: _Header, ecg_mv: NDArray[np.float32], valid: NDArray[np.bool_], saturated: NDArray[np.bool_]
) -> Chunk:
    if not np.isfinite(ecg_mv).all():
        raise DecodeError("not_finite", "samples in mV are not all finite")
    return Chunk(
        stream=header.stream,
        session=header.session,
        first_sample=header.first_sample,
        start_us=header.start_us,
        rate_hz=header.rate_hz,
        leads=tuple(lead.name for lead in header.leads),
        ecg_mv=ecg_mv,
        valid=valid,
        saturated=saturated,
    )
