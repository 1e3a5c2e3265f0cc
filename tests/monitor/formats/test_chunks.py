"""Chunks to bytes and back, in both wire forms, and every reason to refuse them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from monitor.errors import DecodeError
from monitor.formats.chunks import (
    CHUNK_SCHEMA,
    CONTENT_TYPE,
    INVALID,
    JSON,
    MAX_RATE_HZ,
    MAX_SAMPLE,
    MAX_SAMPLES,
    MIN_RATE_HZ,
    MSGPACK,
    Lead,
    content_type_of,
    decode_chunk,
    encode_chunk,
)

LEADS = (Lead(name="MLII", gain=200.0, zero=1024, low=0, high=2047), Lead(name="V5", gain=100.0))


def header(**changes: Any) -> dict[str, Any]:
    """Fields of a chunk of two leads, without its samples."""
    fields = {
        "schema": CHUNK_SCHEMA,
        "stream": "bed-1",
        "session": "s",
        "first_sample": 720,
        "start_us": 1_700_000_000_000_000,
        "rate_hz": 360.0,
        "leads": [msgspec.to_builtins(lead) for lead in LEADS],
    }
    return fields | changes


def packed(**changes: Any) -> bytes:
    """A MessagePack chunk of two samples, with some fields changed."""
    return msgspec.msgpack.encode(header(samples=np.zeros((2, 2), "<i2").tobytes()) | changes)


def as_json(**changes: Any) -> bytes:
    """A JSON chunk of two samples, with some fields changed; Python's own JSON knows NaN."""
    return json.dumps(header(samples=[[0.5, -1.0], [None, 0.25]]) | changes).encode()


def reason(value: bytes | None, content_type: str = MSGPACK, key: bytes | None = None) -> str:
    """Why the record is refused."""
    with pytest.raises(DecodeError) as caught:
        decode_chunk(value, content_type, key)
    assert str(caught.value)
    return caught.value.reason


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


@given(
    adc=arrays(np.int16, st.tuples(st.integers(1, 40), st.just(2))),
    stream=names,
    session=names,
    first_sample=st.integers(0, MAX_SAMPLE),
    start_us=st.integers(0, 1 << 53),
    rate_hz=st.floats(MIN_RATE_HZ, MAX_RATE_HZ),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_messagepack_round_trip(
    adc: NDArray[np.int16], stream: str, session: str, first_sample: int, start_us: int, rate_hz: float
) -> None:
    """All fields come back; integers are millivolts, INVALID is not valid, limits are saturated."""
    facts: dict[str, Any] = {
        "stream": stream, "session": session, "first_sample": first_sample, "start_us": start_us,
        "rate_hz": rate_hz,
    }  # fmt: skip
    chunk = decode_chunk(encode_chunk(**facts, leads=LEADS, adc=adc), MSGPACK, stream.encode())
    assert {name: getattr(chunk, name) for name in facts} == facts
    assert chunk.leads == ("MLII", "V5")
    assert len(chunk) == len(adc)
    valid = adc != INVALID
    assert np.array_equal(chunk.valid, valid)
    limits = (adc <= [0, -32767]) | (adc >= [2047, 32767])
    assert np.array_equal(chunk.saturated, limits & valid)
    expected = np.where(valid, (adc.astype(float) - [1024, 0]) / [200, 100], 0)
    assert np.allclose(chunk.ecg_mv, expected, rtol=1e-6, atol=1e-5)
    assert chunk.ecg_mv.dtype == np.float32


@given(rows=st.lists(st.tuples(*[st.none() | st.floats(-5, 5, width=32)] * 2), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_json_round_trip(rows: list[tuple[float | None, float | None]]) -> None:
    """Samples are millivolts, null is not valid, and saturation follows the lead's limits in mV."""
    chunk = decode_chunk(as_json(samples=rows), JSON)
    for got, valid, saturated, row in zip(chunk.ecg_mv, chunk.valid, chunk.saturated, rows, strict=True):
        assert valid.tolist() == [value is not None for value in row]
        assert got.tolist() == [0 if value is None else pytest.approx(value) for value in row]
        first = row[0]
        assert saturated[0] == (first is not None and not -1024 / 200 < first < 1023 / 200)


def test_both_forms_give_the_same_chunk() -> None:
    """The same samples as integers and as millivolts decode alike."""
    adc = np.array([[1024, 0], [1124, INVALID], [2047, -50]], np.int16)
    rows = [[0.0, 0.0], [0.5, None], [1023 / 200, -0.5]]
    first = decode_chunk(packed(samples=adc.tobytes()))
    second = decode_chunk(as_json(samples=rows), JSON)
    for name in ("ecg_mv", "valid", "saturated"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
    assert [getattr(first, n) for n in ("stream", "session", "leads", "start_us")] == [
        getattr(second, n) for n in ("stream", "session", "leads", "start_us")
    ]


def test_a_lead_needs_only_a_name() -> None:
    """Gain, zero and limits have defaults."""
    chunk = decode_chunk(packed(leads=[{"name": "II"}], samples=np.array([200, 0], "<i2").tobytes()))
    assert chunk.ecg_mv[:, 0].tolist() == [1.0, 0.0]
    assert not chunk.saturated.any()


@pytest.mark.parametrize(
    ("wanted", "changes"),
    [
        ("schema_version", {"schema": CHUNK_SCHEMA + 1}),
        ("schema_version", {"schema": None}),
        ("schema_version", {"schema": "x" * 10_000}),
        ("field", {"stream": ""}),
        ("field", {"stream": 7}),
        ("field", {"stream": "x" * 201}),
        ("field", {"session": None}),
        ("field", {"first_sample": -1}),
        ("field", {"first_sample": 1.5}),
        ("field", {"start_us": 1.5}),
        ("field", {"start_us": 1 << 63}),
        ("field", {"rate_hz": MIN_RATE_HZ - 1}),
        ("field", {"rate_hz": MAX_RATE_HZ + 1}),
        ("field", {"leads": []}),
        ("field", {"leads": [{"name": f"{i}"} for i in range(13)]}),
        ("field", {"leads": [{"name": "II"}, {"name": "II"}]}),
        ("field", {"leads": [{"name": "II", "gain": 0.0}, {"name": "V5"}]}),
        ("field", {"leads": [{"name": "II", "colour": 1}, {"name": "V5"}]}),
        ("field", {"samples": None}),
    ],
)
def test_a_wrong_field_has_its_reason(wanted: str, changes: dict[str, Any]) -> None:
    """Both wire forms refuse the same fields for the same reason."""
    assert reason(packed(**changes)) == wanted
    assert reason(as_json(**changes), JSON) == wanted


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(bad: float) -> None:
    """A rate, a gain or a sample that is not finite is named as such."""
    assert reason(packed(rate_hz=bad)) == "not_finite"
    assert reason(packed(leads=[{"name": "II", "gain": bad}, {"name": "V5"}])) == "not_finite"
    assert reason(as_json(samples=[[bad, 0.0]]), JSON) == "not_finite"


@pytest.mark.parametrize("value", [1e300, -1e39, 3.5e38])
def test_voltages_beyond_single_precision_are_refused(value: float) -> None:
    """A finite number that becomes infinite as float32 is refused, without a warning."""
    assert reason(as_json(samples=[[value, 0.0]]), JSON) == "not_finite"


@pytest.mark.parametrize("field", ["zero", "low", "high"])
@pytest.mark.parametrize("value", [1 << 62, -(1 << 62), 10**30, 10**400])
def test_integers_beyond_any_adc_are_refused(field: str, value: int) -> None:
    """JSON's integers have no bound; one that no float can hold is refused like any wrong field."""
    leads = [{"name": "II", field: value}, {"name": "V5"}]
    assert reason(as_json(leads=leads), JSON) == "field"
    if abs(value) < 1 << 63:
        assert reason(packed(leads=leads)) == "field"


def test_a_sample_beyond_any_float_is_refused() -> None:
    """An integer sample that no float can hold has a reason."""
    assert reason(as_json(samples=[[10**400, 0.0]]), JSON) in ("field", "malformed", "not_finite")


@pytest.mark.parametrize("gain", [1e-40, 1e-300])
def test_tiny_gains_do_not_overflow(gain: float) -> None:
    """A gain so small that millivolts become infinite is refused, without a warning."""
    tiny = [{"name": "II", "gain": gain}, {"name": "V5"}]
    assert reason(packed(leads=tiny, samples=np.full((1, 2), 3000, "<i2").tobytes())) == "not_finite"


def test_nothing_is_empty() -> None:
    """No value, an empty value and a chunk without samples."""
    assert reason(None) == reason(b"") == "empty"
    assert reason(packed(samples=b"")) == "empty"
    assert reason(as_json(samples=[]), JSON) == "empty"


@pytest.mark.parametrize(
    ("headers", "value", "kind"),
    [
        ([], b"\x88", MSGPACK),
        (None, b"{}", JSON),
        ([], b" \n{}", JSON),
        ([], None, MSGPACK),
        ([(CONTENT_TYPE, b"application/json; charset=utf-8")], b"{}", JSON),
        ([("Content-Type", b"Application/MsgPack ")], b"{}", MSGPACK),
        ([(CONTENT_TYPE, b"application/x-msgpack")], b"\x88", MSGPACK),
        ([(CONTENT_TYPE, b"text/plain")], b"{}", "text/plain"),
        ([(CONTENT_TYPE, None)], b"{}", JSON),
    ],
)
def test_the_header_says_the_form(
    headers: list[tuple[str, bytes | None]] | None, value: bytes | None, kind: str
) -> None:
    """As senders write it; without it the value itself tells."""
    assert content_type_of(SimpleNamespace(headers=headers, value=value)) == kind


def test_other_content_types_are_refused() -> None:
    """Only the two wire forms are read."""
    assert reason(packed(), "text/plain") == "content_type"


def test_samples_must_fill_their_rows() -> None:
    """Bytes or values that are left over mean that something was cut."""
    assert reason(packed(samples=b"\0" * 6)) == "truncated"
    assert reason(as_json(samples=[[0.0, 1.0], [0.0]]), JSON) == "truncated"


def test_too_long_a_chunk_is_refused() -> None:
    """A chunk that would stall its partition's other streams is refused; the longest one is read."""
    one = [{"name": "II"}]
    assert len(decode_chunk(packed(leads=one, samples=bytes(2 * MAX_SAMPLES)))) == MAX_SAMPLES
    assert reason(packed(leads=one, samples=bytes(2 * MAX_SAMPLES + 2))) == "too_long"


def test_the_key_is_the_stream() -> None:
    """A record under another key would break its stream's order."""
    assert decode_chunk(packed(), key=b"bed-1").stream == "bed-1"
    assert reason(packed(), key=b"bed-2") == "key"
    assert reason(packed(), key=b"\xff") == "key"


@given(value=st.binary(min_size=1, max_size=200), content_type=st.sampled_from([MSGPACK, JSON]))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_bytes_have_a_reason(value: bytes, content_type: str) -> None:
    """Random bytes raise DecodeError and nothing else."""
    with pytest.raises(DecodeError):
        decode_chunk(value, content_type)


@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255), packed_form=st.booleans())
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_damage_is_survived(place: float, byte: int, packed_form: bool) -> None:
    """A chunk with one wrong byte decodes to something sound or is refused."""
    value = bytearray(packed() if packed_form else as_json())
    value[int(place * len(value))] = byte
    try:
        chunk = decode_chunk(bytes(value), MSGPACK if packed_form else JSON)
    except DecodeError:
        return
    assert np.isfinite(chunk.ecg_mv).all()
    assert chunk.ecg_mv.shape == chunk.valid.shape == chunk.saturated.shape == (len(chunk), len(chunk.leads))


@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=40, deadline=None, derandomize=True)
def test_a_truncated_record_is_refused(share: float) -> None:
    """No part of a chunk is a chunk."""
    for value, form in ((packed(), MSGPACK), (as_json(), JSON)):
        assert reason(value[: int(share * len(value))], form) in ("empty", "malformed")


def test_deep_nesting_is_malformed() -> None:
    """A record that would exhaust the stack is refused like any other."""
    deep = b'{"schema": 1, "more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert reason(deep, JSON) == "malformed"


def test_unknown_fields_are_passed_over() -> None:
    """A producer may say more than we read."""
    assert len(decode_chunk(packed(firmware="1.2"))) == 2


def test_wrong_adc_shape_is_the_callers_mistake() -> None:
    """Encoding checks that columns are leads."""
    with pytest.raises(ValueError, match="need adc"):
        encode_chunk(
            stream="a", session="s", first_sample=0, start_us=0, rate_hz=250.0, leads=LEADS,
            adc=np.zeros((5, 3), np.int16),
        )  # fmt: skip
