"""Pictures on ECG paper."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure

from monitor.events import Kind, Phase
from monitor.plots import MM_PER_MV, MM_PER_S, Strip, draw_strip, draw_strips
from monitor.strips import choose_events, draw_findings, strip_of
from tests.scan_fakes import BEATS, ODD, RATE_HZ, fake_event, fake_explain, fake_recording


def _strip(seconds: float = 2.0, scale: float = 1.0) -> Strip:
    time_s = np.arange(0, seconds, 0.004)
    ecg_mv = (scale * np.sin(7 * time_s)).astype(np.float32)
    return Strip(
        time_s=time_s,
        ecg_mv=ecg_mv,
        expected_mv=ecg_mv * np.float32(0.5),
        band_mv=np.full_like(ecg_mv, 0.1),
        r_peak_s=[1.0, 0.2],
        title="0:01.00  beat.morphology",
        why="morphology",
        lead="II",
    )


def _pixels(path: Path) -> np.ndarray:
    return matplotlib.image.imread(path)


def test_paper_has_its_scale(tmp_path: Path) -> None:
    """Two seconds are 50 mm wide and take that many pixels at any number of strips."""
    for count in (1, 3):
        draw_strips([_strip()] * count, tmp_path / f"{count}.png", title="t", dpi=127)  # 5 pixels a mm
    one, three = (_pixels(tmp_path / f"{count}.png") for count in (1, 3))
    assert three.shape[1] == pytest.approx(3 * one.shape[1], abs=2)
    assert one.shape[1] == pytest.approx(5 * (2 * MM_PER_S + 18), abs=2)


def test_axes_have_units() -> None:
    """Seconds across, the lead in mV up, and a line every millimetre."""
    axes = Figure().add_axes((0.0, 0.0, 1.0, 1.0))
    draw_strip(axes, _strip())
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("s", "II (mV)")
    ticks = axes.yaxis.get_minor_locator().tick_values(0, 1)
    assert np.diff(ticks)[0] == pytest.approx(1 / MM_PER_MV)


def test_signal_expectation_and_error_are_drawn() -> None:
    """The legend names the signal, what was expected, the band and the error."""
    axes = Figure().add_axes((0.0, 0.0, 1.0, 1.0))
    draw_strip(axes, _strip())
    assert set(axes.get_legend_handles_labels()[1]) == {"signal", "expected", "expected error", "error"}


def test_without_expectation_there_is_the_signal() -> None:
    """A pause has no reconstruction, only signal."""
    axes = Figure().add_axes((0.0, 0.0, 1.0, 1.0))
    draw_strip(axes, Strip(time_s=np.arange(5.0), ecg_mv=np.zeros(5, np.float32)))
    assert axes.get_legend_handles_labels()[1] == ["signal"]


def test_a_wild_signal_does_not_burst_the_page(tmp_path: Path) -> None:
    """Hundreds of mV and nothing at all both give a picture of sensible size."""
    nothing = Strip(time_s=np.arange(0, 2, 0.004), ecg_mv=np.full(500, np.nan, np.float32))
    draw_strips([_strip(scale=300.0), nothing], tmp_path / "wild.png", title="wild")
    assert max(_pixels(tmp_path / "wild.png").shape) < 2000


def test_no_strips_still_make_a_picture(tmp_path: Path) -> None:
    """Nothing found is a result, too."""
    draw_findings(fake_recording(), [], np.array(BEATS), fake_explain, path=tmp_path / "none.png")
    assert _pixels(tmp_path / "none.png").size


def test_arrays_of_two_lengths_are_refused() -> None:
    """A strip whose parts do not fit is the caller's mistake."""
    with pytest.raises(ValueError, match="one length"):
        Strip(time_s=np.arange(4.0), ecg_mv=np.zeros(5, np.float32))


def test_a_beat_is_drawn_with_what_was_expected() -> None:
    """The window's own signal, its reconstruction, the beats around it and why."""
    strip = strip_of(fake_recording(), fake_event(), np.array(BEATS), fake_explain)
    assert strip.expected_mv is not None
    assert strip.expected_mv.max() == pytest.approx(1.5, abs=0.01)
    assert strip.r_peak_s == [ODD / RATE_HZ, 2.0, 4.0]
    assert strip.context is not None
    assert "p 1.0e-06" in strip.title


def test_other_findings_are_drawn_as_measured() -> None:
    """A lost signal has no reconstruction."""
    event = fake_event(kind=Kind.SIGNAL_LOST, why="flat line", p_value=None)
    strip = strip_of(fake_recording(), event, np.array(BEATS), fake_explain)
    assert strip.expected_mv is None
    assert strip.why == "flat line"


def test_a_long_interval_is_shown_from_its_beginning() -> None:
    """A pause of 3 s is seen whole, a minute of noise is not."""
    for last, shown_s in ((1500, 1500 / RATE_HZ - 1.6), (10_000, 6.0)):
        event = fake_event(750, kind=Kind.RHYTHM_PAUSE, first_sample=700, last_sample=last)
        strip = strip_of(fake_recording(60.0), event, np.array(BEATS), fake_explain)
        assert strip.time_s[-1] - strip.time_s[0] == pytest.approx(shown_s, abs=0.01)


def test_a_beat_that_is_not_found_again_is_drawn_as_measured() -> None:
    """The model is shown less signal than the stream had, so it may miss the beat."""
    strip = strip_of(fake_recording(), fake_event(), np.array(BEATS), lambda chunks, event: None)
    assert strip.expected_mv is None


def test_findings_at_the_edge_fit(tmp_path: Path) -> None:
    """The first and the last beat have less signal around them."""
    events = [fake_event(250), fake_event(1500, kind=Kind.BEAT_EARLY)]
    draw_findings(fake_recording(6.5), events, np.array(BEATS), fake_explain, path=tmp_path / "edge.png")
    assert _pixels(tmp_path / "edge.png").size


def test_each_kind_has_its_turn() -> None:
    """A single pause is shown among many odd beats; ends and updates of episodes are not."""
    many = [fake_event(sample, p_value=1e-9) for sample in range(0, 5000, 50)]
    pause = fake_event(7000, kind=Kind.RHYTHM_PAUSE, p_value=None, phase=Phase.ONSET)
    ended = fake_event(7000, kind=Kind.RHYTHM_PAUSE, p_value=None, phase=Phase.END)
    chosen = choose_events([*many, pause, ended], count=4)
    assert len(chosen) == 4
    assert chosen[-1] is pause
