"""One lead's signal as the frames that tiles are drawn from: low-passed, decimated, ready to be sent."""

from __future__ import annotations

import math
import struct
from collections import deque
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.signal import firwin

from monitor.formats.chunks import INVALID, Chunk
from monitor.web.held.history import Held
from monitor.web.held.limits import FRAME_BYTES, FRAME_S

MAX_RATE_HZ = 130.0  # a tile has fewer pixels a second; 128 Hz, a Holter's rate, is sent as it is
CATCH_UP_S = 6.0  # a tile's width at 25 mm/s: what a new watcher gets at once
_PYTHON = 150  # bytes of Python's own for each frame
_LIMIT_UV = 32767
_JUMP_S = 0.02  # a start further from where the last frame ended breaks the filter's run


@lru_cache(maxsize=32)
def low_pass(factor: int) -> NDArray[np.float64]:
    """Taps of the filter before decimation by `factor`; an odd number, they sum to 1."""
    taps: NDArray[np.float64] = firwin(8 * factor + 1, 0.9 / factor)
    return taps


def to_microvolts(
    ecg_mv: NDArray[np.float32], valid: NDArray[np.bool_], offset_uv: int = 0
) -> NDArray[np.int16]:
    """int16 µV with INVALID where nothing was measured; what is beyond ±32.767 mV is clipped."""
    microvolts = np.clip(np.rint(ecg_mv * np.float32(1000)) - offset_uv, -_LIMIT_UV, _LIMIT_UV)
    return np.where(valid, microvolts, INVALID).astype("<i2")


def offset_of(ecg_mv: NDArray[np.float32]) -> int:
    """µV to take off so that the signal fits int16: its median where an electrode's offset is too large."""
    if not len(ecg_mv) or float(np.abs(ecg_mv).max()) * 1000 <= _LIMIT_UV:
        return 0
    return round(float(np.median(ecg_mv)) * 1000)


class FrameMaker:
    """Frames of a stream's first lead, each about as long as the chunk that it comes from."""

    def __init__(self) -> None:
        self._last: Held | None = None
        self._tail = np.zeros(0, np.float32)  # the filter's last inputs
        self._tail_valid = np.zeros(0, np.bool_)
        self._phase = 0  # inputs since the run began, modulo the factor
        self._offset_uv = 0
        self._recent: deque[tuple[int, bytes]] = deque()  # start of each frame and itself
        self.bytes = 0

    @property
    def recent(self) -> list[bytes]:
        """The last seconds, oldest first."""
        return [frame for _, frame in self._recent]

    def push(self, held: Held, chunk: Chunk) -> bytes | None:
        """The frame that a chunk gives; None if it is too short for one, or came out of order."""
        if self._last is not None and held.continues(self._last) and held.end_us <= self._last.end_us:
            return None
        chunk = held.arranged(chunk)
        factor = math.ceil(held.rate_hz / MAX_RATE_HZ)
        fits = self._follows(held)
        ecg_mv, valid = _hold(chunk.ecg_mv[:, 0], chunk.valid[:, 0], self._tail if fits else None)
        if not fits:
            self._begin(factor, ecg_mv)
        self._last = held
        samples, valid, first = self._decimate(ecg_mv, valid, factor)
        if not len(samples):
            return None
        rate_hz = held.rate_hz / factor
        past = max(0, len(samples) - round(FRAME_S * rate_hz))
        samples, valid = samples[past:], valid[past:]
        self._offset_uv = self._offset_for(samples)
        start_us = held.time_us + round((first + past * factor) * 1e6 / held.rate_hz)
        frame = _packed(held, chunk.stream, start_us, rate_hz, samples, valid, self._offset_uv)
        self._keep(start_us, held.end_us, frame)
        return frame

    def _follows(self, held: Held) -> bool:
        last = self._last
        return last is not None and held.continues(last) and abs(held.time_us - last.end_us) <= _JUMP_S * 1e6

    def _begin(self, factor: int, ecg_mv: NDArray[np.float32]) -> None:
        """A run without a past: it starts as if it had always had its first value."""
        taps = len(low_pass(factor)) if factor > 1 else 1
        self._tail = np.full(taps - 1, ecg_mv[0], np.float32)
        self._tail_valid = np.zeros(taps - 1, np.bool_)
        self._phase = 0

    def _decimate(
        self, ecg_mv: NDArray[np.float32], valid: NDArray[np.bool_], factor: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_], int]:
        """Decimated samples, and where in this chunk the first lies: before it, for the filter's delay."""
        half = len(self._tail) // 2
        signal = np.concatenate([self._tail, ecg_mv])
        measured = np.concatenate([self._tail_valid, valid])
        smooth = np.convolve(signal, low_pass(factor), "valid") if factor > 1 else signal
        # Of the run's inputs, those whose number is a multiple of the factor are kept.
        first = (half - self._phase) % factor
        centre = np.arange(first, len(ecg_mv), factor)
        self._phase = (self._phase + len(ecg_mv)) % factor
        if len(self._tail):
            self._tail, self._tail_valid = signal[-len(self._tail) :], measured[-len(self._tail_valid) :]
        return smooth[centre].astype(np.float32), measured[centre + half], first - half

    def _offset_for(self, samples: NDArray[np.float32]) -> int:
        fits = float(np.abs(samples * 1000 - self._offset_uv).max()) <= _LIMIT_UV
        return self._offset_uv if fits else offset_of(samples)

    def _keep(self, start_us: int, end_us: int, frame: bytes) -> None:
        self._recent.append((start_us, frame))
        self.bytes += len(frame) + _PYTHON
        while len(self._recent) > 1 and (
            self.bytes > FRAME_BYTES or self._recent[1][0] <= end_us - CATCH_UP_S * 1e6
        ):
            self.bytes -= len(self._recent.popleft()[1]) + _PYTHON


def _packed(
    held: Held,
    stream: str,
    start_us: int,
    rate_hz: float,
    samples: NDArray[np.float32],
    valid: NDArray[np.bool_],
    offset_uv: int,
) -> bytes:
    header = msgspec.json.encode(
        {
            "stream": stream,
            "lead": held.leads[0],
            "start_us": start_us,
            "rate_hz": rate_hz,
            "session": held.session,
            "offset_uv": offset_uv,
        }
    )
    return struct.pack("<I", len(header)) + header + to_microvolts(samples, valid, offset_uv).tobytes()


def _hold(
    ecg_mv: NDArray[np.float32], valid: NDArray[np.bool_], before: NDArray[np.float32] | None
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The signal with what is missing filled by the last value measured, so that no filter rings there."""
    if valid.all():
        return ecg_mv, valid
    last = np.maximum.accumulate(np.where(valid, np.arange(len(valid)), -1))
    begin = before[-1] if before is not None and len(before) else np.float32(0)
    return np.where(last >= 0, ecg_mv[last], begin).astype(np.float32), valid
