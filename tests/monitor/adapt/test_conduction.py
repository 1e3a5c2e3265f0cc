"""Second usual beats: which strange shapes are conducted, and what they are used for."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.adapt.conduction import ON_END, choose, follow, learn_conducted, steady, usual_beats
from monitor.adapt.strange_shapes import ShapeState, recurrence, remember
from monitor.adapt.usual_beat import UsualState
from monitor.ecg.filters import INTERNAL_RATE_HZ
from tests.support.wave_beats import LEADS, SPEC, batch, peak

ZERO = np.zeros(1, np.int64)
P_WAVE = peak(3, 0.3, at=27)
USUAL = peak(2) + P_WAVE
BLOCKED = peak(8) + P_WAVE  # the same P wave, a wide QRS complex
VENTRICULAR = peak(8)  # none


class Stream:
    """One stream whose strange beats are followed one by one."""

    def __init__(self) -> None:
        self.shapes = ShapeState.create(1, LEADS, SPEC)
        self.usual = UsualState.create(1, LEADS, SPEC)
        self.usual.usual[0], self.usual.learned[0], self.usual.ready[0] = USUAL, 48, True

    def beats(
        self,
        beat: NDArray[np.float32],
        times: int = 1,
        *,
        log_ratio: float = 0.0,
        strange: bool = True,
        young: bool = False,
    ) -> Stream:
        """So many beats of one shape on end."""
        for _ in range(times):
            one = batch(beat, usual=USUAL, log_ratio=log_ratio)
            one.young[:] = young
            again = recurrence(self.shapes, ZERO, one)
            shape = remember(self.shapes, ZERO, one, np.array([strange]), again.shape)
            follow(self.shapes, ZERO, one, shape)
        return self

    @property
    def conducted(self) -> bool:
        """Whether any shape was found to be conducted."""
        return bool(self.shapes.conducted.any())

    def chosen(self, beat: NDArray[np.float32], *, after_s: float = 0.8) -> int:
        """The shape by which a beat is judged that comes after so long; -1: the usual one."""
        self.usual.rr[0], self.usual.rr_count[0], self.usual.last_r[0] = 0.8, 99, 0
        r_peak = np.array([round(after_s * INTERNAL_RATE_HZ)])
        span = np.repeat(beat.T, SPEC.step, axis=0)[: SPEC.span]
        wide = np.zeros((SPEC.span, LEADS), np.float32)
        wide[SPEC.margin : SPEC.margin + len(span)] = span[: SPEC.span - SPEC.margin]
        good = np.ones((1, LEADS), np.bool_)
        return int(choose(self.shapes, self.usual, SPEC, ZERO, r_peak, wide[None], good)[0])


def test_a_wide_beat_in_time_after_its_p_wave_is_conducted() -> None:
    """Bundle branch block: the first beats are strange, then it is the stream's second usual beat."""
    stream = Stream().beats(BLOCKED, ON_END - 1)
    assert not stream.conducted
    assert stream.beats(BLOCKED).conducted


def test_a_young_stream_has_one_usual_beat() -> None:
    """What differs from the first few beats may be the usual beat itself."""
    assert not Stream().beats(BLOCKED, 50, young=True).conducted


def test_a_ventricular_rhythm_is_never_conducted() -> None:
    """Without the P wave before it, however long it lasts and however even it is."""
    assert not Stream().beats(VENTRICULAR, 300).conducted


@pytest.mark.parametrize("log_ratio", [-0.3, 0.3, np.nan])
def test_beats_out_of_time_are_not_conducted(log_ratio: float) -> None:
    """Early, late, or nobody knows: it may be a fusion beat."""
    assert not Stream().beats(BLOCKED, 50, log_ratio=log_ratio).conducted


def test_beats_now_and_then_are_not_conducted() -> None:
    """Fusion beats have a P wave before them, but don't come so many on end."""
    stream = Stream()
    for _ in range(30):
        stream.beats(BLOCKED, ON_END - 1).beats(USUAL, strange=False)
    assert not stream.conducted


def test_a_small_change_needs_no_second_usual_beat() -> None:
    """It would shade into fusion beats, which follow a P wave too."""
    stream = Stream().beats(peak(2.6) + P_WAVE, 40)
    assert stream.shapes.in_row.max() >= ON_END
    assert not stream.conducted


def test_a_stream_without_a_p_wave_has_no_second_usual_beat() -> None:
    """In atrial fibrillation nothing tells a conducted beat from another."""
    stream = Stream()
    stream.beats(VENTRICULAR)
    flat = batch(VENTRICULAR, usual=peak(2))
    for _ in range(20):
        again = recurrence(stream.shapes, ZERO, flat)
        follow(stream.shapes, ZERO, flat, again.shape)
    assert not stream.conducted


def test_a_beat_is_judged_by_the_nearer_of_the_two() -> None:
    """Blocked beats by the second usual beat, the others by the first."""
    stream = Stream()
    assert stream.chosen(BLOCKED) == -1
    stream.beats(BLOCKED, ON_END)
    which = stream.chosen(BLOCKED)
    assert which >= 0
    assert stream.chosen(USUAL) == -1
    assert stream.chosen(BLOCKED, after_s=0.5) == -1  # an early beat is judged by the first alone
    by = usual_beats(stream.shapes, stream.usual, ZERO, np.array([which]))
    np.testing.assert_allclose(by[0], BLOCKED, atol=1e-6)
    np.testing.assert_array_equal(usual_beats(stream.shapes, stream.usual, ZERO, ZERO - 1)[0], USUAL)


@pytest.mark.parametrize("usual", [True, False])
def test_the_second_usual_beat_follows_beats_found_usual(usual: bool) -> None:
    """As the first does; a flagged beat teaches nothing."""
    stream = Stream().beats(BLOCKED, ON_END)
    which = np.array([stream.chosen(BLOCKED)])
    one = batch(np.float32(1.2) * BLOCKED, usual=BLOCKED)
    one.second[:] = which
    before = usual_beats(stream.shapes, stream.usual, ZERO, which)
    learn_conducted(stream.shapes, ZERO, one, np.array([usual]))
    after = usual_beats(stream.shapes, stream.usual, ZERO, which)
    assert bool((after != before).any()) == usual
    assert (np.abs(after) <= np.abs(one.beat) + 1e-6).all()


def test_with_two_usual_beats_only_beats_of_a_kind_teach() -> None:
    """A beat between others teaches nothing; with one usual beat all may."""
    stream = Stream()
    both = [batch(USUAL), batch(BLOCKED)]

    def may_teach(which: list[int]) -> list[bool]:
        found = []
        for kind in which:
            both[kind].second[:] = kind - 1
            found.append(bool(steady(stream.shapes, ZERO, both[kind])[0]))
        return found

    assert all(may_teach([0, 1, 0, 1, 1]))
    stream.shapes.conducted[0, 0] = True
    assert may_teach([0, 0, 1, 1, 0, 1, 1, 1, 0, 0]) == [
        False,
        True,
        False,
        True,
        False,
        False,
        True,
        True,
        False,
        True,
    ]
