"""Histograms that take in a batch of values at a time."""

from __future__ import annotations

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from monitor.worker.distributions import BinnedHistogram

BOUNDS = (0.1, 0.5, 1.0)


@pytest.fixture
def registry() -> CollectorRegistry:
    """Empty."""
    return CollectorRegistry()


def test_it_says_what_the_librarys_own_says(registry: CollectorRegistry) -> None:
    """Value by value or in batches the text is the same, bins' ends included."""
    values = np.array([0.1, 0.05, 0.3, 0.5, 0.7, 1.0, 3.0])
    ours, theirs = registry, CollectorRegistry()
    binned = BinnedHistogram("h", "words", BOUNDS, "kind", ["a"])
    ours.register(binned)
    for part in (values[:3], values[3:]):
        binned.add("a", part)
    own = Histogram("h", "words", ["kind"], registry=theirs, buckets=BOUNDS)
    for value in values:
        own.labels("a").observe(value)
    created = [line for line in generate_latest(theirs).decode().splitlines() if "_created" not in line]
    assert generate_latest(ours).decode().splitlines() == created


def test_what_is_not_a_number_is_left_out(registry: CollectorRegistry) -> None:
    """A gated window has no p-value."""
    binned = BinnedHistogram("h", "words", BOUNDS, "kind", ["a"])
    registry.register(binned)
    binned.add("a", np.array([np.nan, 0.2], np.float32))
    assert 'h_count{kind="a"} 1.0' in generate_latest(registry).decode()


def test_every_label_value_begins_at_zero(registry: CollectorRegistry) -> None:
    """A rate sees the first value."""
    registry.register(BinnedHistogram("h", "words", BOUNDS, "kind", ["a", "b"]))
    text = generate_latest(registry).decode()
    assert 'h_bucket{kind="b",le="+Inf"} 0.0' in text
    assert 'h_sum{kind="b"} 0.0' in text
