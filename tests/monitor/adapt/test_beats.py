"""Batches of beats, parted and joined."""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from monitor.adapt.beats import BeatBatch
from tests.support.normals import patient


def test_batches_join_in_order() -> None:
    """Rows of several batches follow each other."""
    beats = patient("a").beats
    half = np.arange(len(beats.ready)) < 20
    joined = BeatBatch.joined([beats.rows(half), beats.rows(~half)])
    assert all(
        np.array_equal(getattr(joined, f.name), getattr(beats, f.name), equal_nan=True) for f in fields(beats)
    )
