"""Records that nobody should send: what is to be refused, by reason, and what is only hostile."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from monitor.formats.chunks import JSON, MAX_SAMPLES, MSGPACK, Lead, encode_chunk
from monitor.formats.events import encode_event
from monitor.formats.profiles import Profile, encode_profile
from monitor.worker.positions import snapshot_headers
from tests.support.daemon.harness import START_US, chunk
from tests.support.scan_fakes import fake_event

BAD_KEY = b"bad"
Headers = list[tuple[str, bytes | None]]


def _changed(**fields: Any) -> bytes:
    return msgspec.msgpack.encode({**msgspec.msgpack.decode(chunk("bad", 0)), **fields})


HUGE = b"\xc1" + b"x" * 400_000
# Of `ecg.signal`, under BAD_KEY: value, content type, and the reason of its dead letter.
REFUSED: dict[str, tuple[bytes | None, str, str]] = {
    "malformed": (b"\xc1\xff", MSGPACK, "malformed"),
    "truncated": (_changed(samples=b"odd"), MSGPACK, "truncated"),
    "cut short": (chunk("bad", 0)[:-10], MSGPACK, "malformed"),
    "wrong version": (_changed(schema=99), MSGPACK, "schema_version"),
    "not finite": (_changed(rate_hz=float("nan")), MSGPACK, "not_finite"),
    "NaN in JSON": (b'{"schema": 1, "samples": [[NaN]]}', JSON, "not_finite"),
    "huge": (HUGE, MSGPACK, "malformed"),
    "empty": (b"", MSGPACK, "empty"),
    "no value": (None, MSGPACK, "empty"),
    "another format": (b"<xml/>", "text/xml", "content_type"),
    "another's key": (chunk("good", 0, leads=(Lead("V1"),)), MSGPACK, "key"),
    "sample 2^50": (_changed(first_sample=1 << 50), MSGPACK, "field"),
    "sample 2^61": (_changed(first_sample=1 << 61), MSGPACK, "field"),
    "time 2^62": (_changed(start_us=1 << 62), MSGPACK, "start_us"),
    "time in ms": (_changed(start_us=START_US // 1000), MSGPACK, "start_us"),
    "time of 1970": (_changed(start_us=1), MSGPACK, "start_us"),
    "time of 2100": (_changed(start_us=4_102_444_800_000_000), MSGPACK, "start_us"),
    "no rate": (_changed(rate_hz=0.0), MSGPACK, "field"),
    "tiny gain": (_changed(leads=[{"name": "II", "gain": 1e-300}]), MSGPACK, "not_finite"),
    "too long": (_changed(samples=bytes(2 * MAX_SAMPLES + 2)), MSGPACK, "too_long"),
    "a nest": (
        b'{"schema": 1, "more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        JSON,
        "malformed",
    ),
    "a packed nest": (b"\x91" * 100_000, MSGPACK, "field"),
}
# Of any topic but `ecg.signal`: what makes a decoder go deep, or reckon for long.
NESTS: dict[str, bytes] = {
    "lists": b"[" * 100_000,
    "maps": b'{"data":' * 100_000,
    "packed lists": b"\x91" * 100_000,
    "packed maps": b"\x81\xa4data" * 100_000,
    "digits": b'{"schema":1,"id":' + b"9" * 5000 + b"}",
}
# Fields of an event that nobody can reckon with.
UNRECKONABLE: list[dict[str, Any]] = [
    {"rate_hz": 0.0},
    {"rate_hz": 1e-300},
    {"time_us": 1 << 62},
    {"last_sample": -(1 << 62)},
]


def changed_event(value: bytes, change: dict[str, Any]) -> bytes:
    """An event's record with other data."""
    envelope = msgspec.json.decode(value)
    envelope["data"] |= change
    return msgspec.json.encode(envelope)


def no_events() -> list[bytes]:
    """Values of `ecg.events` that are none."""
    bad = [b"", b"{}", b"\xff", b'{"id":"a","data":{"kind":"beat.new"}}', *NESTS.values()]
    return [*bad, *(changed_event(encode_event(fake_event()), change) for change in UNRECKONABLE)]


def no_reviews() -> list[bytes]:
    """Values of `ecg.feedback` that are no verdict."""
    return [b"", b"{", b"\xff\xfe", b'{"schema": 1}', *NESTS.values()]


def no_profiles(stream: str) -> list[tuple[bytes | None, bytes | None]]:
    """Keys and values of `ecg.profiles` that set nothing, whatever they say of this stream."""
    good = encode_profile(Profile(stream=stream, at_us=START_US, paced=True))
    key = stream.encode()
    values = [b"", b"{", b"\xff\xfe", b"[]", odd_profile(stream, false_alarm_budget_per_hour=0)]
    wrong_keys: list[tuple[bytes | None, bytes | None]] = [(b"another", good), (None, good), (b"\xff", None)]
    return [*wrong_keys, *((key, value) for value in [*values, *NESTS.values()])]


def odd_profile(stream: str, **fields: Any) -> bytes:
    """A stream's settings as they could be written before there were bounds."""
    return msgspec.json.encode({"schema": 1, "stream": stream, "at_us": START_US, **fields})


# What the page took once: a worker ended by each, a patient whom nobody heard.
ODD_SETTINGS: list[dict[str, Any]] = [
    {"false_alarm_budget_per_hour": 5e-324},
    {"false_alarm_budget_per_hour": 1e-300},
    {"muted_until_us": 1 << 53},  # in 2255
]


def no_snapshots(group: str) -> list[tuple[bytes, Headers]]:
    """Keys and headers of `ecg.state` that a group cannot take for its own."""
    name = ("group", group.encode())
    return [
        (b"\xff", [*snapshot_headers(group, 7)]),
        (b"a", [name]),
        (b"a", [name, ("input-offset", b"seven")]),
        (b"a", [name, ("input-offset", b"\xff")]),
        (b"a", [name, ("input-offset", None)]),
    ]


LONG_ID = "long" + "x" * 196


def many_short_beats() -> bytes:
    """A chunk of 120 kB, ten minutes of 240 beats a minute under long ids: thousands of rows of beats."""
    adc = np.random.default_rng(5).integers(-8, 8, (MAX_SAMPLES, 1)).astype(np.int16)
    beats = np.arange(40, MAX_SAMPLES - 2, 25)
    adc[beats, 0] += 220
    adc[beats + 1, 0] -= 70
    return _chunk(LONG_ID, adc, rate_hz=100.0, session="s" * 200)


def zeros(stream: str, count: int, samples: int) -> list[bytes]:
    """So many chunks of twelve flat leads, which compress to nothing."""
    adc = np.zeros((samples, 12), np.int16)
    return [_chunk(stream, adc, number * samples, rate_hz=1000.0) for number in range(count)]


def restless(stream: str, count: int) -> list[bytes]:
    """Chunks each of which has another sampling rate."""
    return [chunk(stream, number, rate_hz=200.0 + 7.3 * number) for number in range(count)]


def leaping(stream: str) -> list[bytes]:
    """A chunk, and one after the longest time that there is."""
    return [chunk(stream, 0), chunk(stream, 1, first_sample=1 << 43)]


def _chunk(stream: str, adc: Any, first_sample: int = 0, *, rate_hz: float, session: str = "a") -> bytes:
    return encode_chunk(
        stream=stream,
        session=session,
        first_sample=first_sample,
        start_us=START_US + round(first_sample * 1e6 / rate_hz),
        rate_hz=rate_hz,
        leads=tuple(Lead(f"L{number}") for number in range(adc.shape[1])),
        adc=adc,
    )
