"""A recording sent as streams, chunk by chunk, as if devices were measuring it now."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from monitor.recordings.recording import Recording, chunk_bounds, encode_slice


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlan:
    """What is sent, as whom and how fast."""

    prefix: str  # the stream's id; with several streams their number is appended
    session: str  # a device's restart begins a new one
    streams: int = 1
    speed: float = 1.0  # seconds of signal a second; 0 = as fast as the broker takes it
    chunk_s: float = 1.0  # of signal
    loop: bool = False  # begin again at the end, sample numbers going on

    def __post_init__(self) -> None:
        if self.streams < 1 or self.speed < 0 or self.chunk_s <= 0:
            got = f"{self.streams}, {self.speed}, {self.chunk_s}"
            raise ValueError(f"need streams >= 1, speed >= 0, chunk_s > 0; got {got}")

    def stream_id(self, index: int) -> str:
        """Name of stream 0, 1, ...; numbered with as many digits as the last one needs."""
        if self.streams == 1:
            return self.prefix
        return f"{self.prefix}-{index:0{len(str(self.streams - 1))}d}"


@dataclass(frozen=True, slots=True)
class ReplayClock:
    """When a sample of a stream is measured under the replay, as wall time.

    At speed 1 this is what a device would write. At speed v samples are v times closer together, so a
    chunk's start time still is the moment at which its first sample is measured, and latency from an
    R peak to its event can be had from `measured_s` of its sample. At speed 0 nothing is measured:
    the samples bear the times of a recording that ended when the replay began.
    """

    started_s: float  # wall time of the first sample of stream 0, s since the epoch
    rate_hz: float
    speed: float
    phase_s: float  # by how much each stream is later than the one before, s

    @classmethod
    def begin(cls, recording: Recording, plan: ReplayPlan, now_s: float) -> ReplayClock:
        """The clock of a replay that begins now; streams are spread evenly over one chunk's time."""
        if plan.speed == 0:
            return cls(now_s - recording.duration_s, recording.rate_hz, 0.0, 0.0)
        return cls(now_s, recording.rate_hz, plan.speed, plan.chunk_s / plan.speed / plan.streams)

    def measured_s(self, sample: float, stream_index: int = 0) -> float:
        """Wall time, s since the epoch, at which a stream's sample is measured."""
        return self.started_s + stream_index * self.phase_s + sample / (self.rate_hz * (self.speed or 1.0))


@dataclass(frozen=True, slots=True)
class Sent:
    """One chunk that has been handed to `send`."""

    stream_index: int
    first_sample: int  # as numbered in the stream, going on over passes of a loop
    samples: int
    late_s: float  # by how much it was handed over later than its last sample was measured


def replay(
    recording: Recording,
    plan: ReplayPlan,
    send: Callable[[str, bytes], None],
    *,
    clock: ReplayClock,
    now: Callable[[], float] = time.time,
    wait: Callable[[float], object] = time.sleep,
) -> Iterator[Sent]:
    """Send the recording chunk by chunk, each when its last sample is measured; yields what was sent.

    Stop by leaving the loop; `wait` may return early for that.
    """
    for first, last, base, index in _slices(recording, plan):
        due_s = clock.measured_s(base + last, index)
        delay_s = due_s - now() if plan.speed else 0.0
        if delay_s > 0:
            wait(delay_s)
        value = encode_slice(
            recording,
            first,
            last,
            stream=plan.stream_id(index),
            session=plan.session,
            first_sample=base + first,
            start_us=max(0, round(clock.measured_s(base + first, index) * 1e6)),
        )
        send(plan.stream_id(index), value)
        yield Sent(index, base + first, last - first, max(0.0, now() - due_s) if plan.speed else 0.0)


def _slices(recording: Recording, plan: ReplayPlan) -> Iterator[tuple[int, int, int, int]]:
    """First and last sample of every chunk, the samples of the passes before it, and its stream."""
    for turn in itertools.count() if plan.loop else range(1):
        for first, last in chunk_bounds(recording, plan.chunk_s):
            for index in range(plan.streams):
                yield first, last, turn * len(recording), index
