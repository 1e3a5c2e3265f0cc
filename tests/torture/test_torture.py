"""The harness itself: it finds what it is there to find, and no section is lost."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.formats.beats import ScoredWindows
from tests.torture.__main__ import run
from tests.torture.comparison import Differences, beat_verdicts, compare
from tests.torture.ground import Ground
from tests.torture.reference import Undisturbed
from tests.torture.sections import SECTIONS
from tests.torture.ward import seconds_of

A, B = ("a", b"1"), ("b", b"1")


@pytest.mark.parametrize(
    ("got", "what"),
    [
        ([A], {"missing": 1}),
        ([A, B, ("c", b"1")], {"extra": 1}),
        ([A, B, B, B], {"twice": 2}),
        ([A, ("b", b"2")], {"different": 1}),
        ([("b", b"2"), B], {"missing": 1, "twice": 1}),
        ([B, A], {}),
    ],
)
def test_each_difference_is_found_once(got: list[tuple[str, bytes]], what: dict[str, int]) -> None:
    """As multisets: what is left out, added, repeated or changed counts, and order does not."""
    none = dict.fromkeys(("missing", "extra", "twice", "different"), 0)
    found = compare([A, B], got)
    assert {name: getattr(found, name) for name in none} == none | what
    assert bool(found.examples) == bool(what)


def test_what_should_be_there_twice_is_no_difference() -> None:
    """Two alike are two."""
    assert compare([A, A], [A, A]) == Differences(2, 0, 0, 0, 0)
    assert compare([A, A], [A]).missing == 1


def test_nothing_to_compare_is_no_proof() -> None:
    """A figure misses its target where no event was wanted."""
    met = {each.name: each.met for each in compare([], []).figures("events", "crash")}
    assert met.pop("events") is False
    assert set(met.values()) == {True}


def _windows(**changed: object) -> ScoredWindows:
    numbers = np.array([1.0, np.nan], np.float32)
    columns = {
        "stream": ["s", "s"], "session": ["a", "a"], "sample": np.array([5, 9]), "time_us": np.array([5, 9]),
        "rr_s": numbers, "score": numbers, "p_value": numbers, "anomalous": np.array([False, True]),
        "kind": ["beat", "fixed"], "quality": ["good", "good"],
    }  # fmt: skip
    return ScoredWindows(**(columns | changed))  # type: ignore[arg-type]


def test_beats_are_compared_to_the_bit() -> None:
    """NaN is NaN; another last bit of a score is another verdict."""
    assert compare(beat_verdicts([_windows()]), beat_verdicts([_windows()])) == Differences(2, 0, 0, 0, 0)
    moved = np.nextafter(np.array([1.0, np.nan], np.float32), np.float32(2))
    assert compare(beat_verdicts([_windows()]), beat_verdicts([_windows(score=moved)])).different == 1


def test_a_ward_gives_events_and_beats() -> None:
    """Half a minute of a few streams is something to compare, and a lost second is found."""
    values = [value for number in range(30) for _, value in seconds_of(["a", "b", "c"], number)]
    whole, less = Undisturbed(values), Undisturbed(values[:60] + values[63:])
    assert compare(whole.events(), whole.events()).wanted > 0
    assert compare(whole.beats(), less.beats()).missing > 0


def test_a_section_that_fails_is_a_figure(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others go on, and the run misses a target."""

    def fail(ground: Ground) -> list[object]:
        raise RuntimeError("no broker")

    monkeypatch.setitem(SECTIONS, "crash", fail)
    (found,) = run(ground, ["crash"])
    assert (found.name, found.group, found.met) == ("failed", "crash", False)
    assert "missed: failed 1" in capsys.readouterr().out
