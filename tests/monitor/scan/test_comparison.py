"""Found against annotated."""

from __future__ import annotations

import numpy as np

from monitor.formats.events import Kind, Phase
from monitor.recordings.wfdb_records import Annotations
from monitor.scan.comparison import compare, comparison_figures
from tests.support.scan_fakes import RATE_HZ, fake_event, windows_at


def _labels(*beats: tuple[int, str]) -> Annotations:
    return Annotations(np.array([sample for sample, _ in beats], np.int64), tuple(sign for _, sign in beats))


def test_the_nearest_beat_wins() -> None:
    """A premature beat's window is not taken for the normal beat's beside it."""
    found = compare(_labels((100, "N"), (130, "V")), windows_at([128], odd=[128]), [], RATE_HZ)
    assert found.flagged.tolist() == [False, True]


def test_events_in_any_order_find_their_beats() -> None:
    """A beat that search-back found is told after the one that follows it."""
    labels = _labels((250, "V"), (500, "V"))
    assert compare(labels, windows_at([]), [fake_event(500), fake_event(251)], RATE_HZ).flagged.all()


def test_counts_by_class() -> None:
    """A beat is flagged by its window or by an event, each counted on its own."""
    labels = _labels((250, "N"), (500, "V"), (750, "V"), (1000, "A"), (1250, "F"))
    windows = windows_at([251, 502, 755, 1250], odd=[502])
    counts = compare(labels, windows, [fake_event(750), fake_event(251)], RATE_HZ).counts
    assert (counts["V"].flagged_beats, counts["V"].flagged_events, counts["V"].flagged) == (1, 1, 2)
    assert (counts["N"].flagged, counts["S"].detected, counts["F"].detected) == (1, 0, 1)


def test_beats_within_a_run_are_flagged() -> None:
    """A run's end says which beats it held."""
    labels = _labels((250, "V"), (500, "V"), (750, "V"), (1000, "N"))
    run = fake_event(250, kind=Kind.RUN, phase=Phase.END, last_sample=760)
    assert compare(labels, windows_at([]), [run], RATE_HZ).flagged.tolist() == [True, True, True, False]


def test_false_events() -> None:
    """Events on normal beats and beside all beats are false; technical ones are not counted."""
    labels = _labels((250, "N"), (500, "V"))
    events = [fake_event(250), fake_event(500), fake_event(1500), fake_event(1500, kind=Kind.SIGNAL_POOR)]
    assert compare(labels, windows_at([]), events, RATE_HZ).false_events == 2


def test_figures_and_their_targets() -> None:
    """A target is held against its figure; a class without beats has none."""
    labels = _labels((250, "N"), (500, "V"))
    comparison = compare(labels, windows_at([250, 500], odd=[250]), [], RATE_HZ)
    figures = comparison_figures(comparison, 60.0, {("sensitivity", "V"): 0.9, ("false_beats", "N"): 12.0})
    met = {(each.name, each.group): each.met for each in figures}
    assert met["sensitivity", "V"] is False
    assert met["false_beats", "N"] is True
    assert ("sensitivity", "S") not in met


def test_no_annotations_no_figures() -> None:
    """An empty comparison divides by nothing."""
    assert comparison_figures(compare(_labels(), windows_at([]), [], RATE_HZ), 60.0) == []
