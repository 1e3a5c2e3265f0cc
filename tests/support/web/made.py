"""Made-up records for the bedside page: chunks, windows and events of streams of which all is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.formats.beats import ScoredWindows
from monitor.formats.chunks import MSGPACK, Lead, decode_chunk, encode_chunk
from monitor.formats.events import Event, Kind, encode_event
from monitor.web.held.events import EventHeld, read_event
from monitor.web.held.limits import Limits
from monitor.web.held.store import Store

START_US = 1_700_000_000_000_000
RATE_HZ = 250.0
CHUNK = 250  # samples, 1 s
LEADS = (Lead("II"), Lead("V1"))


def limits(**changes: Any) -> Limits:
    """Roomy limits."""
    values: dict[str, Any] = {
        "history_s": 600.0,
        "memory_bytes": 1 << 28,
        "max_streams": 100,
        "forget_after_s": 3600.0,
    }
    return Limits(**{**values, **changes})


def ramp(number: int, leads: int = 2) -> NDArray[np.int16]:
    """ADC units of chunk `number`, (CHUNK, leads): they tell which sample they are of."""
    one = (np.arange(CHUNK) + CHUNK * number) % 2000 - 1000
    return np.stack([one + lead for lead in range(leads)], axis=1).astype(np.int16)


def chunk_value(number: int, stream: str = "a", session: str = "s", **changes: Any) -> bytes:
    """A record's value: chunk `number`, a second long, of a stream that began at START_US."""
    fields: dict[str, Any] = {
        "stream": stream,
        "session": session,
        "first_sample": CHUNK * number,
        "start_us": START_US + 1_000_000 * number,
        "rate_hz": RATE_HZ,
        "leads": LEADS,
        "adc": ramp(number),
    }
    return encode_chunk(**{**fields, **changes})


def send(
    store: Store, value: bytes, received_us: int | None = None, content_type: str = MSGPACK
) -> bytes | None:
    """Put a chunk into a store, received as its last sample was measured; returns the frame."""
    chunk = decode_chunk(value, content_type)
    end_us = chunk.start_us + round(len(chunk) * 1e6 / chunk.rate_hz)
    received = end_us if received_us is None else received_us
    return store.take_chunk(chunk, value, content_type, received, recent=True)


def store_of(chunks: int, stream: str = "a", **changes: Any) -> Store:
    """A store that holds a stream of so many chunks."""
    store = Store(limits(**changes))
    for number in range(chunks):
        send(store, chunk_value(number, stream))
    return store


def event(sample: int, kind: Kind = Kind.BEAT_MORPHOLOGY, stream: str = "a", **changes: Any) -> Event:
    """An event at a sample of such a stream."""
    fields: dict[str, Any] = {
        "stream": stream,
        "session": "s",
        "kind": kind,
        "r_peak_sample": sample,
        "time_us": START_US + round(sample * 1e6 / RATE_HZ),
        "first_sample": sample - 50,
        "last_sample": sample + 50,
        "rate_hz": RATE_HZ,
        "model": "m",
        "model_version": "1",
        "score": 5.5,
        "p_value": 1e-5,
        "latent": (0.5, 0.25),
        "rr_s": 0.8,
    }
    return Event(**{**fields, **changes})


def held(made: Event, received_us: int | None = None) -> EventHeld:
    """The event as the feed reads it, received a second after it happened."""
    return read_event(encode_event(made), made.time_us + 1_000_000 if received_us is None else received_us)


def windows(
    rows: list[tuple[int, str, bool, str]], stream: str = "a", session: str = "s", rr_s: float = 0.8
) -> ScoredWindows:
    """Scored windows from (sample, kind, anomalous, quality)."""
    sample = np.array([row[0] for row in rows], np.int64)
    fixed = np.array([row[1] == "fixed" for row in rows], np.bool_)
    return ScoredWindows(
        stream=[stream] * len(rows),
        session=[session] * len(rows),
        sample=sample,
        time_us=START_US + np.rint(sample * 1e6 / RATE_HZ).astype(np.int64),
        rr_s=np.where(fixed, np.nan, rr_s).astype(np.float32),
        score=np.linspace(0.1, 3, len(rows)).astype(np.float32),
        p_value=np.linspace(0.9, 0.001, len(rows)).astype(np.float32),
        anomalous=np.array([row[2] for row in rows], np.bool_),
        kind=[row[1] for row in rows],
        quality=[row[3] for row in rows],
    )
