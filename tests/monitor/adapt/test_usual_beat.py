"""What is learned of a stream: from which beats, how fast, and how a beat is fitted to it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.adapt.beats import BeatBatch
from monitor.adapt.usual_beat import HISTORY, KNOWN, LEARN, MATURE, UsualState, describe, learn
from monitor.ecg.filters import INTERNAL_RATE_HZ
from monitor.ecg.windows import WindowSpec

SPEC = WindowSpec()
ONE = np.zeros(1, np.int64)


def shape(width_s: float = 0.012, size_mv: float = 1.0, shift: int = 0) -> NDArray[np.float32]:
    """A peak of this width at the R peak (or `shift` internal samples later), (1, span, 2) mV."""
    at = SPEC.left + SPEC.margin + shift
    time_s = (np.arange(SPEC.span) - at) / INTERNAL_RATE_HZ
    peak = size_mv * np.exp(-0.5 * (time_s / width_s) ** 2)
    return np.stack([peak, 0.5 * peak], axis=1).astype(np.float32)[None]


def teach(
    state: UsualState, slot: NDArray[np.int64], batch: BeatBatch, good: NDArray[np.bool_], usual: bool
) -> None:
    """Learn beats that were all found usual, or all unusual."""
    learn(state, slot, batch.beat, good, np.full(len(slot), usual))


class Heart:
    """One stream that is shown beats one by one."""

    def __init__(self) -> None:
        self.state = UsualState.create(1, 2, SPEC)
        self.r_peak = 0

    def beat(
        self,
        wide_mv: NDArray[np.float32],
        *,
        usual: bool = True,
        rr_s: float = 0.8,
        good: bool = True,
    ) -> BeatBatch:
        """Describe and learn one beat, so long after the one before."""
        self.r_peak += round(rr_s * INTERNAL_RATE_HZ)
        fine = np.full((1, 2), good)
        batch = describe(self.state, SPEC, ONE, np.array([self.r_peak]), wide_mv, fine)
        teach(self.state, ONE, batch, fine, usual)
        return batch

    def settle(self, beats: int = LEARN) -> Heart:
        """Show it ordinary beats."""
        for _ in range(beats):
            self.beat(shape())
        return self


def narrow() -> NDArray[np.float32]:
    """The ordinary beat as a window, (samples,) mV."""
    return shape()[0, SPEC.margin :: SPEC.step, 0][: SPEC.samples]


def test_the_first_beats_make_the_usual_one() -> None:
    """After LEARN beats a stream is ready, and its usual beat is theirs; before it is not."""
    heart = Heart().settle(LEARN - 1)
    assert not heart.state.ready[0]
    heart.settle(1)
    assert heart.state.ready[0]
    assert np.allclose(heart.state.usual[0, 0], narrow(), atol=1e-6)
    assert np.allclose(heart.state.usual[0, 1], 0.5 * narrow(), atol=1e-6)


def test_a_stream_is_young_until_its_usual_beat_is_trusted() -> None:
    """MATURE beats must be in the usual beat; beats that were not found usual don't count."""
    heart = Heart().settle(LEARN)
    assert heart.beat(shape()).young[0]
    for _ in range(MATURE):
        heart.beat(shape(width_s=0.05), usual=False)
    assert heart.beat(shape()).young[0]
    assert not heart.settle(MATURE).beat(shape()).young[0]


def test_a_few_ectopic_beats_at_the_start_do_not_enter() -> None:
    """Wide beats among the first ones leave no trace in the usual beat."""
    heart = Heart()
    for index in range(LEARN):
        heart.beat(shape(width_s=0.05, size_mv=1.6) if index % 3 == 2 else shape())
    assert np.allclose(heart.state.usual[0, 0], narrow(), atol=1e-6)


def test_bad_beats_teach_nothing() -> None:
    """Beats without a good lead neither fill the buffer nor change what is usual."""
    heart = Heart()
    for _ in range(3 * LEARN):
        heart.beat(shape(width_s=0.05), good=False)
    assert not heart.state.ready[0]
    heart.settle()
    before = heart.state.usual.copy()
    heart.beat(shape(width_s=0.05), good=False)
    assert np.array_equal(heart.state.usual, before)


def test_an_unusual_beat_never_becomes_usual() -> None:
    """300 beats that were not found usual leave the usual beat as it is, bit for bit."""
    heart = Heart().settle(100)
    before = heart.state.usual.copy()
    for _ in range(300):
        heart.beat(shape(width_s=0.05, size_mv=1.6), usual=False)
    assert np.array_equal(heart.state.usual, before)


def strays(heart: Heart) -> NDArray[np.float32]:
    """Log residuals that the network is told of the last beats, where it is told any."""
    past = heart.state.past[0, :, -HISTORY // 2 :]
    told: NDArray[np.float32] = past[past[:, :, KNOWN] > 0][:, KNOWN + 1 :]
    return told


def test_how_far_usual_beats_strayed_is_remembered() -> None:
    """A restless stream is expected to be restless."""
    heart = Heart().settle(LEARN + HISTORY)
    calm = strays(heart).max()
    for turn in range(HISTORY):
        heart.beat(shape(size_mv=1 + 0.1 * (-1) ** turn))
    assert strays(heart).max() > calm + 2


def test_every_beat_is_in_the_history() -> None:
    """How far a beat strayed is remembered whatever it was found to be: no label is needed to train on it."""
    told = []
    for usual in (True, False):
        heart = Heart().settle(LEARN + HISTORY)
        heart.beat(shape(width_s=0.05, size_mv=1.6), usual=usual)
        told.append(heart.state.past[0, :, -1])
    assert np.array_equal(told[0], told[1])
    assert told[0][:, KNOWN].all()


def test_usual_beats_are_followed() -> None:
    """A slow change of shape is taken over when its beats are found usual."""
    heart = Heart().settle(20)
    for _ in range(300):
        heart.beat(shape(size_mv=1.3))
    assert heart.state.usual[0, 0].max() == pytest.approx(1.3, abs=0.02)


@pytest.mark.parametrize("shift", [-SPEC.margin, -2, 0, 1, SPEC.margin])
def test_a_jittered_beat_is_shifted_to_fit(shift: int) -> None:
    """An R peak found a few samples off gives the same window."""
    heart = Heart().settle(20)
    assert np.allclose(heart.beat(shape(shift=shift)).beat[0, 0], narrow(), atol=1e-6)


def test_a_lead_that_comes_later_is_learned() -> None:
    """A lead without a good beat at first is unknown, and known once beats in it were found usual."""
    heart = Heart()
    first_only = np.array([[True, False]])
    for _ in range(LEARN):
        heart.r_peak += 200
        batch = describe(heart.state, SPEC, ONE, np.array([heart.r_peak]), shape(), first_only)
        teach(heart.state, ONE, batch, first_only, True)
    assert heart.beat(shape()).known.tolist() == [[True, False]]
    assert heart.beat(shape()).known.tolist() == [[True, True]]


def test_rhythm_is_told_against_the_recent_median() -> None:
    """RR interval and its log ratio; NaN while there is nothing to compare with."""
    heart = Heart()
    first = heart.beat(shape())
    assert np.isnan(first.rr_s[0])
    assert np.isnan(first.log_ratio[0])
    heart.settle(30)
    early = heart.beat(shape(), rr_s=0.4)
    assert early.rr_s[0] == pytest.approx(0.4)
    assert early.log_ratio[0] == pytest.approx(np.log(0.5), abs=1e-5)
    assert heart.beat(shape()).log_ratio[0] == pytest.approx(0, abs=1e-5)


def test_scale_is_the_usual_beats_size() -> None:
    """Each lead's unit is the RMS of its usual beat, never nothing."""
    batch = Heart().settle(20).beat(shape())
    assert batch.scale_mv[0, 0] == pytest.approx(float(np.sqrt((narrow() ** 2).mean())), rel=1e-5)
    assert np.exp(batch.log_scale[0, 1]) == pytest.approx(batch.scale_mv[0, 1], rel=1e-5)
    assert Heart().beat(shape()).scale_mv.min() > 0


def test_a_batch_gives_what_each_stream_gives_alone() -> None:
    """Streams in one call don't touch each other."""
    state, hearts = UsualState.create(3, 2, SPEC), [Heart(), Heart()]
    slots, fine = np.array([2, 0]), np.ones((2, 2), np.bool_)
    for turn in range(30):
        shapes = [shape(size_mv=1 + 0.01 * turn), shape(width_s=0.02, shift=turn % 3)]
        rr_s = (0.8, 1.0)
        alone = [heart.beat(each, rr_s=rr) for heart, each, rr in zip(hearts, shapes, rr_s, strict=True)]
        peaks = np.array([heart.r_peak for heart in hearts])
        both = describe(state, SPEC, slots, peaks, np.concatenate(shapes), fine)
        teach(state, slots, both, fine, True)
        for name in BeatBatch.__dataclass_fields__:
            joined = np.concatenate([getattr(each, name) for each in alone])
            assert np.array_equal(getattr(both, name), joined, equal_nan=joined.dtype != bool)


def test_rows_are_some_of_the_beats() -> None:
    """A subset keeps every column in step."""
    state = UsualState.create(4, 2, SPEC)
    wide = np.concatenate([shape(size_mv=size) for size in (1, 2, 3)])
    batch = describe(state, SPEC, np.arange(3), np.array([100, 200, 300]), wide, np.ones((3, 2), np.bool_))
    some = batch.rows(np.array([True, False, True]))
    assert len(some.ready) == 2
    assert np.array_equal(some.beat, batch.beat[[0, 2]])
