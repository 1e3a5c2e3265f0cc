"""The path from samples to windows, and the rounds in which beats are judged."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.adapt.beats import BeatBatch
from monitor.adapt.path import Judge, SignalPath, Windows
from monitor.adapt.usual_beat import LEARN
from monitor.ecg.qrs import Detections
from monitor.ecg.quality import Quality
from monitor.ecg.samples import MISSING, Samples
from monitor.ecg.windows import WindowSpec
from monitor.recordings.synthetic import SyntheticEcg, synthetic_ecg
from tests.support.models import _collector as collector
from tests.support.models import samples_of

ZERO = np.zeros(1, np.int64)


def watching(see: Callable[[NDArray[np.int64], BeatBatch], None]) -> Judge:
    """A judge that finds every beat usual, and shows it first."""
    _, usual = collector()

    def judge(rows: NDArray[np.int64], beats: BeatBatch) -> Any:
        see(rows, beats)
        return usual(rows, beats)

    return judge


def cut(ecg: SyntheticEcg, first: int, last: int) -> Samples:
    """Some samples of a made-up recording, in slot 0."""
    piece = SyntheticEcg(ecg.rate_hz, ecg.ecg_mv[first:last], ecg.r_peak, ecg.ventricular)
    return samples_of(piece)


def table(windows: Windows) -> list[tuple[object, ...]]:
    """Everything about every window."""
    rows: list[tuple[object, ...]] = []
    for i in range(len(windows.beats)):
        at = windows.beats.sample[i], windows.beats.decided_at[i], windows.beats.late[i]
        rows.append(("beat", *map(int, at), windows.beat_mv[i].tobytes(), windows.beat_quality[i].tobytes()))
    for i, sample in enumerate(windows.fixed.sample.tolist()):
        rows.append(("fixed", sample, windows.fixed_mv[i].tobytes(), windows.fixed_quality[i].tobytes()))
    return rows


def test_every_beat_has_its_window() -> None:
    """Beats of a clean recording come out with their R peaks within a few samples."""
    ecg = synthetic_ecg(20, rate_hz=250.0)
    windows = SignalPath(WindowSpec(), 1, 2).advance(samples_of(ecg))
    inner = ecg.r_peak[ecg.r_peak < 20 * 250 - 150]
    assert np.abs(windows.beats.sample[: len(inner)] - inner).max() <= 2
    assert (windows.beat_quality == Quality.GOOD).all()
    # The R peak stands where the spec says.
    spec = WindowSpec()
    assert np.abs(windows.beat_mv[2:, :, 0].argmax(axis=1) - spec.left - spec.margin).max() <= 2


@given(cuts=st.lists(st.integers(0, 3600), max_size=6))
@settings(max_examples=8, deadline=None, derandomize=True)
def test_chunks_do_not_matter(cuts: list[int]) -> None:
    """Chunks of any size give the same windows bit for bit."""
    ecg = synthetic_ecg(10, seed=4)
    whole = table(SignalPath(WindowSpec(), 1, 2).advance(samples_of(ecg)))
    path, parts, bounds = SignalPath(WindowSpec(), 1, 2), [], [0, *sorted(cuts), 3600]
    for first, last in pairwise(bounds):
        parts += table(path.advance(cut(ecg, first, last)))
    assert sorted(map(str, parts)) == sorted(map(str, whole))


def test_known_beats_replace_the_detector() -> None:
    """Training gives annotated R peaks, and windows lie around those."""
    peaks = np.array([700, 900])
    found = Detections(np.zeros(2, np.int64), peaks, peaks + 50, np.zeros(2, np.bool_))
    windows = SignalPath(WindowSpec(), 1, 2).advance(samples_of(synthetic_ecg(8, rate_hz=250.0)), found)
    assert windows.beats.sample.tolist() == peaks.tolist()


def test_a_lead_that_a_stream_lacks_is_missing() -> None:
    """A stream with one lead in a path for two has a second one of quality MISSING."""
    ecg = synthetic_ecg(10, rate_hz=250.0)
    new = samples_of(ecg)
    new.n_leads[0] = 1
    windows = SignalPath(WindowSpec(), 1, 2).advance(new)
    assert (windows.beat_quality[:, 1] == Quality.MISSING).all()
    assert (windows.fixed_quality[:, 1] == Quality.MISSING).all()
    assert (windows.fixed_quality[:, 0] == Quality.GOOD).all()


def two_streams() -> tuple[SignalPath, Windows, NDArray[np.int64]]:
    """A path with 15 s of two streams, its windows and slots."""
    first, second = synthetic_ecg(15, rate_hz=250.0), synthetic_ecg(15, rate_hz=250.0, beats_per_minute=100)
    path, slots = SignalPath(WindowSpec(), 4, 2), np.array([3, 1])
    both = [first.ecg_mv, second.ecg_mv]
    flags = [np.zeros(ecg_mv.shape, np.uint8) for ecg_mv in both]
    new = Samples.of_streams(both, flags, [250.0, 250.0], [3, 1])
    return path, path.advance(new), slots


def test_each_round_takes_one_beat_a_stream_in_order() -> None:
    """Every beat is judged once; within a round no stream comes twice, and rounds go forward in time."""
    path, windows, slots = two_streams()
    rounds: list[NDArray[np.int64]] = []

    path.judge_beats(windows, slots, watching(lambda rows, _: rounds.append(rows)))
    assert sorted(np.concatenate(rounds).tolist()) == list(range(len(windows.beats)))
    seen = {0: -1, 1: -1}
    for rows in rounds:
        streams = windows.beats.stream[rows].tolist()
        assert len(set(streams)) == len(streams)
        for stream, sample in zip(streams, windows.beats.sample[rows].tolist(), strict=True):
            assert sample > seen[stream]
            seen[stream] = sample


def test_what_a_beat_teaches_is_known_to_the_next() -> None:
    """A stream becomes ready within a batch, for the very beat after the last one of learning."""
    path, windows, slots = two_streams()
    ready: list[bool] = []

    def see(rows: NDArray[np.int64], beats: BeatBatch) -> None:
        ready.extend(beats.ready[windows.beats.stream[rows] == 0].tolist())

    path.judge_beats(windows, slots, watching(see))
    assert ready == [False] * LEARN + [True] * (len(ready) - LEARN)
    assert ready[-1]


def test_missing_samples_make_no_beats() -> None:
    """A stretch without signal has fixed windows of quality MISSING and no beat in its middle."""
    ecg = synthetic_ecg(20, rate_hz=250.0)
    new = samples_of(ecg)
    new.flags[1500:3500] = MISSING
    windows = SignalPath(WindowSpec(), 1, 2).advance(new)
    assert not ((windows.beats.sample > 1550) & (windows.beats.sample < 3450)).any()
    inside = (windows.fixed.sample > 1300) & (windows.fixed.sample < 2700)
    assert (windows.fixed_quality[inside] == Quality.MISSING).all()


@pytest.mark.parametrize("new_samples", [0, 3])
def test_little_or_nothing_new_gives_nothing(new_samples: int) -> None:
    """Streams may have no new sample at all."""
    windows = SignalPath(WindowSpec(), 1, 2).advance(cut(synthetic_ecg(2), 0, new_samples))
    assert len(windows.beats) == len(windows.fixed) == 0
    SignalPath(WindowSpec(), 1, 2).judge_beats(windows, ZERO, watching(lambda rows, beats: None))
