"""The invariants of the design, held by the whole path with a small model on made-up ECG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from monitor.detect.detector import Detector
from monitor.detect.findings import p_value
from monitor.detect.interface import Detection, Tuning
from monitor.detect.lead_groups import FIRST_CAPACITY
from monitor.detect.order import MAX_FILL_S, REORDER_S
from monitor.detect.snapshots import pack, unpack
from monitor.ecg.filters import delay_s
from monitor.ecg.windows import WindowSpec
from monitor.errors import ScoreError, StateError
from monitor.formats.chunks import Chunk
from monitor.formats.events import Event, Kind, Phase
from monitor.model.model import Model
from monitor.recordings.synthetic import synthetic_ecg
from tests.support.made_up import Outcome, chunk_of, chunks_of, counts_of, events_of, outcome, run
from tests.support.models import small_model

RATE_HZ = 250.0
SPEC = WindowSpec()
FIXED_S = SPEC.fixed_span / RATE_HZ
Ecg = NDArray[np.float32]


def ecg_of(seconds: float, *, rate_hz: float = RATE_HZ, leads: int = 2, seed: int = 0) -> Ecg:
    """Normal beats with some ventricular ones, a pause, a dropout and a flat stretch if there is room."""
    wide = range(20 + seed, 200, 7)
    ecg = synthetic_ecg(seconds, rate_hz=rate_hz, leads=leads, ventricular=wide, seed=seed)
    ecg_mv = ecg.ecg_mv.copy()
    if seconds > 25:
        second = round(rate_hz)
        ecg_mv[12 * second : 16 * second] = 0.003 * ecg_mv[12 * second : 16 * second]
        ecg_mv[18 * second : round(18.7 * second)] = np.nan
        ecg_mv[22 * second : 25 * second, -1] = 0.4
    return ecg_mv


STREAMS: dict[str, tuple[Ecg, float]] = {
    "one": (ecg_of(30), 250.0),
    "two": (ecg_of(20, rate_hz=360.0, seed=1), 360.0),
    "three": (ecg_of(20, leads=1, seed=2), 250.0),
    "four": (ecg_of(15, rate_hz=128.0, leads=3, seed=3), 128.0),
}


def whole(name: str) -> Outcome:
    """What one big chunk gives, in a detector of its own."""
    ecg_mv, rate_hz = STREAMS[name]
    return outcome([Detector(small_model()).process([chunk_of(ecg_mv, stream=name, rate_hz=rate_hz)])])


@pytest.fixture(scope="module")
def expected() -> Outcome:
    """Each stream alone in one big chunk."""
    return {name: found for each in STREAMS for name, found in whole(each).items()}


def test_streams_have_something_to_find(expected: Outcome) -> None:
    """The invariants below would hold for a detector that is silent, too."""
    for events, windows in expected.values():
        assert events
        assert len(windows) > 20
    assert {
        event.kind for event in events_of([Detector(small_model()).process([chunk_of(STREAMS["one"][0])])])
    } > {
        Kind.BEAT_MORPHOLOGY,
        Kind.RHYTHM_PAUSE,
    }


@given(sizes=st.lists(st.integers(1, 3000), max_size=15))
@settings(max_examples=6, deadline=None, derandomize=True)
def test_chunks_do_not_matter(expected: Outcome, sizes: list[int]) -> None:
    """Invariant 1: chunks of any size give the same events, verdicts and scores, bit for bit."""
    ecg_mv, rate_hz = STREAMS["one"]
    detector = Detector(small_model())
    pieces = chunks_of(ecg_mv, sizes, stream="one", rate_hz=rate_hz)
    found = outcome(run(detector, ([chunk] for chunk in pieces)))
    assert found["one"] == expected["one"]


@given(
    sizes=st.lists(st.integers(1, 2000), min_size=1, max_size=30), random=st.randoms(use_true_random=False)
)
@settings(max_examples=5, deadline=None, derandomize=True)
def test_batches_do_not_matter(expected: Outcome, sizes: list[int], random: Callable[[], float]) -> None:
    """Invariant 1: in any mix with other streams' chunks, of other rates and leads, each gives the same."""
    queues = {
        name: list(chunks_of(ecg_mv, sizes[i::4], stream=name, rate_hz=rate_hz))
        for i, (name, (ecg_mv, rate_hz)) in enumerate(STREAMS.items())
    }
    batches: list[list[Chunk]] = []
    while any(queues.values()):
        batch: list[Chunk] = []
        for _ in range(random.randint(1, 9)):  # type: ignore[attr-defined]
            waiting = [name for name, queue in queues.items() if queue]
            if waiting:
                batch.append(queues[random.choice(waiting)].pop(0))  # type: ignore[attr-defined]
        batches.append(batch)
    assert outcome(run(Detector(small_model()), batches)) == expected


def test_one_sample_at_a_time() -> None:
    """Invariant 1 at its smallest: every chunk holds one sample."""
    ecg_mv = STREAMS["one"][0][:2500]
    found = outcome(run(Detector(small_model()), ([c] for c in chunks_of(ecg_mv, [1] * 2500))))
    assert found == outcome([Detector(small_model()).process([chunk_of(ecg_mv)])])


@given(cut=st.integers(1, 7499), twice=st.integers(1, 7499))
@settings(max_examples=8, deadline=None, derandomize=True)
def test_a_snapshot_continues_elsewhere(expected: Outcome, cut: int, twice: int) -> None:
    """Taken at any sample and restored in another detector, the stream goes on as if undisturbed."""
    ecg_mv, bounds = STREAMS["one"][0], sorted({0, cut, twice, len(STREAMS["one"][0])})
    parts: list[Detection] = []
    state: bytes | None = None
    for first, last in pairwise(bounds):
        detector = Detector(small_model())
        detector.process([chunk_of(ecg_of(4), stream="other")])  # another slot than before
        if state is not None:
            detector.restore("one", state)
        parts.append(detector.process([chunk_of(ecg_mv[first:last], first, stream="one")]))
        state = detector.snapshot("one")
        assert state == detector.snapshot("one")
    assert outcome(parts)["one"] == expected["one"]


def test_a_snapshot_holds_early_chunks() -> None:
    """What waits for its turn is not lost in a restart."""
    ecg_mv = ecg_of(10)
    first, second, third, fourth = chunks_of(ecg_mv, [1000, 300, 400])
    before, after = Detector(small_model()), Detector(small_model())
    parts = [before.process([first, third])]
    after.restore("a", before.snapshot("a"))
    parts.append(after.process([second, fourth]))
    assert outcome(parts) == outcome([Detector(small_model()).process([chunk_of(ecg_mv)])])


@given(cut=st.integers(500, 7000))
@settings(max_examples=8, deadline=None, derandomize=True)
def test_the_future_changes_nothing(cut: int) -> None:
    """Invariant 2: what was decided before a sample stays, whatever comes from it on."""
    ecg_mv = STREAMS["one"][0]
    other = ecg_mv.copy()
    other[cut:] = 2 * np.random.default_rng(cut).standard_normal(other[cut:].shape)
    first, second = Detector(small_model()), Detector(small_model())
    before = [detector.process([chunk_of(x[:cut])]) for detector, x in ((first, ecg_mv), (second, other))]
    assert outcome(before[:1]) == outcome(before[1:])
    after = first.process([chunk_of(ecg_mv[cut:], cut)])
    assert (
        outcome([before[0], after])["a"]
        == outcome([Detector(small_model()).process([chunk_of(ecg_mv)])])["a"]
    )


@pytest.mark.parametrize("rate_hz", [128.0, 250.0, 1000.0])
def test_a_beat_is_told_within_its_look_ahead(rate_hz: float) -> None:
    """Invariant 2: a beat's verdict comes with the window's right edge, late ones marked as such."""
    ecg = synthetic_ecg(30, rate_hz=rate_hz, ventricular=range(15, 30, 4))
    detector, step, at = Detector(small_model()), round(rate_hz / 50), 0
    slack_s = SPEC.right / RATE_HZ + delay_s(rate_hz) + 0.04
    beats = late = 0
    for chunk in chunks_of(ecg.ecg_mv, [step] * 1500, rate_hz=rate_hz):
        at += len(chunk)
        found = detector.process([chunk])
        for event in found.events:
            if event.kind.startswith("beat") and not event.late:
                assert at - event.r_peak_sample <= slack_s * rate_hz
        waited = at - found.windows.sample[np.array(found.windows.kind) != "fixed"]
        beats, late = beats + len(waited), late + int((waited > slack_s * rate_hz).sum())
    assert beats >= 30
    assert late <= 3  # a stream's first beats wait for the detector's thresholds


def covered(parts: Sequence[Detection], n: int, rate_hz: float) -> NDArray[np.bool_]:
    """Which of a stream's n samples lie in a scored window, or in one that was reported as not judged."""
    seen = np.zeros(n, np.bool_)
    half = FIXED_S / 2 * rate_hz
    for part in parts:
        for sample, kind in zip(part.windows.sample, part.windows.kind, strict=True):
            if kind == "fixed":
                seen[max(0, int(np.ceil(sample - half))) : int(sample + half)] = True
        for event in part.events:
            if event.kind is Kind.SIGNAL_LOST:
                seen[event.first_sample : event.last_sample + 1] = True
    return seen


@given(
    sizes=st.lists(st.integers(1, 1500), min_size=1, max_size=12),
    lost=st.sets(st.integers(0, 12), max_size=4),
    rate_hz=st.sampled_from([128.0, 250.0, 360.0]),
)
@settings(max_examples=12, deadline=None, derandomize=True)
def test_every_sample_is_scored_or_reported(sizes: list[int], lost: set[int], rate_hz: float) -> None:
    """Invariant 3: whatever arrives or is lost, no sample is passed over in silence."""
    ecg_mv = np.tile(synthetic_ecg(30, rate_hz=rate_hz, leads=1).ecg_mv, (3, 1))
    pieces = list(chunks_of(ecg_mv, sizes, rate_hz=rate_hz))
    kept = [chunk for i, chunk in enumerate(pieces) if i not in lost or i in (0, len(pieces) - 1)]
    detector = Detector(small_model())
    parts = [*run(detector, ([chunk] for chunk in kept)), detector.finish("a")]
    assert covered(parts, len(ecg_mv), rate_hz).all()


@pytest.mark.parametrize("seconds", [0.02, 0.5, 1.0, 2.0, 2.5, 4.0, 4.2])
def test_a_short_recording_is_covered(seconds: float) -> None:
    """Less than one fixed window is judged or reported as well."""
    ecg_mv = synthetic_ecg(seconds, rate_hz=RATE_HZ, leads=1).ecg_mv
    detector = Detector(small_model())
    parts = [detector.process([chunk_of(ecg_mv)]), detector.finish("a")]
    assert covered(parts, len(ecg_mv), RATE_HZ).all()


@pytest.mark.parametrize("waiting", [False, True])
def test_a_new_session_leaves_nothing_untold(waiting: bool) -> None:
    """The old session's tail is reported, with what was early and waits for a chunk that never comes."""
    ecg_mv = ecg_of(12)
    detector = Detector(small_model())
    parts = [detector.process([chunk_of(ecg_mv[:2500])])]
    n = 2500
    if waiting:
        parts.append(detector.process([chunk_of(ecg_mv[2600:2800], 2600)]))
        n = 2800
    parts.append(detector.process([chunk_of(ecg_mv, session="t")]))
    old = [event for event in parts[-1].events if event.session == "s"]
    assert old[-1].kind is Kind.SIGNAL_LOST
    for part in parts:
        part.windows.kind = [
            kind if session == "s" else ""
            for kind, session in zip(part.windows.kind, part.windows.session, strict=True)
        ]
        part.events = [event for event in part.events if event.session == "s"]
    assert covered(parts, n, RATE_HZ).all()


def test_a_recording_without_end_may_be_finished_early() -> None:
    """Early chunks that still wait are judged when the recording is over."""
    ecg_mv = ecg_of(12)
    detector = Detector(small_model())
    parts = [detector.process([chunk_of(ecg_mv[:2500]), chunk_of(ecg_mv[2600:], 2600)]), detector.finish("a")]
    assert covered(parts, len(ecg_mv), RATE_HZ).all()


def kinds(events: Sequence[Event]) -> list[tuple[Kind, Phase | None]]:
    """What was told, in short."""
    return [(event.kind, event.phase) for event in events]


def two_minutes() -> Ecg:
    """Normal beats in one lead."""
    return synthetic_ecg(120, rate_hz=RATE_HZ, leads=1).ecg_mv


def test_asystole_is_told_while_it_lasts() -> None:
    """A line with an amplifier's noise after beats: a pause within a few seconds, ended by the next beat."""
    ecg_mv = two_minutes()[:15000].copy()
    ecg_mv[7500:11000] = 0.003 * np.random.default_rng(0).standard_normal((3500, 1))
    found = events_of(run(Detector(small_model()), ([chunk] for chunk in chunks_of(ecg_mv, [250] * 60))))
    pauses = [event for event in found if event.kind is Kind.RHYTHM_PAUSE]
    assert [event.phase for event in pauses] == [Phase.ONSET, Phase.END]
    assert pauses[0].last_sample < 7500 + 5 * RATE_HZ
    assert abs(pauses[1].last_sample - 11000) < 250


def test_a_flat_line_is_lost_signal() -> None:
    """The very same number for seconds is told as a lead that is off, once."""
    ecg_mv = two_minutes()[:15000].copy()
    ecg_mv[7500:11000] = 0.1
    found = events_of([Detector(small_model()).process([chunk_of(ecg_mv)])])
    told = [event for event in found if not event.kind.startswith("beat")]
    lost = [event for event in told if event.kind is Kind.SIGNAL_LOST]
    assert [event.why for event in lost] == ["flat"]
    assert lost[0].last_sample < 7500 + 8 * RATE_HZ
    assert Kind.SIGNAL_RESTORED in {event.kind for event in told}


def test_asystole_after_a_shaken_electrode_is_told() -> None:
    """A second of swings at the collapse doesn't hide the silence after it."""
    ecg_mv = two_minutes()[:15000].copy()
    random = np.random.default_rng(0)
    ecg_mv[7500:] = 0.003 * random.standard_normal((7500, 1))
    ecg_mv[7500:7750] = 9 * np.sign(random.standard_normal((250, 1)))
    found = events_of([Detector(small_model()).process([chunk_of(ecg_mv)])])
    assert Kind.RHYTHM_PAUSE in {event.kind for event in found}


def test_one_lead_of_two_suffices() -> None:
    """A second lead that is off from the start takes nothing away."""
    ecg = synthetic_ecg(60, rate_hz=RATE_HZ, ventricular=range(30, 60, 5))
    ecg.ecg_mv[:, 1] = np.nan
    found = Detector(small_model()).process([chunk_of(ecg.ecg_mv)])
    flagged = {event.r_peak_sample for event in found.events if event.kind.startswith("beat")}
    wide = ecg.r_peak[ecg.ventricular]
    assert np.mean([any(abs(r - peak) < 40 for r in flagged) for peak in wide]) >= 0.9
    assert {event.leads for event in found.events if event.leads} == {("lead 1",)}
    assert Kind.SIGNAL_LOST not in {event.kind for event in found.events}


def flagged_beats(part: Detection) -> NDArray[np.int64]:
    """R peaks of the beats found anomalous."""
    is_beat = np.array([kind != "fixed" for kind in part.windows.kind], np.bool_)
    return part.windows.sample[part.windows.anomalous & is_beat]


def test_an_arrhythmia_never_becomes_usual() -> None:
    """Invariant 8: after ten minutes of normal beats, 300 wide beats on end stay flagged."""
    count = 720  # ten minutes at 72 a minute
    ecg = synthetic_ecg(860, rate_hz=RATE_HZ, leads=1, ventricular=range(count, count + 300))
    found = run(Detector(small_model()), ([chunk] for chunk in chunks_of(ecg.ecg_mv, [5000] * 50)))
    wide = ecg.r_peak[ecg.ventricular]
    flagged = np.concatenate([flagged_beats(part) for part in found])
    share = np.mean([np.abs(flagged - peak).min() < 40 for peak in wide])
    assert share >= 0.85
    runs = [event for event in events_of(found) if event.kind is Kind.RUN]
    assert [event.phase for event in runs].count(Phase.ONSET) <= 3


def test_duplicates_change_nothing() -> None:
    """At-least-once delivery repeats chunks; nothing is told twice."""
    ecg_mv = ecg_of(20)
    pieces = list(chunks_of(ecg_mv, [700] * 6))
    again = [chunk for chunk in pieces for _ in range(2)]
    assert outcome(run(Detector(small_model()), [again])) == outcome(run(Detector(small_model()), [pieces]))
    assert counts_of(run(Detector(small_model()), [again]))["duplicates"] == len(pieces)


def test_small_disorder_changes_nothing() -> None:
    """Chunks in the wrong order within the bound give what the right order gives."""
    ecg_mv = ecg_of(20)[: 125 * 39]
    pieces = list(chunks_of(ecg_mv, [125] * 39))
    mixed = [
        pieces[0],
        *(piece for a, b in zip(pieces[1::2], pieces[2::2], strict=False) for piece in (b, a)),
    ]
    found = run(Detector(small_model()), ([chunk] for chunk in mixed))
    assert outcome(found) == outcome([Detector(small_model()).process([chunk_of(ecg_mv)])])
    assert counts_of(found)["reordered"] > 5


def test_too_late_a_chunk_is_rejected_with_its_place() -> None:
    """The refusal names the chunk in its batch; the stream goes on."""
    ecg_mv, hold = ecg_of(20), round(REORDER_S * RATE_HZ)
    detector = Detector(small_model())
    detector.process([chunk_of(ecg_mv[:1000]), chunk_of(ecg_mv[1250 : 1250 + hold], 1250)])
    other = chunk_of(ecg_mv[:100], stream="b")
    found = detector.process([other, chunk_of(ecg_mv[1000:1250], 1000), chunk_of(ecg_mv[1750:], 1750)])
    assert [(each.index, each.reason) for each in found.rejected] == [(1, "out_of_order")]
    assert len(found.windows) > 5
    assert detector.streams() == ["a", "b"]


@pytest.mark.parametrize("gap_s", [1.0, MAX_FILL_S + 3])
def test_the_usual_beat_outlasts_a_gap(gap_s: float) -> None:
    """A gap is reported, and after it the stream need not learn its usual beat again."""
    ecg_mv, gap = two_minutes(), round(gap_s * RATE_HZ)
    detector = Detector(small_model())
    detector.process([chunk_of(ecg_mv[:10000])])
    assert detector.learning() == 0
    after = detector.process([chunk_of(ecg_mv[10000 + gap :], 10000 + gap)])
    assert detector.learning() == 0
    assert after.counts["gaps"] == 1
    told = {event.kind for event in after.events}
    if gap_s > MAX_FILL_S:
        assert {Kind.SIGNAL_LOST, Kind.SIGNAL_RESTORED} <= told
        lost = next(event for event in after.events if event.kind is Kind.SIGNAL_LOST)
        assert lost.last_sample == 10000 + gap - 1
        assert lost.first_sample <= 10000
    assert Kind.RHYTHM_PAUSE not in told


@pytest.mark.parametrize(
    "change", [{"session": "t"}, {"rate_hz": 128.0}, {"leads": ("lead 1", "V5")}, {"leads": ("lead 1",)}]
)
def test_another_session_rate_or_lead_starts_anew(change: dict[str, object]) -> None:
    """The stream is learned again, and says what it says in a detector of its own."""
    old, rate_hz = ecg_of(20), float(str(change.get("rate_hz", RATE_HZ)))
    leads = len(change.get("leads", ("", "")))  # type: ignore[arg-type]
    ecg_mv, begin_us = ecg_of(23, rate_hz=rate_hz, leads=leads, seed=5), 20_000_000
    new = chunk_of(ecg_mv, 5000, start_us=begin_us, **{"rate_hz": rate_hz, **change})  # type: ignore[arg-type]
    detector = Detector(small_model())
    detector.process([chunk_of(old)])
    found = outcome([detector.process([new])])["a"]
    alone = outcome([Detector(small_model()).process([new])])["a"]
    assert found[1] == alone[1]
    assert found[0][len(found[0]) - len(alone[0]) :] == alone[0]
    assert detector.streams() == ["a"]


def test_two_sessions_in_one_batch() -> None:
    """What a batch holds of the old session is told before the new one begins."""
    first, second = chunk_of(ecg_of(20)), chunk_of(ecg_of(20, seed=4), session="t")
    together = outcome([Detector(small_model()).process([first, second])])
    detector = Detector(small_model())
    assert together == outcome(run(detector, [[first], [second]]))


def test_a_clock_jump_moves_times_alone() -> None:
    """Invariant 4: ids and samples follow the sample numbers, whatever the device's clock does."""
    ecg_mv = ecg_of(30)
    steady = [chunk_of(ecg_mv[:4000]), chunk_of(ecg_mv[4000:], 4000)]
    jumped = [steady[0], chunk_of(ecg_mv[4000:], 4000, start_us=90_000_000)]
    first, second = (events_of([Detector(small_model()).process(each)]) for each in (steady, jumped))
    assert [event.id for event in first] == [event.id for event in second]
    moved = [b.time_us - a.time_us for a, b in zip(first, second, strict=True) if a.r_peak_sample >= 4000]
    assert set(moved) == {74_000_000}


def test_a_score_that_is_no_number_raises() -> None:
    """A broken network ends the batch with an error; nothing passes as normal."""
    model = small_model()
    weight = model.networks["fixed"].state_dict()["to_patch.weight"]
    saved = weight.clone()
    try:
        weight[0, 0] = torch.nan
        with pytest.raises(ScoreError, match="not a number"):
            Detector(model).process([chunk_of(ecg_of(10))])
    finally:
        weight.copy_(saved)


@pytest.mark.parametrize("value_mv", [1e3, 1e20])
def test_absurd_voltages_harm_only_their_moment(value_mv: float) -> None:
    """Finite but impossible samples are noise: nothing raises, and the stream recovers."""
    ecg_mv = two_minutes()[:22500].copy()
    ecg_mv[7500:7510] = value_mv
    ecg_mv[7510:7520] = -value_mv
    found = Detector(small_model()).process([chunk_of(ecg_mv)])
    fixed = np.array(found.windows.kind) == "fixed"
    assert found.windows.quality[int(np.flatnonzero(fixed)[-1])] == "good"
    late = found.windows.sample[~fixed] > 22500 - 15 * 250
    assert 12 <= late.sum() <= 19


def test_a_restored_stream_must_fit() -> None:
    """A snapshot of another model, stream or form is refused, and leaves the stream unknown."""
    detector = Detector(small_model())
    detector.process([chunk_of(ecg_of(5))])
    state = detector.snapshot("a")
    for stream, other in (("b", Detector(small_model())), ("a", Detector(small_model(contextual=False)))):
        with pytest.raises(StateError):
            other.restore(stream, state)
        assert other.streams() == []
    with pytest.raises(StateError):
        detector.restore("a", b"nonsense")
    assert detector.streams() == []


def test_a_snapshot_of_another_shape_leaves_no_trace() -> None:
    """Sound bytes whose arrays don't fit are refused, and their slot is given back."""
    detector = Detector(small_model())
    detector.process([chunk_of(ecg_of(5))])
    stream, arrays = unpack(detector.snapshot("a"), detector.model_version, "a")
    arrays["windows"]["n"] = np.zeros(3, np.int64)
    with pytest.raises(StateError, match="snapshot field n"):
        detector.restore("a", pack(stream, arrays, detector.model_version))
    assert detector.streams() == []
    assert detector.learning() == 0


def test_a_forgotten_stream_is_new() -> None:
    """Its slot goes to others without a trace; forgetting twice is harmless."""
    detector = Detector(small_model())
    detector.process([chunk_of(ecg_of(20))])
    detector.forget("a")
    detector.forget("a")
    assert detector.streams() == []
    found = detector.process([chunk_of(STREAMS["one"][0], stream="one")])
    assert outcome([found]) == whole("one")


def test_more_streams_than_slots() -> None:
    """Slots are added as streams come; each stream gives what it gives alone."""
    ecg_mv = ecg_of(8, leads=1)
    alone = outcome([Detector(small_model()).process([chunk_of(ecg_mv)])])["a"][1]
    names = [f"s{i}" for i in range(40)]
    detector = Detector(small_model())
    found = outcome(
        run(
            detector,
            [
                [chunk_of(ecg_mv[:900], stream=name) for name in names],
                [chunk_of(ecg_mv[900:], 900, stream=name) for name in names],
            ],
        )
    )
    assert all(found[name][1] == alone for name in names)
    assert len(detector.streams()) == detector.learning() == 40


def test_streams_that_go_leave_their_memory() -> None:
    """Those that stay move together, undisturbed; new ones find room again."""
    ecg_mv = ecg_of(8, leads=1)
    alone = outcome([Detector(small_model()).process([chunk_of(ecg_mv)])])["a"][1]
    names = [f"s{i}" for i in range(70)]
    detector = Detector(small_model())
    begun = [detector.process([chunk_of(ecg_mv[:900], stream=name)]) for name in names]
    full = detector._groups[1].episodes.capacity
    stay = ["s3", "s40", "s69"]
    for name in names:
        if name not in stay:
            detector.forget(name)
    assert (full, detector._groups[1].episodes.capacity) == (128, FIRST_CAPACITY)
    detector.process([chunk_of(ecg_mv, stream=f"t{i}") for i in range(20)])
    rest = detector.process([chunk_of(ecg_mv[900:], 900, stream=name) for name in stay])
    found = outcome([*begun, rest])
    assert all(found[name][1] == alone for name in stay)
    assert sorted(detector.streams()) == sorted([*stay, *(f"t{i}" for i in range(20))])


def test_findings_know_their_chunk() -> None:
    """Every event and window names a chunk of its stream in the batch, so that its partition is known."""
    batch = [chunk_of(ecg_of(30), stream="a"), chunk_of(ecg_of(30, seed=1), stream="b")]
    found = Detector(small_model()).process(batch)
    assert [batch[i].stream for i in found.event_chunk] == [event.stream for event in found.events]
    assert [batch[i].stream for i in found.window_chunk] == found.windows.stream


def test_counts_add_up() -> None:
    """Samples, beats and windows are counted, and every window has a quality."""
    ecg_mv = ecg_of(30)
    found = Detector(small_model()).process([chunk_of(ecg_mv)])
    counts = found.counts
    assert counts["samples"] == len(ecg_mv)
    assert counts["beats"] == counts["windows_beat"] == sum(kind != "fixed" for kind in found.windows.kind)
    assert counts["windows_beat"] + counts["windows_fixed"] == len(found.windows)
    assert sum(n for name, n in counts.items() if name.startswith("quality_")) == len(found.windows)
    assert set(found.stage_seconds) >= {"filter", "score", "decide"}


def test_a_rates_drift_is_shown() -> None:
    """The largest of all streams' last chunks."""
    detector, ecg_mv = Detector(small_model()), ecg_of(2)
    assert detector.rate_drift() == 0
    detector.process([chunk_of(ecg_mv), chunk_of(ecg_mv, stream="b")])
    detector.process([chunk_of(ecg_mv, 500, rate_hz=RATE_HZ * 0.9995)])
    assert detector.rate_drift() == pytest.approx(5e-4)


def test_open_episodes_are_counted() -> None:
    """A run that has not ended is open, and is closed with its session."""
    ecg = synthetic_ecg(60, rate_hz=RATE_HZ, leads=1, ventricular=range(40, 72))
    detector = Detector(small_model())
    found = detector.process([chunk_of(ecg.ecg_mv[: 52 * 250])])
    assert (Kind.RUN, Phase.ONSET) in kinds(found.events)
    assert detector.open_episodes() >= 1
    ended = detector.process([chunk_of(ecg.ecg_mv, session="t")])
    assert (Kind.RUN, Phase.END) in kinds([event for event in ended.events if event.session == "s"])


def test_a_tuning_marks_a_streams_events_and_no_others() -> None:
    """Scores stay as they are; the next session keeps the tuning, a forgotten stream does not."""
    ecg_mv = ecg_of(30)
    detector = Detector(small_model())
    detector.tune("a", Tuning(muted=True, paced=True, lead_names=("II", "V5")))
    said = events_of([detector.process([chunk_of(ecg_mv), chunk_of(ecg_mv, stream="b")])])
    mine, other = ([e for e in said if e.stream == name] for name in "ab")
    assert all(event.muted and event.paced for event in mine)
    assert not any(event.muted or event.paced for event in other)
    assert {name for event in mine for name in event.leads} == {"II", "V5"}
    assert [(e.kind, e.r_peak_sample, e.score) for e in mine] == [
        (e.kind, e.r_peak_sample, e.score) for e in other
    ]
    again = events_of([detector.process([chunk_of(ecg_mv, session="t")])])
    assert all(event.muted for event in again)
    detector.forget("a")
    assert not any(event.muted for event in events_of([detector.process([chunk_of(ecg_mv)])]))


def test_names_for_other_leads_are_not_used() -> None:
    """Three names say nothing of two leads."""
    detector = Detector(small_model())
    detector.tune("a", Tuning(lead_names=("I", "II", "III")))
    said = events_of([detector.process([chunk_of(ecg_of(30))])])
    assert {name for event in said for name in event.leads} == {"lead 1", "lead 2"}


def test_a_budget_holds_from_where_it_was_set() -> None:
    """Every threshold after it is that of the budget, none before; snapshots carry none of it."""
    ecg_mv, model = ecg_of(30), small_model()
    loose = Model(model.manifest, model.networks, 1000.0)
    detector, alone, plain = Detector(model), Detector(loose), Detector(model)
    half = len(ecg_mv) // 2
    for each in (detector, alone, plain):
        each.process([chunk_of(ecg_mv[:half])])
    detector.tune("a", Tuning(budget_per_hour=1000.0))
    parts = [each.process([chunk_of(ecg_mv[half:], half)]) for each in (detector, alone, plain)]
    told, wanted, before = ({e.threshold for e in part.events if e.phase is None} for part in parts)
    assert told - {None} <= wanted | {p_value(1.5)}
    assert told - before - {None}
    restored = Detector(model)
    restored.restore("a", detector.snapshot("a"))
    restored.tune("a", Tuning(budget_per_hour=1000.0))
    more = chunk_of(ecg_mv, len(ecg_mv))
    assert outcome([restored.process([more])]) == outcome([detector.process([more])])


def test_nothing_in_nothing_out() -> None:
    """An empty batch is no error."""
    found = Detector(small_model()).process([])
    assert not found.events
    assert len(found.windows) == 0


def test_clock_jumps_do_not_depend_on_batches() -> None:
    """A device that sets its clock with every chunk has the same event times in one batch as in many."""
    ecg_mv = ecg_of(30)
    jumps = [chunk_of(ecg_mv[i : i + 50], i, start_us=i * 40_000) for i in range(0, len(ecg_mv), 50)]
    together = run(Detector(small_model()), [jumps])
    assert outcome(together) == outcome(run(Detector(small_model()), ([chunk] for chunk in jumps)))


def test_a_self_test_touches_no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """It judges apart from all, and raises what is wrong with the model."""
    detector = Detector(small_model())
    detector.process([chunk_of(STREAMS["one"][0])])
    before = detector.snapshot("a")
    detector.self_test()
    assert detector.streams() == ["a"]
    assert detector.snapshot("a") == before
    monkeypatch.setattr("monitor.detect.detector.Findings", None)
    with pytest.raises(TypeError):
        detector.self_test()


def test_a_stream_in_two_partitions_is_two() -> None:
    """Each partition's findings are what it gives alone, in any mix, over a snapshot and its tuning."""
    ecg_mv = ecg_of(24)
    pieces = list(chunks_of(ecg_mv, [500] * 12))
    halves = {0: pieces[:9], 1: [pieces[i] for i in (2, 3, 4, 8, 9, 10, 11)]}
    alone = {n: outcome(run(Detector(small_model()), [mine[:4], mine[4:]])) for n, mine in halves.items()}
    detector, parts = Detector(small_model()), []
    for first, last in ((0, 4), (4, 9)):
        batch = [(chunk, n) for n, mine in halves.items() for chunk in mine[first:last]]
        parts.append(detector.process([chunk for chunk, _ in batch], [n for _, n in batch]))
        assert [detector.holds("a", n) for n in (0, 1, 2)] == [True, True, False]
        other = Detector(small_model())
        for n in (0, 1):
            other.restore("a", detector.snapshot("a", n), n)
        detector = other
        if first == 0:
            wheres = [np.array([n for _, n in batch])[parts[0].window_chunk]]
        else:
            wheres.append(np.array([n for _, n in batch])[parts[1].window_chunk])
    assert detector.streams() == ["a"]
    for n in (0, 1):
        mine = [
            int(sample)
            for part, where in zip(parts, wheres, strict=True)
            for sample in part.windows.sample[where == n]
        ]
        assert mine == [row[0] for row in alone[n]["a"][1]]
