"""Why an event is one, in words: how a beat came, and which part of it is strange."""

from __future__ import annotations

import math

# Where a part of the beat ends, s from the R peak. PR intervals are 0.12 to 0.20 s, a QRS up to 0.12 s wide
# (Surawicz et al., AHA/ACCF/HRS recommendations III, 2009); the rest of the window is ST segment and T wave.
_PARTS = ((-0.28, "baseline before the P wave"), (-0.09, "P wave"), (0.1, "QRS"), (math.inf, "ST-T"))
EARLY, LATE = 0.9, 1.2  # RR interval over the usual one from which on a reason mentions it


def part_name(part_s: tuple[float, float]) -> str:
    """The part of a beat in the middle of a window's part; part_s: from and to, s from the R peak."""
    middle = sum(part_s) / 2
    return next(name for end, name in _PARTS if middle < end)


def beat_reason(
    what: str, part: str | None, rr_s: float | None, usual_rr_s: float | None, *, again: bool = False
) -> str:
    """What is strange about a beat: "morphology", "early" or "late", where, and by how much.

    rr_s, usual_rr_s: interval to the beat before and what is usual for the stream; None if unknown;
    again: its strange shape came before.
    """
    interval = ""
    if rr_s is not None and usual_rr_s is not None:
        interval = f"{rr_s:.2f} s after the beat before, usually {usual_rr_s:.2f} s"
        ratio = rr_s / usual_rr_s
        if what == "morphology" and EARLY <= ratio <= LATE:
            interval = ""
    shape = f"most in the {part}" if part is not None and what == "morphology" else ""
    before = "a shape that came before" if again else ""
    details = "; ".join(each for each in (shape, interval, before) if each)
    return f"{what}: {details}" if details else what
