"""The last minutes of one stream's signal: its records as received, on one time axis."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.detect.order import CLOCK_S, RATE_SLACK
from monitor.formats.chunks import Chunk, Lead, compacted, decode_adc, decode_chunk
from monitor.web.held.limits import weigh

RECORD_BYTES = 400  # of Python's own for each record kept, on top of its value
_RECENT = 8  # records back in which one that was sent twice, or that this one continues, is looked for


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """One chunk as received; decoded anew whenever somebody looks, which is rarer than its coming.

    rate_hz and leads are those of the first of the records that it continues: its own rate may differ by
    RATE_SLACK, and its columns may come in another order.
    """

    session: str
    first_sample: int
    samples: int
    time_us: int  # of first_sample on the stream's axis
    rate_hz: float
    leads: tuple[str, ...]
    value: bytes
    content_type: str
    bytes: int  # of memory, about

    @property
    def end_us(self) -> int:
        """Time of the sample that would follow."""
        return self.time_us + round(self.samples * 1e6 / self.rate_hz)

    def chunk(self) -> Chunk:
        """The chunk, decoded, its leads in the order of `leads`."""
        return self.arranged(decode_chunk(self.value, self.content_type))

    def arranged(self, chunk: Chunk) -> Chunk:
        """This record's own chunk with the leads and the rate under which it is held."""
        if (chunk.leads, chunk.rate_hz) == (self.leads, self.rate_hz):
            return chunk
        order = [chunk.leads.index(name) for name in self.leads]
        return replace(
            chunk,
            rate_hz=self.rate_hz,
            leads=self.leads,
            ecg_mv=chunk.ecg_mv[:, order],
            valid=chunk.valid[:, order],
            saturated=chunk.saturated[:, order],
        )

    def adc(self) -> tuple[tuple[Lead, ...], NDArray[np.int16]] | None:
        """Leads in the order of `leads` and (n, leads) ADC units; None for a record in mV."""
        found = decode_adc(self.value, self.content_type)
        if found is None:
            return None
        names = [lead.name for lead in found[0]]
        order = [names.index(name) for name in self.leads]
        return tuple(found[0][at] for at in order), found[1][:, order]

    def continues(self, other: Held) -> bool:
        """True if both are of one session with the same leads at the same rate."""
        mine, its = (self.session, self.leads, self.rate_hz), (other.session, other.leads, other.rate_hz)
        return mine == its


class SignalHistory:
    """Records of one stream, oldest first, of at most `keep_s` seconds of signal.

    Their axis is the worker's: a session's samples are counted on from its first start time, and a start
    time that strays by more than CLOCK_S from that sets the axis anew.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._held: deque[Held] = deque()
        self._seconds = 0.0
        self._anchor: tuple[int, int] = (0, 0)  # sample, its time in µs
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Held]:
        return iter(self._held)

    @property
    def earliest_us(self) -> int:
        """Time of the first sample held."""
        return min(held.time_us for held in self._held)

    @property
    def latest_us(self) -> int:
        """Time after the last sample held."""
        return max(held.end_us for held in self._held)

    @property
    def last(self) -> Held:
        """The record that came last; there must be one."""
        return self._held[-1]

    def add(self, chunk: Chunk, value: bytes, content_type: str) -> Held | None:
        """Keep a record; None if it is there already."""
        value = compacted(value, content_type, chunk)
        run = self._continued(chunk)
        session, leads, rate_hz, own_bytes = chunk.session, chunk.leads, chunk.rate_hz, 0
        if run is None:
            own_bytes = weigh(session) + weigh(leads)
        else:
            session, leads, rate_hz = run.session, run.leads, run.rate_hz  # kept once, not once a record
        held = Held(
            session=session,
            first_sample=chunk.first_sample,
            samples=len(chunk),
            time_us=chunk.start_us,
            rate_hz=rate_hz,
            leads=leads,
            value=value,
            content_type=content_type,
            bytes=len(value) + RECORD_BYTES + own_bytes,
        )
        if self._repeats(held):
            return None
        held = self._on_axis(held)
        self._held.append(held)
        self._seconds += held.samples / held.rate_hz
        self.bytes += held.bytes
        while self._seconds > self._keep_s and len(self._held) > 1:
            self.drop_oldest()
        return held

    def drop_oldest(self) -> None:
        """Forget the oldest record."""
        gone = self._held.popleft()
        self._seconds -= gone.samples / gone.rate_hz
        self.bytes -= gone.bytes

    def between(self, from_us: int, to_us: int) -> list[Held]:
        """Records that hold a sample of this time, in order of arrival."""
        return [held for held in self._held if held.end_us > from_us and held.time_us < to_us]

    def time_of(self, session: str, sample: int) -> int | None:
        """Where a sample lies on the axis; None if it is not held."""
        for held in reversed(self._held):
            if held.session == session and 0 <= sample - held.first_sample < held.samples:
                return held.time_us + round((sample - held.first_sample) * 1e6 / held.rate_hz)
        return None

    def _newest(self) -> Iterator[Held]:
        return (self._held[-back] for back in range(1, min(_RECENT, len(self._held)) + 1))

    def _repeats(self, new: Held) -> bool:
        return any(old.value == new.value for old in self._newest())

    def _continued(self, chunk: Chunk) -> Held | None:
        """The newest record of the same session, leads and rate, as far as those are the same to us."""
        for old in self._newest():
            if (
                old.session == chunk.session
                and math.isclose(old.rate_hz, chunk.rate_hz, rel_tol=RATE_SLACK)
                and set(old.leads) == set(chunk.leads)
            ):
                return old
        return None

    def _on_axis(self, new: Held) -> Held:
        known = bool(self._held) and self.last.continues(new)
        at, anchor_us = self._anchor
        due_us = anchor_us + round((new.first_sample - at) * 1e6 / new.rate_hz)
        if not known or abs(new.time_us - due_us) > CLOCK_S * 1e6:
            self._anchor = (new.first_sample, new.time_us)
            return new
        return replace(new, time_us=due_us)
