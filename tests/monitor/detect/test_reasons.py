"""Reasons in words."""

from __future__ import annotations

import pytest

from monitor.detect.reasons import beat_reason, part_name
from monitor.ecg.filters import INTERNAL_RATE_HZ
from monitor.ecg.windows import WindowSpec
from monitor.model.scoring import REGION


def test_every_region_has_the_name_of_its_place() -> None:
    """The default window's eight regions run from before the P wave to the T wave."""
    spec = WindowSpec()
    width = REGION * spec.step / INTERNAL_RATE_HZ
    starts = [i * width - spec.left / INTERNAL_RATE_HZ for i in range(spec.samples // REGION)]
    names = [part_name((start, start + width)) for start in starts]
    assert names == ["baseline before the P wave", *["P wave"] * 2, *["QRS"] * 2, *["ST-T"] * 3]


@pytest.mark.parametrize(
    ("what", "rr_s", "reason"),
    [
        ("morphology", 0.8, "morphology: most in the QRS"),
        (
            "morphology",
            0.4,
            "morphology: most in the QRS; 0.40 s after the beat before, usually 0.80 s",
        ),
        ("morphology", None, "morphology: most in the QRS"),
        ("early", 0.4, "early: 0.40 s after the beat before, usually 0.80 s"),
        ("late", 1.7, "late: 1.70 s after the beat before, usually 0.80 s"),
        ("early", None, "early"),
    ],
)
def test_beats_have_their_reasons(what: str, rr_s: float | None, reason: str) -> None:
    """An odd shape says where, an odd interval how long; an odd shape at an odd time both."""
    assert beat_reason(what, "QRS", rr_s, None if rr_s is None else 0.8) == reason


def test_a_shape_that_came_before_is_mentioned() -> None:
    """The reader is told that the stream has shown it already."""
    reason = beat_reason("morphology", "QRS", 0.8, 0.8, again=True)
    assert reason == "morphology: most in the QRS; a shape that came before"
