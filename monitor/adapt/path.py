"""The signal path from samples to windows, and the rounds in which a stream's beats are judged.

Online and offline, training and evaluation, all run this.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.adapt.beats import BeatBatch, Lesson
from monitor.adapt.conduction import choose, learn_conducted, steady, usual_beats
from monitor.adapt.conduction import follow as follow_conducted
from monitor.adapt.own_level import OwnLevelState, note, own_level
from monitor.adapt.runs import RunState, count, open_run
from monitor.adapt.strange_shapes import Recurrence, ShapeState, recurrence, remember
from monitor.adapt.usual_beat import UsualState, describe, learn
from monitor.ecg.filters import FilterState, to_internal
from monitor.ecg.noise import Noise, NoiseState, follow
from monitor.ecg.qrs import Detections, QrsState, detect_beats
from monitor.ecg.quality import Quality, is_low, window_quality
from monitor.ecg.samples import FLAT, MISSING, Samples
from monitor.ecg.slots import SlotState
from monitor.ecg.windows import Cuts, Extended, WindowSpec, WindowState, beat_cuts, extend, fixed_cuts

Timer = Callable[[str], AbstractContextManager[None]]  # takes the time of a stage by its name
# (rows of the beats, the beats) → what the streams learn from them
Judge = Callable[[NDArray[np.int64], BeatBatch], Lesson]


def untimed(stage: str) -> AbstractContextManager[None]:
    """A timer that takes no time."""
    del stage
    return nullcontext()


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Windows that became complete, with their quality per lead, (n, leads).

    beat_mv: (n, spec.span, leads) at 250 Hz; fixed_mv: (n, fixed_samples, leads) at 125 Hz;
    fixed_low: (n, leads) no deflection at all.
    """

    beats: Cuts
    beat_mv: NDArray[np.float32]
    beat_quality: NDArray[np.int8]
    fixed: Cuts
    fixed_mv: NDArray[np.float32]
    fixed_quality: NDArray[np.int8]
    fixed_low: NDArray[np.bool_]


class SignalPath:
    """State of all streams up to the windows; slots are handed out by the caller."""

    def __init__(
        self,
        spec: WindowSpec,
        capacity: int,
        max_leads: int,
        *,
        gate_noise: bool = True,
        second_usual: bool = True,
    ) -> None:
        self.spec = spec
        self.max_leads = max_leads
        # False only to measure what they are worth.
        self.gate_noise, self.second_usual = gate_noise, second_usual
        self.filters = FilterState.create(capacity, max_leads)
        self.qrs = QrsState.create(capacity, max_leads)
        self.noise = NoiseState.create(capacity, max_leads)
        self.windows = WindowState.create(capacity, max_leads)
        self.usual = UsualState.create(capacity, max_leads, spec)
        self.shapes = ShapeState.create(capacity, max_leads, spec)
        self.own_level = OwnLevelState.create(capacity)
        self.runs = RunState.create(capacity)

    def states(self) -> dict[str, SlotState]:
        """All per-stream state by name."""
        return {
            "filters": self.filters,
            "qrs": self.qrs,
            "noise": self.noise,
            "windows": self.windows,
            "usual": self.usual,
            # These names are in snapshots that daemons have written.
            "strangers": self.shapes,
            "restless": self.own_level,
            "runs": self.runs,
        }

    def advance(self, new: Samples, found: Detections | None = None, timed: Timer = untimed) -> Windows:
        """Filter, find beats and cut windows; `found` replaces the QRS detector by known R peaks."""
        with timed("filter"):
            signal = to_internal(self.filters, new)
        with timed("detect"):
            if found is None:
                usable = (signal.flags & (MISSING | FLAT)) == 0
                found = detect_beats(self.qrs, new.slots, signal.offsets, signal.raw_mv, usable, new.n_leads)
            noise = follow(self.noise, new.slots, signal)
            extended = extend(self.windows, new.slots, signal)
            peaks = np.stack([found.r_sample, found.decided_at, found.late], axis=1).astype(np.int64)
            beats = beat_cuts(self.windows, new.slots, self.spec, found.stream, peaks)
            fixed = fixed_cuts(self.windows, new.slots, self.spec)
            return self._cut(extended, noise, beats, fixed, new.n_leads)

    def _cut(
        self, extended: Extended, noise: Noise, beats: Cuts, fixed: Cuts, n_leads: NDArray[np.int64]
    ) -> Windows:
        spec = self.spec
        start = beats.sample - spec.left - spec.margin
        beat_mv = extended.cut(extended.band, beats.stream, start, spec.span)
        fixed_mv = extended.cut(extended.band, fixed.stream, fixed.sample, spec.fixed_span)
        beat_flags = extended.cut(extended.flags, beats.stream, start, spec.span)
        fixed_flags = extended.cut(extended.flags, fixed.stream, fixed.sample, spec.fixed_span)
        beat_noise = noise.until(beats.stream, start + spec.span)
        fixed_noise = noise.until(fixed.stream, fixed.sample + spec.fixed_span)
        return Windows(
            beats=beats,
            beat_mv=beat_mv,
            beat_quality=self._quality(beat_mv, beat_flags, beat_noise, n_leads[beats.stream]),
            fixed=fixed,
            fixed_mv=fixed_mv[:, :: spec.step],
            fixed_quality=self._quality(fixed_mv, fixed_flags, fixed_noise, n_leads[fixed.stream]),
            fixed_low=is_low(fixed_mv),
        )

    def _quality(
        self,
        band_mv: NDArray[np.float32],
        flags: NDArray[np.uint8],
        noise: NDArray[np.bool_],
        n_leads: NDArray[np.int64],
    ) -> NDArray[np.int8]:
        quality = window_quality(band_mv, flags)
        if self.gate_noise:
            quality[noise & (quality == Quality.GOOD)] = Quality.NOISE
        else:
            quality[quality == Quality.NOISE] = Quality.GOOD
        quality[np.arange(self.max_leads)[None, :] >= n_leads[:, None]] = Quality.MISSING
        return quality

    def judge_beats(self, windows: Windows, slots: NDArray[np.int64], judge: Judge) -> None:
        """Show `judge` every beat in each stream's order, and learn what it says.

        Each round takes the next beat of every stream: what a beat teaches is known before the next
        one is judged.
        """
        slot = slots[windows.beats.stream]
        good = windows.beat_quality == Quality.GOOD
        rank = _rank(slot)
        for turn in range(int(rank.max(initial=-1)) + 1):
            now = np.flatnonzero(rank == turn)
            batch = self._describe(slot[now], windows.beats.sample[now], windows.beat_mv[now], good[now])
            again = recurrence(self.shapes, slot[now], batch)
            batch = replace(batch, recurrence=again.share)
            lesson = judge(now, batch)
            self._learn(slot[now], batch, again, lesson)

    def _describe(
        self,
        slot: NDArray[np.int64],
        r_peak: NDArray[np.int64],
        wide_mv: NDArray[np.float32],
        good: NDArray[np.bool_],
    ) -> BeatBatch:
        """One beat of each stream, beside what is usual for it."""
        second = choose(self.shapes, self.usual, self.spec, slot, r_peak, wide_mv, good)
        usual = usual_beats(self.shapes, self.usual, slot, second)
        batch = describe(self.usual, self.spec, slot, r_peak, wide_mv, good, usual)
        return replace(
            batch,
            own_level=own_level(self.own_level, slot),
            run=open_run(self.runs, slot),
            second=second,
        )

    def _learn(self, slot: NDArray[np.int64], batch: BeatBatch, again: Recurrence, lesson: Lesson) -> None:
        """Take what the verdicts on one beat of each stream teach."""
        first = batch.second < 0
        usual = lesson.usual & steady(self.shapes, slot, batch)
        learn(self.usual, slot, batch.beat, batch.good, usual & first)
        learn_conducted(self.shapes, slot, batch, usual)
        shape = remember(self.shapes, slot, batch, lesson.strange & first, again.shape)
        if self.second_usual:
            follow_conducted(self.shapes, slot, batch, shape)
        note(self.own_level, slot, lesson.surprise, batch.own_level)
        count(self.runs, slot, lesson.flagged)


def _rank(slot: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of each row among the rows of its slot, (n,)."""
    order = np.argsort(slot, kind="stable")
    ordered = slot[order]
    start = np.searchsorted(ordered, ordered)
    rank = np.empty(len(slot), np.int64)
    rank[order] = np.arange(len(slot)) - start
    return rank
