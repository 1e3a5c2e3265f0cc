"""The last scored windows of one stream."""

from __future__ import annotations

import numpy as np

from monitor.web.held.beats import CAPACITY, KINDS, QUALITIES, BeatsHeld
from tests.support.web.made import windows


def test_windows_come_back_as_they_were_read() -> None:
    """Every column, in order of time."""
    beats, wanted = BeatsHeld(), windows([(500, "beat", False, "good"), (250, "beat.early", True, "noise")])
    for index in range(2):
        beats.take(wanted, index)
    rows = beats.rows("s")
    assert rows["sample"].tolist() == [250, 500]
    assert [KINDS[code] for code in rows["kind"]] == ["beat.early", "beat"]
    assert [QUALITIES[code] for code in rows["quality"]] == ["noise", "good"]
    for name in ("time_us", "score", "p_value", "rr_s", "anomalous"):
        assert np.array_equal(rows[name], getattr(wanted, name)[::-1])


def test_a_window_sent_twice_is_kept_once() -> None:
    """At-least-once delivery shows no beat twice; a fixed window at a beat's sample is another one."""
    beats, found = BeatsHeld(), windows([(250, "beat", False, "good"), (250, "fixed", False, "good")])
    for index in (0, 1, 0, 1):
        beats.take(found, index)
    assert len(beats.rows("s")) == 2


def test_the_oldest_windows_give_way() -> None:
    """Memory does not grow beyond the capacity."""
    beats, many = BeatsHeld(), windows([(at, "beat", False, "good") for at in range(CAPACITY + 100)])
    for index in range(len(many)):
        beats.take(many, index)
    rows = beats.rows("s")
    assert (len(rows), rows["sample"][0]) == (CAPACITY, 100)
    assert beats.last("s", 3)["sample"].tolist() == [CAPACITY + 97, CAPACITY + 98, CAPACITY + 99]


def test_sessions_are_told_apart() -> None:
    """Also after more of them than are kept."""
    beats = BeatsHeld()
    for number in range(20):
        beats.take(windows([(number, "beat", False, "good")], session=f"s{number}"), 0)
    assert beats.rows("s19")["sample"].tolist() == [19]
    assert beats.rows("s12")["sample"].tolist() == [12]
    assert len(beats.rows("s3")) == 0
    assert len(beats.last("s18", 20)) == 1


def test_words_that_are_not_known_are_left_out() -> None:
    """A newer worker's kind of window is not taken for another one."""
    beats = BeatsHeld()
    beats.take(windows([(1, "beat.future", True, "good")]), 0)
    assert len(beats.rows("s")) == 0
