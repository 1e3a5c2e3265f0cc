"""The protocol `episodes` on made-up records."""

from __future__ import annotations

import pytest

from monitor.formats.figures import Figure
from tests.support.databases import write_record
from tests.support.models import small_model
from training.measure.protocol import Request, Result
from training.protocols import episodes
from training.protocols.episodes import run


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """One record with a run of six and one of five ventricular beats, and one with single ones."""
    folder = tmp_path_factory.mktemp("data")
    write_record(folder / "mitdb", "106", 90, ventricular=(*range(50, 56), *range(80, 85)))
    write_record(folder / "mitdb", "100", 60, ventricular=(), seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(episodes, "NORMAL_S", 30.0)
        patch.setattr(episodes, "ABNORMAL", 20)
        return run(Request(data=folder, model=small_model()))


def _figures(result: Result) -> dict[tuple[str, str], Figure]:
    return {(each.name, each.group): each for each in result.figures}


def test_runs_are_found_in_time(result: Result) -> None:
    """Both runs are told with the third beat, well under six seconds after the first."""
    found = _figures(result)
    assert found["sensitivity", "run"].value == 1.0
    assert found["sensitivity", "run"].met
    assert 2 < (found["time_to_alarm_p95_s", "run"].value or 0) < 5
    assert found["time_to_alarm_p95_s", "all"].met
    assert (found["duration_sensitivity", "run"].value or 0) > 0.9
    assert found["positive_predictivity", "run"].value is not None


def test_without_flutter_there_is_nothing_to_find(result: Result) -> None:
    """Its figures are there, and empty."""
    found = _figures(result)
    for key in (("sensitivity", "VF"), ("sensitivity", "VF/chaotic"), ("time_to_alarm_p95_s", "VF")):
        assert (found[key].value, found[key].met) == (None, None)


def test_every_episode_has_a_row(result: Result) -> None:
    """What was annotated, found, flagged and told."""
    rows = result.details["episodes"]
    assert [(row["record"], row["what"], row["beats"]) for row in rows] == [
        ("106", "run", 6),
        ("106", "run", 5),
    ]
    assert all(row["longest_flagged"] >= 4 and row["told_after_s"] for row in rows)
    assert len(result.tables[1].rows) == 2


def test_ventricular_beats_on_end(result: Result) -> None:
    """A share for each record and number of leads, and their median."""
    found = _figures(result)
    for leads in ("one-lead", "two-leads"):
        share = found["flagged_share", f"20-V/{leads}"]
        assert share.value == found["flagged_share", f"20-V/{leads}/106"].value
        assert share.target == 0.85
    assert {row["record"] for row in result.details["shares"]} == {"106"}
