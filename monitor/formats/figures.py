"""Measured figures in the one form that every report file holds."""

from __future__ import annotations

import math
from typing import Literal

import msgspec


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One number, what it was measured on, and what it should be."""

    name: str  # "sensitivity", "latency_p99_s", ...
    group: str = "all"  # "V", "S", a record, ...
    value: float | None  # None: there was nothing to measure it on
    low: float | None = None  # of a confidence interval
    high: float | None = None
    target: float | None = None
    better: Literal["higher", "lower"] = "higher"
    met: bool | None = None  # None without a target or a value


def figure(
    name: str,
    value: float,
    group: str = "all",
    *,
    target: float | None = None,
    better: Literal["higher", "lower"] = "higher",
) -> Figure:
    """A figure with its verdict; NaN becomes None, as JSON has no NaN."""
    measured = value if math.isfinite(value) else None
    met = None
    if target is not None and measured is not None:
        met = measured >= target if better == "higher" else measured <= target
    return Figure(name=name, group=group, value=measured, target=target, better=better, met=met)
