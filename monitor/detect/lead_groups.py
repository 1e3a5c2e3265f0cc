"""Streams with equally many leads share arrays: slots, the signal path, verdicts and episodes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.adapt.beats import BeatBatch, Lesson
from monitor.adapt.path import SignalPath, Timer, Windows
from monitor.detect.episodes import EpisodeState, beat_kind, close_all, on_beat, on_fixed
from monitor.detect.findings import Findings, Row
from monitor.detect.interface import Tuning
from monitor.detect.order import Stream, Stretch
from monitor.ecg.quality import Quality
from monitor.ecg.samples import Samples
from monitor.ecg.slots import SlotState
from monitor.errors import StateError
from monitor.model.model import Model, Thresholds, Verdicts

FIRST_CAPACITY = 16


class LeadGroup:
    """All streams with one number of leads."""

    def __init__(self, model: Model, leads: int, *, gate_noise: bool = True) -> None:
        self.model, self.leads = model, leads
        self.spec = model.manifest.windows
        self.path = SignalPath(self.spec, FIRST_CAPACITY, leads, gate_noise=gate_noise)
        self.episodes = EpisodeState.create(FIRST_CAPACITY)
        self._fresh = SignalPath(self.spec, 1, leads), EpisodeState.create(1)
        self._free = list(range(FIRST_CAPACITY))
        self._used: set[int] = set()
        self._own: dict[int, Thresholds] = {}  # of slots whose stream has a budget of its own

    def open(self) -> int:
        """A fresh slot; capacity doubles when none is free."""
        if not self._free:
            capacity = self.episodes.capacity
            more = SignalPath(self.spec, capacity, self.leads), EpisodeState.create(capacity)
            for name, state in self._states().items():
                state.extend(_states(*more)[name])
            self._free = list(range(capacity, 2 * capacity))
        slot = self._free.pop(0)
        self._used.add(slot)
        self._reset(slot, list(self._states()))
        return slot

    def tune(self, slot: int, tuning: Tuning) -> None:
        """Judge a slot's windows by the budget of its stream from now on."""
        self._own.pop(slot, None)
        if tuning.budget_per_hour is not None:
            self._own[slot] = self.model.thresholds_for(tuning.budget_per_hour)

    def close(self, slot: int) -> None:
        """Give a slot back."""
        self._own.pop(slot, None)
        self._used.remove(slot)
        self._free.append(slot)

    def shrink(self) -> dict[int, int]:
        """Give half of the memory back if a quarter is used; returns the new slots of those that move."""
        capacity = self.episodes.capacity
        if capacity == FIRST_CAPACITY or 4 * len(self._used) > capacity:
            return {}
        half = capacity // 2
        free = [slot for slot in range(half) if slot not in self._used]
        moved = {slot: free.pop(0) for slot in sorted(self._used) if slot >= half}
        for state in self._states().values():
            for slot, new in moved.items():
                state.copy_from(state, slot, new)
            state.keep(half)
        self._used = {moved.get(slot, slot) for slot in self._used}
        self._own = {moved.get(slot, slot): own for slot, own in self._own.items()}
        self._free = free
        return moved

    def take(self, slot: int) -> dict[str, dict[str, NDArray[Any]]]:
        """Copies of a slot's values, for a snapshot."""
        return {name: state.take(slot) for name, state in self._states().items()}

    def put(self, slot: int, values: Mapping[str, Mapping[str, NDArray[Any]]]) -> None:
        """Write a snapshot's values into a slot; raises StateError if they don't fit."""
        states = self._states()
        if set(states) != set(values):
            raise StateError(f"snapshot has parts {sorted(values)}, wanted {sorted(states)}")
        for name, state in states.items():
            state.put(slot, values[name])

    def learning(self) -> int:
        """Streams whose usual beat is not yet known."""
        used = np.fromiter(self._used, np.int64, len(self._used))
        return int((~self.path.usual.ready[used]).sum())

    def open_episodes(self) -> int:
        """Episodes that have begun and not ended."""
        return self.episodes.open_episodes(np.fromiter(self._used, np.int64, len(self._used)))

    def end_segment(self, stream: Stream, slot: int, end: int, found: Findings) -> None:
        """Close what is open and report what no window covers, up to input sample `end`."""
        n = int(self.path.windows.n[slot])
        found.add(stream, close_all(self.episodes, slot, n))
        windows = int(self.path.windows.fixed[slot])
        covered = (windows - 1) * self.spec.fixed_hop + self.spec.fixed_span if windows else 0
        found.gap(stream, covered, end)

    def advance(
        self, batch: list[tuple[Stream, int, Stretch]], found: Findings, counts: Counter[str], timed: Timer
    ) -> None:
        """Run new samples of several streams through to findings."""
        for stream, slot, stretch in batch:
            if stretch.fresh:
                self.end_segment(stream, slot, stretch.first_sample, found)
                self._new_segment(slot)
                stream.segment = stretch.first_sample
        new = _samples(batch)
        windows = self.path.advance(new, timed=timed)
        with timed("score"):
            batches: list[tuple[NDArray[np.int64], BeatBatch, Verdicts]] = []
            ready = self.path.usual.ready[new.slots]  # a copy: before these beats

            def judge(rows: NDArray[np.int64], beats: BeatBatch) -> Lesson:
                verdicts = self.model.judge_beats(beats, self._own_of(new.slots[windows.beats.stream[rows]]))
                batches.append((rows, beats, verdicts))
                return verdicts.lesson

            self.path.judge_beats(windows, new.slots, judge)
            own = self._own_of(new.slots[windows.fixed.stream])
            fixed = self.model.judge_fixed(windows.fixed_mv, windows.fixed_quality == Quality.GOOD, own)
        with timed("decide"):
            self._decide([stream for stream, _, _ in batch], new.slots, ready, windows, batches, fixed, found)
        _count(windows, counts)

    def _own_of(self, slots: NDArray[np.int64]) -> dict[int, Thresholds]:
        """Thresholds by row, of those windows whose stream has a budget of its own."""
        if not self._own:
            return {}
        return {row: self._own[slot] for row, slot in enumerate(slots.tolist()) if slot in self._own}

    def _decide(
        self,
        streams: list[Stream],
        slots: NDArray[np.int64],
        ready: NDArray[np.bool_],
        windows: Windows,
        batches: list[tuple[NDArray[np.int64], BeatBatch, Verdicts]],
        fixed: Verdicts,
        found: Findings,
    ) -> None:
        """Take beats and fixed windows in each stream's order of decision."""
        judged: dict[int, tuple[BeatBatch, Verdicts, int]] = {}
        for rows, beats, verdicts in batches:
            judged |= {int(row): (beats, verdicts, i) for i, row in enumerate(rows)}
        stream = np.concatenate([windows.beats.stream, windows.fixed.stream])
        decided = np.concatenate([windows.beats.decided_at, windows.fixed.decided_at])
        is_fixed = np.repeat([False, True], [len(windows.beats), len(windows.fixed)])
        index = np.concatenate([np.arange(len(windows.beats)), np.arange(len(windows.fixed))])
        for at in np.lexsort((index, is_fixed, decided, stream)):
            owner, slot, i = streams[stream[at]], int(slots[stream[at]]), int(index[at])
            if is_fixed[at]:
                self._on_fixed(owner, slot, windows, fixed, i, not ready[stream[at]], found)
            else:
                self._on_beat(owner, slot, windows, *judged[i], i, found)
                ready[stream[at]] = self._ready_after(slot, windows, judged, i)

    def _ready_after(
        self, slot: int, windows: Windows, judged: dict[int, tuple[BeatBatch, Verdicts, int]], i: int
    ) -> bool:
        """Whether the usual beat was known once beat i had been learned: what the next beat found."""
        following = windows.beats.stream[i : i + 2]
        if len(following) == 2 and following[0] == following[1]:
            beats, _, row = judged[i + 1]
            return bool(beats.ready[row])
        return bool(self.path.usual.ready[slot])

    def _on_beat(
        self,
        stream: Stream,
        slot: int,
        windows: Windows,
        beats: BeatBatch,
        verdicts: Verdicts,
        row: int,
        i: int,
        found: Findings,
    ) -> None:
        r_peak = int(windows.beats.sample[i])
        flagged = bool(verdicts.anomalous[row])
        kind, why = beat_kind(
            float(beats.log_ratio[row]), float(verdicts.shape[row]), float(verdicts.rhythm[row])
        )
        window = (r_peak - self.spec.left, r_peak + self.spec.right)
        rr_s = float(beats.rr_s[row])
        verdict = Row(
            sample=r_peak,
            rr_s=rr_s,
            usual_rr_s=rr_s / math.exp(beats.log_ratio[row]),
            recurrence=float(beats.recurrence[row]),
            surprise=float(verdicts.surprise[row]),
            threshold=float(verdicts.threshold[row]),
            anomalous=flagged,
            kind=kind.value if flagged else "beat",
            quality=Quality(int(windows.beat_quality[i].min())),
            by_lead=verdicts.by_lead[row],
            worst=verdicts.worst[row],
            learning=not bool(beats.ready[row]),
            late=bool(windows.beats.late[i]),
            latent=verdicts.latent[row],
            window_mv=beats.beat[row],
        )
        found.window(stream, verdict)
        found.add(stream, on_beat(self.episodes, slot, r_peak, window, flagged, kind, why), verdict)

    def _on_fixed(
        self,
        stream: Stream,
        slot: int,
        windows: Windows,
        verdicts: Verdicts,
        i: int,
        learning: bool,
        found: Findings,
    ) -> None:
        first = int(windows.fixed.sample[i])
        span = (first, first + self.spec.fixed_span - 1)
        quality = Quality(int(windows.fixed_quality[i].min()))
        anomalous = bool(verdicts.anomalous[i])
        verdict = Row(
            sample=first + self.spec.fixed_span // 2,
            rr_s=float("nan"),
            surprise=float(verdicts.surprise[i]),
            threshold=float(verdicts.threshold[i]),
            anomalous=anomalous,
            kind="fixed",
            quality=quality,
            by_lead=verdicts.by_lead[i],
            worst=verdicts.worst[i],
            learning=learning,
            late=False,
            latent=verdicts.latent[i],
            window_mv=windows.fixed_mv[i].T,
        )
        found.window(stream, verdict)
        low = bool(windows.fixed_low[i].all())
        found.add(stream, on_fixed(self.episodes, slot, span, quality, anomalous, low), verdict)

    def _new_segment(self, slot: int) -> None:
        """After a long gap the signal starts anew; what is usual for the stream is still known."""
        self._reset(slot, ["filters", "qrs", "noise", "windows", "runs", "episodes"])
        self.path.usual.last_r[slot] = -1
        self.episodes.bad_open[slot], self.episodes.bad_first[slot] = int(Quality.MISSING), 0

    def _reset(self, slot: int, parts: list[str]) -> None:
        fresh = _states(*self._fresh)
        states = self._states()
        for name in parts:
            states[name].copy_from(fresh[name], 0, slot)

    def _states(self) -> dict[str, SlotState]:
        return _states(self.path, self.episodes)


def _states(path: SignalPath, episodes: EpisodeState) -> dict[str, SlotState]:
    return {**path.states(), "episodes": episodes}


def _samples(batch: list[tuple[Stream, int, Stretch]]) -> Samples:
    return Samples.of_streams(
        [stretch.ecg_mv for _, _, stretch in batch],
        [stretch.flags for _, _, stretch in batch],
        [stream.rate_hz for stream, _, _ in batch],
        [slot for _, slot, _ in batch],
    )


def _count(windows: Windows, counts: Counter[str]) -> None:
    counts["beats"] += len(windows.beats)
    counts["windows_beat"] += len(windows.beats)
    counts["windows_fixed"] += len(windows.fixed)
    for quality in (windows.beat_quality, windows.fixed_quality):
        best = quality.min(axis=1) if len(quality) else np.zeros(0, np.int8)
        for code, count in zip(*np.unique(best, return_counts=True), strict=True):
            counts[f"quality_{Quality(int(code)).name.lower()}"] += int(count)
