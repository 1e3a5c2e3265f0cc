"""The benchmark of many silent streams, with few."""

from __future__ import annotations

import pytest

from tests.benchmarks.many_streams import measure

pytestmark = [pytest.mark.integration, pytest.mark.kafka]


@pytest.mark.usefixtures("kafka_broker")  # skipped, or failed in CI, where there is none
def test_silent_streams_are_taken_up_and_woken() -> None:
    """Every figure is there, and those that send again have been found in `ecg.state`."""
    figures = {each.name: each.value or 0.0 for each in measure(48, 1, 90.0)}
    assert set(figures) == {
        *("state_kb", "take_up_s", "rss_mb", "rss_mb_without_streams", "rss_kb_per_stream"),
        *("peak_rss_mb", "healthz_not_well", "wake_ms"),
    }
    assert figures["healthz_not_well"] == 0
    assert figures["rss_mb_without_streams"] > 0
    assert 5 < figures["state_kb"] < 20
