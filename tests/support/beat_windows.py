"""Made-up beats as the signal path would cut them."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from monitor.ecg.windows import WindowSpec
from training.compare.beat_windows import BeatWindows

SPEC = WindowSpec()


def made_up_beats(n: int, strange: Collection[int] = (), seed: int = 0) -> BeatWindows:
    """n beats of two leads, 0.8 s apart; the strange ones, labelled V, are wide and come early."""
    rng = np.random.default_rng(seed)
    ventricular = np.isin(np.arange(n), list(strange))
    at = np.arange(SPEC.span) - SPEC.left - SPEC.margin
    width = np.where(ventricular, 20.0, 5.0)[:, None]
    shape = np.exp(-0.5 * (at / width) ** 2) * rng.normal(1, 0.03, (n, 1))
    wide = np.stack([shape, -0.5 * shape], axis=2) + rng.normal(0, 0.01, (n, SPEC.span, 2))
    return BeatWindows(
        name="made-up",
        hours=n * 0.8 / 3600,
        r_peak=np.arange(n) * 200 - 60 * ventricular + rng.integers(-9, 10, n),
        wide_mv=wide.astype(np.float32),
        good=np.ones((n, 2), np.bool_),
        label=np.where(ventricular, "V", "N"),
        missed=np.array(["S"]),
    )
