"""A made-up ward: many streams that are not alike, for the bedside page to show."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.recordings.recording import Recording, chunk_bounds, encode_slice, from_millivolts
from monitor.recordings.replay import ReplayClock, ReplayPlan, Sent
from monitor.recordings.synthetic import synthetic_ecg

TURN_S = 300.0  # of signal, then it begins again
RATE_HZ = 250.0
REAL_EVERY = 3  # the real ECG is never quiet for long, and a ward of such beds alone would be all alarms


@dataclass(frozen=True, slots=True, eq=False)
class Bed:
    """One stream of the ward."""

    stream: str
    recording: Recording
    silent_s: tuple[float, float] = (0.0, 0.0)  # of each turn: nothing is sent then


def ward(real: Recording, beds: int) -> list[Bed]:
    """So many beds: every third has the real ECG, each from elsewhere in it and at its own pace."""
    names = [f"bed-{number:02d}" for number in range(1, beds + 1)]
    return [
        _made_up(name, number - number // REAL_EVERY - 1)
        if number % REAL_EVERY
        else Bed(name, _elsewhere(real, number // REAL_EVERY))
        for number, name in enumerate(names)
    ]


def _elsewhere(real: Recording, number: int) -> Recording:
    """The recording begun at another place, and its heart made up to a fifth slower or faster."""
    # The golden ratio's steps never fall together.
    first = int(number * 0.618034 % 1 * len(real))
    pace = 1 + 0.2 * (2 * (number * 0.381966 % 1) - 1) if number else 1.0
    adc = np.roll(real.adc, -first, axis=0)
    return Recording(real.name, round(real.rate_hz * pace), real.leads, adc)


def _made_up(name: str, number: int) -> Bed:
    """Normal beats with something else, by turns; what happens does so in the first minutes."""
    rate = 54.0 + 7 * (5 * number % 8)
    troubles = (None, _asystole, _electrode_off, _muscles, None, None)
    trouble = troubles[number % len(troubles)]
    run = range(90, 102) if number % len(troubles) == 0 else range(70, 400, 61)
    ecg = synthetic_ecg(
        TURN_S,
        rate_hz=RATE_HZ,
        beats_per_minute=rate,
        ventricular=run if trouble is None else (),
        seed=number,
    )
    ecg_mv = ecg.ecg_mv.copy()
    if trouble is not None:
        trouble(ecg_mv)
    recording = from_millivolts(name, RATE_HZ, ["II", "V5"], ecg_mv.astype(np.float64))
    return Bed(name, recording, (60.0, 85.0) if number % len(troubles) == 4 else (0.0, 0.0))


def _between(ecg_mv: NDArray[np.float32], first_s: float, last_s: float) -> NDArray[np.float32]:
    return ecg_mv[round(first_s * RATE_HZ) : round(last_s * RATE_HZ)]


def _asystole(ecg_mv: NDArray[np.float32]) -> None:
    _between(ecg_mv, 75, 81)[:] *= 0.01


def _electrode_off(ecg_mv: NDArray[np.float32]) -> None:
    _between(ecg_mv, 50, 65)[:] = np.nan


def _muscles(ecg_mv: NDArray[np.float32]) -> None:
    part = _between(ecg_mv, 65, 95)
    part += 0.4 * np.random.default_rng(0).standard_normal(part.shape).astype(np.float32)


def send_ward(
    beds: Sequence[Bed],
    session: str,
    send: Callable[[str, bytes], None],
    *,
    speed: float = 1.0,
    chunk_s: float = 1.0,
    now: Callable[[], float] = time.time,
    wait: Callable[[float], object] = time.sleep,
) -> Iterator[Sent]:
    """Send every bed's ECG for ever, each chunk when its last sample is measured; yields what was sent."""
    started_s = now()
    pieces = [_pieces(bed, index, started_s, speed, chunk_s) for index, bed in enumerate(beds)]
    for due_s, index, first, last, base, start_us in heapq.merge(*pieces):
        if (delay_s := due_s - now()) > 0:
            wait(delay_s)
        bed = beds[index]
        value = encode_slice(
            bed.recording,
            first,
            last,
            stream=bed.stream,
            session=session,
            first_sample=base + first,
            start_us=start_us,
        )
        send(bed.stream, value)
        yield Sent(index, base + first, last - first, max(0.0, now() - due_s))


def _pieces(
    bed: Bed, index: int, started_s: float, speed: float, chunk_s: float
) -> Iterator[tuple[float, int, int, int, int, int]]:
    """When each chunk is due, its bed, first and last sample, the samples before its turn, its start time."""
    plan = ReplayPlan(prefix=bed.stream, session="", speed=speed, chunk_s=chunk_s)
    # Devices begin at any moment, not all at the same.
    clock = ReplayClock.begin(bed.recording, plan, started_s + index * 0.618034 % 1 * chunk_s / speed)
    rate_hz, (from_s, until_s) = bed.recording.rate_hz, bed.silent_s
    for turn in itertools.count():
        base = turn * len(bed.recording)
        for first, last in chunk_bounds(bed.recording, chunk_s):
            if not from_s <= first / rate_hz < until_s:
                start_us = round(clock.measured_s(base + first) * 1e6)
                yield clock.measured_s(base + last), index, first, last, base, start_us
