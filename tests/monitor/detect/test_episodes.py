"""From verdicts to what is told: single beats, runs, pauses, chaotic rhythm and lost signal."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from monitor.adapt.runs import CALM_BEATS, RUN_BEATS
from monitor.detect.episodes import (
    BAD_WINDOWS,
    CALM_WINDOWS,
    CHAOS_WINDOWS,
    DECISION,
    PAUSE,
    UPDATE,
    EpisodeState,
    Finding,
    beat_kind,
    close_all,
    on_beat,
    on_fixed,
)
from monitor.ecg.filters import INTERNAL_RATE_HZ
from monitor.ecg.quality import Quality
from monitor.formats.events import Kind, Phase

SPAN = 1024  # internal samples under a fixed window
HOP = 250


class Watch:
    """One stream's beats and fixed windows, and what was told."""

    def __init__(self) -> None:
        self.state = EpisodeState.create(2)
        self.at = 0
        self.windows = 0
        self.told: list[Finding] = []

    def beat(self, flagged: bool = False, rr: int = 200, times: int = 1) -> Watch:
        """So many beats, each so long after the one before."""
        for _ in range(times):
            self.at += rr
            window = (self.at - 100, self.at + 113)
            self.told += on_beat(self.state, 1, self.at, window, flagged, Kind.BEAT_MORPHOLOGY, "morphology")
        return self

    def window(
        self,
        anomalous: bool = False,
        quality: Quality = Quality.GOOD,
        low: bool = False,
        times: int = 1,
        at: int | None = None,
    ) -> Watch:
        """So many fixed windows, a hop apart; `at` places the first one."""
        for _ in range(times):
            start = self.windows * HOP if at is None else at
            self.windows = start // HOP + 1
            at = None
            span = (start, start + SPAN - 1)
            self.told += on_fixed(self.state, 1, span, quality, anomalous, low)
        return self

    @property
    def kinds(self) -> list[tuple[Kind, Phase | None]]:
        """What was told, in short."""
        return [(finding.kind, finding.phase) for finding in self.told]


def test_usual_beats_are_nothing_to_tell() -> None:
    """A regular rhythm gives no findings."""
    assert not Watch().beat(times=100).told


def test_a_single_beat_is_told_at_its_r_peak() -> None:
    """With its window, its kind and why."""
    watch = Watch().beat(times=3).beat(flagged=True).beat()
    assert watch.told == [Finding(Kind.BEAT_MORPHOLOGY, 800, 700, 913, "morphology")]


def test_a_bigeminy_is_no_run() -> None:
    """Every other beat flagged is told beat by beat."""
    watch = Watch()
    for _ in range(10):
        watch.beat(flagged=True).beat()
    assert watch.kinds == [(Kind.BEAT_MORPHOLOGY, None)] * 10


def test_a_run_has_an_onset_and_an_end() -> None:
    """Its first beats are told one by one, then one event opens it and one closes it."""
    watch = Watch().beat(times=2).beat(flagged=True, times=RUN_BEATS + 2)
    assert watch.kinds == [(Kind.BEAT_MORPHOLOGY, None)] * (RUN_BEATS - 1) + [(Kind.RUN, Phase.ONSET)]
    onset = watch.told[-1]
    assert onset.first == 600
    assert onset.at == onset.last == 600 + (RUN_BEATS - 1) * 200
    assert onset.beats == RUN_BEATS
    assert watch.state.open_episodes(np.array([1])) == 1
    watch.beat(times=CALM_BEATS)
    end = watch.told[-1]
    assert (end.kind, end.phase, end.first, end.beats) == (Kind.RUN, Phase.END, 600, RUN_BEATS + 2)
    assert watch.state.open_episodes(np.array([1])) == 0
    assert len(watch.kinds) == RUN_BEATS + 1


def test_one_usual_beat_does_not_end_a_run() -> None:
    """A capture beat within a tachycardia is not its end."""
    watch = Watch().beat(flagged=True, times=RUN_BEATS).beat(times=CALM_BEATS - 1).beat(flagged=True, times=3)
    assert watch.kinds.count((Kind.RUN, Phase.END)) == 0
    assert watch.kinds.count((Kind.RUN, Phase.ONSET)) == 1


def test_a_lasting_run_is_told_now_and_then() -> None:
    """A lasting change is one open run with an update every UPDATE samples, not an alarm a beat."""
    watch = Watch().beat(flagged=True, times=300)
    updates = [finding for finding in watch.told if finding.phase is Phase.UPDATE]
    every = -(-UPDATE // 200) * 200  # an update comes with a beat
    assert len(updates) == (300 - RUN_BEATS) * 200 // every
    assert {b.last - a.last for a, b in pairwise(updates)} == {every}
    assert {finding.first for finding in updates} == {200}
    assert updates[-1].beats == 1 + (updates[-1].last - 200) // 200


def test_beats_after_a_run_start_anew() -> None:
    """A second run counts from its own first beat."""
    watch = Watch().beat(flagged=True, times=RUN_BEATS).beat(times=CALM_BEATS)
    watch.told.clear()
    watch.beat(flagged=True, times=RUN_BEATS)
    assert watch.told[-1].beats == RUN_BEATS
    assert watch.told[-1].first == (RUN_BEATS + CALM_BEATS + 1) * 200


def test_a_short_pause_is_told_whole() -> None:
    """A pause that its beat ends before any window told it has one event, from beat to beat."""
    watch = Watch().beat(times=2).beat(rr=PAUSE)
    assert watch.told == [Finding(Kind.RHYTHM_PAUSE, 400, 400, 400 + PAUSE, "2.00 s without a beat")]
    assert not Watch().beat(times=2).beat(rr=PAUSE - 1).told


def test_a_long_pause_is_told_while_it_lasts() -> None:
    """The first good window that ends so long after the last beat tells it; the next beat ends it."""
    watch = Watch().beat(times=5)  # the last one at 1000
    end = 1000 + PAUSE + DECISION
    watch.window(at=end - SPAN)
    assert not watch.told
    watch.window(at=end - SPAN + 1).window(times=3)
    assert watch.kinds == [(Kind.RHYTHM_PAUSE, Phase.ONSET)]
    assert (watch.told[0].first, watch.told[0].last) == (1000, end)
    watch.beat(rr=2500)
    assert watch.kinds == [(Kind.RHYTHM_PAUSE, Phase.ONSET), (Kind.RHYTHM_PAUSE, Phase.END)]
    assert (watch.told[1].first, watch.told[1].last) == (1000, 3500)


def test_asystole_is_told_and_says_so() -> None:
    """Windows without any deflection are a pause, not a chaotic rhythm, though they may be anomalous."""
    watch = Watch().beat(times=5).window(anomalous=True, low=True, times=12)
    assert watch.kinds == [(Kind.RHYTHM_PAUSE, Phase.ONSET)]
    assert "asystole" in watch.told[0].why


def test_no_beat_from_the_start_is_a_pause() -> None:
    """A stream that begins in asystole says so."""
    watch = Watch().window(low=True, times=4)
    assert watch.kinds == [(Kind.RHYTHM_PAUSE, Phase.ONSET)]
    assert watch.told[0].first == 0


@pytest.mark.parametrize(
    ("quality", "kind"),
    [
        (Quality.FLAT, Kind.SIGNAL_LOST),
        (Quality.MISSING, Kind.SIGNAL_LOST),
        (Quality.NOISE, Kind.SIGNAL_POOR),
        (Quality.SATURATED, Kind.SIGNAL_POOR),
    ],
)
def test_signal_without_a_good_lead_is_told_once(quality: Quality, kind: Kind) -> None:
    """After BAD_WINDOWS windows, from the first one on, until a good one restores it; it is no pause."""
    watch = Watch().beat(times=3).window(quality=quality, times=BAD_WINDOWS - 1)
    assert not watch.told
    watch.window(quality=quality, times=20)
    assert watch.kinds == [(kind, Phase.ONSET)]
    assert (watch.told[0].first, watch.told[0].why) == (0, quality.name.lower())
    watch.window()
    assert watch.kinds[1:] == [(Kind.SIGNAL_RESTORED, None)]
    assert watch.told[1].first == 0


def test_one_bad_window_is_not_told() -> None:
    """A short artefact passes."""
    assert not Watch().beat(times=6).window(quality=Quality.NOISE, times=BAD_WINDOWS - 1).window().told


def test_poor_signal_may_be_lost() -> None:
    """What gets worse is told again; what gets better without being good is not."""
    watch = Watch().window(quality=Quality.NOISE, times=3).window(quality=Quality.FLAT, times=3)
    assert [kind for kind, _ in watch.kinds] == [Kind.SIGNAL_POOR, Kind.SIGNAL_LOST]
    assert len(watch.window(quality=Quality.NOISE, times=5).told) == 2


def test_lost_signal_is_no_pause() -> None:
    """The first beat after a lead was off does not end a pause of that length."""
    watch = Watch().beat(times=5).window(quality=Quality.FLAT, at=1000, times=20)
    watch.told.clear()
    watch.beat(rr=7000)
    assert not watch.told


@pytest.mark.parametrize("bad", [Quality.NOISE, Quality.SATURATED, Quality.FLAT, Quality.MISSING])
@pytest.mark.parametrize("beats", [0, 5])
def test_asystole_after_a_bad_signal_is_told(bad: Quality, beats: int) -> None:
    """A collapse shakes the electrodes: the silence that follows is told though no beat came since."""
    watch = Watch().beat(times=beats).window(quality=bad, times=1).window(low=True, times=30)
    assert (Kind.RHYTHM_PAUSE, Phase.ONSET) in watch.kinds


def test_a_chaotic_rhythm_is_told_by_windows() -> None:
    """Anomalous windows in a row, with no usual beats in them, begin it; others in a row end it."""
    watch = Watch().beat(flagged=True, rr=450).beat(flagged=True, rr=450)
    watch.told.clear()
    watch.window(anomalous=True, times=CHAOS_WINDOWS - 1)
    assert not watch.told
    watch.window(anomalous=True)
    assert watch.kinds == [(Kind.RHYTHM_CHAOTIC, Phase.ONSET)]
    assert watch.told[0].first == 0
    watch.window(times=CALM_WINDOWS - 1)
    assert len(watch.told) == 1
    watch.window()
    assert watch.kinds[1] == (Kind.RHYTHM_CHAOTIC, Phase.END)


def test_a_lasting_chaotic_rhythm_is_told_again() -> None:
    """An update every UPDATE samples, all from the same first sample, while flagged beats are found."""
    watch = Watch()
    for _ in range(60):
        watch.beat(flagged=True, rr=HOP).window(anomalous=True)
    chaos = [finding for finding in watch.told if finding.kind is Kind.RHYTHM_CHAOTIC]
    assert chaos[0].phase is Phase.ONSET
    assert {finding.phase for finding in chaos[1:]} == {Phase.UPDATE}
    assert len(chaos) - 1 == (60 - CHAOS_WINDOWS) * HOP // UPDATE
    assert {finding.first for finding in chaos} == {0}


def test_usual_beats_speak_against_chaos() -> None:
    """A window that is odd between beats that are all usual makes no chaotic rhythm."""
    watch = Watch().beat(times=12).window(anomalous=True, times=5)
    assert not watch.told


def test_flagged_beats_do_not_hide_chaos() -> None:
    """Flutter keeps a QRS detector busy: its beats are flagged, and the rhythm is told all the same."""
    watch = Watch().beat(flagged=True, times=12).window(anomalous=True, times=CHAOS_WINDOWS)
    assert (Kind.RHYTHM_CHAOTIC, Phase.ONSET) in watch.kinds


def test_nothing_stays_open_when_a_segment_ends() -> None:
    """Run, pause and chaos are closed at the end; what was not open is not."""
    watch = Watch().beat(flagged=True, times=RUN_BEATS)
    ends = close_all(watch.state, 1, 900)
    assert [(end.kind, end.phase) for end in ends] == [(Kind.RUN, Phase.END)]
    assert not close_all(EpisodeState.create(1), 0, 900)
    watch = Watch().window(anomalous=True, times=CHAOS_WINDOWS)
    assert (Kind.RHYTHM_CHAOTIC, Phase.END) in {(e.kind, e.phase) for e in close_all(watch.state, 1, 3000)}
    watch = Watch().beat().window(times=10)
    end = close_all(watch.state, 1, 3000)[0]
    assert (end.kind, end.phase, end.last) == (Kind.RHYTHM_PAUSE, Phase.END, 3000)


def test_streams_do_not_mix() -> None:
    """What is open in one slot is not in another."""
    watch = Watch().beat(flagged=True, times=RUN_BEATS)
    assert watch.state.open_episodes(np.array([0])) == 0
    assert not on_beat(watch.state, 0, 300, (200, 400), False, Kind.BEAT_LATE, "rhythm")


@pytest.mark.parametrize(
    ("log_ratio", "shape", "rhythm", "kind"),
    [
        (np.log(0.6), 0.5, 2.0, Kind.BEAT_EARLY),
        (np.log(0.6), 3.0, 1.0, Kind.BEAT_MORPHOLOGY),
        (np.log(1.0), 1.0, 2.0, Kind.BEAT_MORPHOLOGY),
        (np.log(1.6), 0.5, 0.4, Kind.BEAT_LATE),
        (np.log(1.6), 9.0, 0.4, Kind.BEAT_MORPHOLOGY),
        (np.nan, 1.0, 0.0, Kind.BEAT_MORPHOLOGY),
    ],
)
def test_a_beat_is_called_by_the_larger_part(
    log_ratio: float, shape: float, rhythm: float, kind: Kind
) -> None:
    """Early or late where the rhythm says so, else a matter of shape."""
    assert beat_kind(log_ratio, shape, rhythm)[0] is kind


def test_time_units() -> None:
    """Limits are whole seconds at the internal rate where they say so."""
    assert PAUSE % INTERNAL_RATE_HZ == 0
    assert UPDATE > PAUSE
