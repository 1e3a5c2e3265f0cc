"""From internal samples to events and rows in the stream's own terms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from monitor.detect.episodes import Finding
from monitor.detect.findings import SMALLEST_P, Findings, Row, p_value, to_input
from monitor.detect.order import Stream, new_stream
from monitor.ecg.filters import interpolator
from monitor.ecg.quality import Quality
from monitor.formats.events import Kind, Phase
from monitor.model.scoring import REGION
from tests.support.made_up import chunk_of
from tests.support.models import small_model


def stream(rate_hz: float = 500.0, first: int = 1000) -> Stream:
    """A stream of three leads whose segment begins at this sample."""
    ecg_mv = np.zeros((10, 3), np.float32)
    return new_stream(chunk_of(ecg_mv, first, rate_hz=rate_hz, leads=("I", "II", "V1")))


def row(**changes: Any) -> Row:
    """An anomalous beat at internal sample 250, strangest in V1; lead I was not judged."""
    fields: dict[str, Any] = {
        "sample": 250,
        "rr_s": 0.8,
        "surprise": 5.0,
        "threshold": 3.0,
        "anomalous": True,
        "kind": "beat.morphology",
        "quality": Quality.GOOD,
        "by_lead": np.array([np.nan, 2.0, 4.0]),
        "worst": np.array([0, 1, 3]),
        "learning": False,
        "late": True,
        "latent": np.array([[np.nan, np.nan], [1, 2], [3, np.nan]], np.float32),
        "window_mv": np.zeros((3, 104), np.float32),
        "usual_rr_s": 1.2,
    }
    return Row(**(fields | changes))


BEAT = Finding(Kind.BEAT_MORPHOLOGY, 250, 150, 363, "morphology")


def test_an_event_says_when_how_why_and_by_what() -> None:
    """Everything that the design lists stands in the event, in the stream's own samples."""
    report = Findings(small_model())
    report.add(stream(), [BEAT], row())
    event = report.events[0]
    assert (event.stream, event.session, event.kind) == ("a", "s", Kind.BEAT_MORPHOLOGY)
    assert (event.r_peak_sample, event.first_sample, event.last_sample) == (1500, 1300, 1726)
    assert event.time_us == 3_000_000
    assert event.score == 5.0
    assert event.p_value == pytest.approx(1e-5)
    assert event.threshold == pytest.approx(1e-3)
    assert event.leads == ("V1", "II")
    assert event.late
    assert not event.learning
    assert event.latent == (3.0,)
    assert (event.part, event.rr_s, event.usual_rr_s) == ("QRS", 0.8, 1.2)
    assert event.why == "morphology: most in the QRS; 0.80 s after the beat before, usually 1.20 s"
    assert (event.model, event.model_version) == (small_model().name, small_model().version)


def test_the_strangest_part_lies_around_the_r_peak() -> None:
    """The region of the largest error in the strangest lead, in seconds from the R peak."""
    report = Findings(small_model())
    report.add(stream(), [BEAT], row())
    part = report.events[0].part_s
    spec = report.model.manifest.windows
    assert part is not None
    assert part[0] == pytest.approx((3 * REGION * spec.step - spec.left) / 250, abs=1e-3)
    assert part[1] - part[0] == pytest.approx(REGION * spec.step / 250, abs=2e-3)


def test_a_fixed_window_has_no_part() -> None:
    """Its place relative to an R peak means nothing."""
    report = Findings(small_model())
    finding = Finding(Kind.RHYTHM_CHAOTIC, 0, 0, 1023, "", Phase.ONSET)
    report.add(stream(), [finding], row(kind="fixed"))
    assert report.events[0].part_s is None
    assert report.events[0].score == 5.0


def test_a_run_says_what_its_beat_is() -> None:
    """Its number of beats, and why the one that opened it was flagged; an unknown interval is left out."""
    report = Findings(small_model())
    finding = Finding(Kind.RUN, 250, 100, 250, "4 anomalous beats", Phase.ONSET, 4)
    report.add(stream(), [finding], row(usual_rr_s=np.nan))
    event = report.events[0]
    assert event.why == "4 anomalous beats; this one morphology: most in the QRS"
    assert event.usual_rr_s is None


def test_a_pause_is_not_explained_by_a_beat() -> None:
    """The beat that ends it may be odd, too, but that is an event of its own."""
    report = Findings(small_model())
    report.add(stream(), [Finding(Kind.RHYTHM_PAUSE, 0, 0, 650, "2.60 s without a beat")], row())
    event = report.events[0]
    assert (event.score, event.leads, event.part) == (None, (), None)
    assert event.why == "2.60 s without a beat"


@pytest.mark.parametrize("changes", [{}, {"surprise": np.nan, "anomalous": False}])
def test_an_end_has_no_score(changes: dict[str, Any]) -> None:
    """What ended an episode is not what was strange about it."""
    report = Findings(small_model())
    report.add(stream(), [Finding(Kind.RUN, 100, 100, 250, "", Phase.END, 7)], row(**changes))
    event = report.events[0]
    assert event.score is event.p_value is None
    assert (event.phase, event.beats) == (Phase.END, 7)


def test_technical_events_have_no_score() -> None:
    """Lost signal was not judged."""
    report = Findings(small_model())
    report.add(stream(), [Finding(Kind.SIGNAL_LOST, 0, 0, 99, "flat", Phase.ONSET)], row())
    assert report.events[0].score is None


def test_a_gap_is_reported_up_to_its_last_sample() -> None:
    """From the first sample that no window covers; nothing if all are covered."""
    report = Findings(small_model())
    report.gap(stream(), 250, 1500)
    assert not report.events
    report.gap(stream(), 250, 1600)
    event = report.events[0]
    assert (event.kind, event.first_sample, event.last_sample) == (Kind.SIGNAL_LOST, 1500, 1599)


def test_windows_become_columns() -> None:
    """One row a scored window, p-values beside scores, NaN where nothing was judged."""
    report = Findings(small_model())
    report.window(stream(), row())
    report.window(stream(), row(surprise=np.nan, anomalous=False, kind="fixed", quality=Quality.FLAT))
    table = report.windows()
    assert len(table) == 2
    assert table.sample.tolist() == [1500, 1500]
    assert table.kind == ["beat.morphology", "fixed"]
    assert table.quality == ["good", "flat"]
    assert table.p_value[0] == pytest.approx(1e-5)
    assert np.isnan(table.score[1])
    assert np.isnan(table.p_value[1])
    assert len(Findings(small_model()).windows()) == 0


def test_padding_is_cut_off() -> None:
    """Rows beyond a recording's end, and technical findings that reach there, are dropped."""
    report = Findings(small_model())
    report.window(stream(), row())
    report.add(stream(), [BEAT, Finding(Kind.SIGNAL_LOST, 200, 200, 300, "missing")], row())
    report.cut_at(1400)
    assert len(report.windows()) == 0
    assert [event.kind for event in report.events] == [Kind.BEAT_MORPHOLOGY]


@pytest.mark.parametrize("rate_hz", [100.0, 128.0, 250.0, 333.34, 360.0, 500.0, 1000.0, 250.005])
def test_positions_do_not_drift(rate_hz: float) -> None:
    """After a week an internal sample still has the place that the resampler took it from."""
    _, num, den = interpolator(rate_hz)
    k = 7 * 86_400 * 250
    assert to_input(stream(rate_hz), k) == 1000 + round(k * num / den)


def test_positions_never_precede_the_segment() -> None:
    """A window that begins before the segment is cut at its start."""
    assert to_input(stream(), -50) == 1000


@pytest.mark.parametrize(("surprise", "expected"), [(0.0, 1.0), (3.0, 1e-3), (1000.0, SMALLEST_P)])
def test_p_values_are_never_zero(surprise: float, expected: float) -> None:
    """However strange, something remains."""
    assert p_value(surprise) == pytest.approx(expected)
    assert np.isnan(p_value(float("nan")))
