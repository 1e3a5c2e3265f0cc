"""Findings as strips."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from monitor.formats.events import Kind, Phase
from monitor.recordings.recording import from_millivolts
from monitor.scan.explain import Wanted
from monitor.scan.finding_strips import LONGEST_S, choose_events, draw_findings, signal_of, strip_of
from monitor.scan.strip import Mark
from tests.support.scan_fakes import BEATS, ODD, fake_event, fake_explain, fake_recording, windows_at


def test_no_strips_still_make_a_picture(tmp_path: Path) -> None:
    """Nothing found is a result, too."""
    draw_findings(fake_recording(), [], windows_at(BEATS), fake_explain, path=tmp_path / "none.png")
    assert matplotlib.image.imread(tmp_path / "none.png").size


def test_a_beat_is_drawn_with_what_was_expected() -> None:
    """Its expectation, the beats around it with what they are, the strange part in the signal's own time."""
    event = fake_event(part_s=(-0.1, 0.1), part="QRS", leads=("II", "V1"), learning=True)
    (expected,) = fake_explain(fake_recording(), [Wanted(ODD)])
    strip = strip_of(fake_recording(), event, windows_at(BEATS), expected)
    assert strip.expected is expected
    assert strip.marks == [Mark(2.0), Mark(3.0, "morphology", shown=True), Mark(4.0)]
    assert strip.part_s == pytest.approx((2.9, 3.1))
    assert strip.title == "0:03.00   beat.morphology   p 1.0e-06"
    assert strip.why == "morphology; leads II, V1; the stream's usual beat is not known yet"
    assert strip.span_s is None


def test_signal_is_shown_as_the_model_saw_it() -> None:
    """Beside an expectation the signal is filtered, or the two would not fit; a gap stays a gap."""
    ecg_mv = np.full((2000, 1), 3.0)
    ecg_mv[1200:1300] = np.nan
    recording = from_millivolts("r", 250.0, ["II"], ecg_mv)
    for filtered, level in ((False, 3.0), (True, 0.0)):
        time_s, mv = signal_of(recording, 1000, 1500, "II", as_judged=filtered)
        assert (time_s[0], len(time_s)) == (4.0, len(mv))
        assert np.nanmedian(mv) == pytest.approx(level, abs=0.01)
        assert np.isnan(mv[(time_s >= 4.85) & (time_s < 5.15)]).all()


def test_other_findings_are_drawn_as_measured() -> None:
    """A lost signal has no reconstruction, but a length."""
    event = fake_event(
        750, kind=Kind.SIGNAL_LOST, why="flat", p_value=None, first_sample=700, last_sample=900
    )
    strip = strip_of(fake_recording(), event, None)
    assert strip.expected is None
    assert strip.why == "flat"
    assert strip.span_s == (2.8, 3.6)
    assert strip.ecg_mv.max() == pytest.approx(3.0, abs=0.01)


def test_a_beat_in_bad_signal_is_marked_so() -> None:
    """It was not judged, which is not the same as usual."""
    windows = windows_at(BEATS)
    windows.quality[1] = "noise"
    windows.kind[3] = "fixed"
    strip = strip_of(fake_recording(), fake_event(), windows)
    assert strip.marks == [Mark(2.0, "?"), Mark(3.0, "morphology", shown=True)]


@pytest.mark.parametrize(("rr_s", "due_s"), [(0.5, 3.5), (1.0, None), (1.5, 2.5), (None, None)])
def test_a_beat_at_another_time_was_due(rr_s: float | None, due_s: float | None) -> None:
    """An early beat was due later, a late one earlier; one in time says nothing of it."""
    assert strip_of(fake_recording(), fake_event(rr_s=rr_s, usual_rr_s=1.0), None).due_s == due_s


def test_a_pause_says_when_a_beat_was_due() -> None:
    """One usual interval after the last beat; unknown without beats before."""
    event = fake_event(750, kind=Kind.RHYTHM_PAUSE, first_sample=750, last_sample=1300)
    assert strip_of(fake_recording(), event, windows_at(BEATS)).due_s == 4.0
    assert strip_of(fake_recording(), event, windows_at([1400])).due_s is None


def test_a_long_interval_is_shown_from_its_beginning() -> None:
    """A pause of 3 s is seen whole, with the beat that ended it; a minute of noise is not."""
    for last, shown_s in ((1500, 1.4 + 3.0 + 0.4), (10_000, LONGEST_S)):
        event = fake_event(750, kind=Kind.RHYTHM_PAUSE, first_sample=750, last_sample=last)
        strip = strip_of(fake_recording(60.0), event, None)
        assert strip.time_s[-1] - strip.time_s[0] == pytest.approx(shown_s, abs=0.01)


def test_a_pause_that_is_over_says_how_long_it_was() -> None:
    """It was told while it lasted."""
    event = fake_event(750, kind=Kind.RHYTHM_PAUSE, phase=Phase.ONSET, why="2.5 s without a beat")
    end = fake_event(750, kind=Kind.RHYTHM_PAUSE, phase=Phase.END, why="4.00 s without a beat", leads=())
    assert strip_of(fake_recording(), event, None, None, end).why == "4.00 s without a beat"


def test_a_run_is_shown_from_its_first_beat() -> None:
    """The title says from when to when, the strip shows its beginning up to the beat that opened it."""
    event = fake_event(1250, kind=Kind.RUN, phase=Phase.ONSET, first_sample=500, last_sample=1250)
    end = fake_event(500, kind=Kind.RUN, phase=Phase.END, first_sample=500, last_sample=1500, why="7 beats")
    strip = strip_of(fake_recording(), event, windows_at(BEATS), None, end)
    assert strip.why == "morphology"
    assert strip.title.startswith("0:02.00 to 0:06.00   run")
    assert strip.time_s[[0, -1]].tolist() == pytest.approx([1.2, 6.6], abs=0.01)


def test_all_kinds_fit_on_one_page(tmp_path: Path) -> None:
    """The first and the last beat have less signal around them; an end lengthens its episode."""
    onset = {"phase": Phase.ONSET, "first_sample": 500}
    events = [
        fake_event(250),
        fake_event(1500, kind=Kind.BEAT_EARLY),
        fake_event(500, kind=Kind.RHYTHM_CHAOTIC, last_sample=1000, **onset),
        fake_event(500, kind=Kind.RHYTHM_CHAOTIC, **{**onset, "phase": Phase.END}, last_sample=1400),
        fake_event(1620, kind=Kind.SIGNAL_LOST, p_value=None, first_sample=1620, last_sample=1624),
    ]
    draw_findings(fake_recording(6.5), events, windows_at(BEATS), fake_explain, path=tmp_path / "all.png")
    assert matplotlib.image.imread(tmp_path / "all.png").size


def test_each_kind_has_its_turn() -> None:
    """A single pause is shown among many odd beats; ends and updates of episodes are not."""
    many = [fake_event(sample, p_value=1e-9) for sample in range(0, 5000, 50)]
    pause = fake_event(7000, kind=Kind.RHYTHM_PAUSE, p_value=None, phase=Phase.ONSET)
    ended = fake_event(7000, kind=Kind.RHYTHM_PAUSE, p_value=None, phase=Phase.END)
    chosen = choose_events([*many, pause, ended], count=4)
    assert len(chosen) == 4
    assert chosen[-1] is pause


def test_the_longest_pauses_are_shown() -> None:
    """Pauses have no p-value; how long they became is told by their ends."""
    begins = [fake_event(at, kind=Kind.RHYTHM_PAUSE, p_value=None, phase=Phase.ONSET) for at in (1000, 3000)]
    ends = [
        fake_event(
            at, kind=Kind.RHYTHM_PAUSE, phase=Phase.END, first_sample=at - 100, last_sample=at + length
        )
        for at, length in ((1000, 600), (3000, 2000))
    ]
    assert choose_events([*begins, *ends], count=1) == [begins[1]]
