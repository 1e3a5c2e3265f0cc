"""The collectors, and that docs/metrics.md lists exactly them."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase

from monitor.formats.beats import ScoredWindows
from monitor.worker.metrics import PREFIX, BinnedHistogram, Metrics, new_metrics
from tests.support.project import ROOT

DOC = ROOT / "docs" / "metrics.md"
SUFFIX = {"counter": "_total", "info": "_info", "histogram": "_bucket"}
ROW = re.compile(
    r"^\| `(?P<name>ecg_monitor_\w+)` \| (?P<type>\w+) \| (?P<labels>[^|]*)"
    r"\| (?P<unit>[^|]*)\| (?P<text>.+) \|$"
)


def _in_code(metrics: Metrics) -> dict[str, tuple[str, tuple[str, ...]]]:
    collectors: list[Any] = list(metrics.registry._collector_to_names)
    ours = [each for each in collectors if isinstance(each, MetricWrapperBase)]
    binned = [each for each in collectors if isinstance(each, BinnedHistogram)]
    return {
        each._name + SUFFIX.get(str(each._type), ""): (str(each._type), tuple(each._labelnames))
        for each in ours
    } | {f"{each.name}_bucket": ("histogram", (each.label,)) for each in binned}


def _in_doc() -> dict[str, tuple[str, tuple[str, ...]]]:
    rows = [match for line in DOC.read_text().splitlines() if (match := ROW.match(line))]
    return {row["name"]: (row["type"], tuple(re.findall(r"`(\w+)`", row["labels"]))) for row in rows}


def test_the_page_lists_the_collectors_and_no_others() -> None:
    """Name, type and labels agree, both ways."""
    code = _in_code(new_metrics())
    # An info metric's labels come with its value.
    code[f"{PREFIX}_model_info"] = ("info", ("name", "version"))
    code[f"{PREFIX}_worker_info"] = ("info", ("topic", "group"))
    assert _in_doc() == code


def test_no_label_could_carry_a_stream() -> None:
    """The labels are few and known."""
    labels = {label for _, names in _in_code(new_metrics()).values() for label in names}
    assert labels == {
        "reason",
        "kind",
        "quality",
        "sample_of",
        "stage",
        "topic",
        "partition",
        "outcome",
        "change",
        "why",
    }


def test_a_batchs_counts_land_in_their_collectors() -> None:
    """Plain counts, windows by kind and quality by name."""
    metrics = new_metrics()
    metrics.count_batch(Counter(samples=250, gaps=1, windows_beat=3, quality_noise=2))
    text = generate_latest(metrics.registry).decode()
    assert "ecg_monitor_samples_total 250.0" in text
    assert "ecg_monitor_gaps_total 1.0" in text
    assert 'ecg_monitor_windows_total{kind="beat"} 3.0' in text
    assert 'ecg_monitor_signal_quality_windows_total{quality="noise"} 2.0' in text


def test_windows_are_counted_by_kind_of_finding_and_of_window() -> None:
    """Anomalies by finding; p-values and scores by what was cut, and none of a gated window."""
    metrics = new_metrics()
    metrics.count_windows(_windows())
    lines = generate_latest(metrics.registry).decode().splitlines()
    assert 'ecg_monitor_anomalies_total{kind="beat.early"} 1.0' in lines
    assert 'ecg_monitor_p_value_bucket{kind="beat",le="0.01"} 1.0' in lines
    assert 'ecg_monitor_p_value_count{kind="beat"} 2.0' in lines
    assert 'ecg_monitor_p_value_count{kind="fixed"} 1.0' in lines
    assert 'ecg_monitor_score_sum{kind="fixed"} 1.0' in lines


def _windows() -> ScoredWindows:
    """Two beats, one of them early, a fixed window, and a beat that was gated."""
    p_value = np.array([0.5, 0.01, 0.1, np.nan])
    return ScoredWindows(
        stream=["s"] * 4,
        session=["a"] * 4,
        sample=np.arange(4),
        time_us=np.arange(4),
        rr_s=np.ones(4, np.float32),
        score=-np.log10(p_value),
        p_value=p_value,
        anomalous=np.array([False, True, False, False]),
        kind=["beat", "beat.early", "fixed", "beat"],
        quality=["good", "good", "good", "noise"],
    )


def test_an_unknown_count_is_a_bug() -> None:
    """A count that no collector stands for is not dropped in silence."""
    with pytest.raises(ValueError, match="detector counts 'surprises'"):
        new_metrics().count_batch(Counter(surprises=1))


def test_known_labels_begin_at_zero() -> None:
    """An alert on an increase sees the first one."""
    text = generate_latest(new_metrics().registry).decode()
    assert 'ecg_monitor_commits_total{outcome="aborted"} 0.0' in text
    assert 'ecg_monitor_events_total{kind="rhythm.chaotic"} 0.0' in text


def test_the_process_is_measured_too() -> None:
    """CPU and memory of the process are served beside our own."""
    assert "process_cpu_seconds_total" in generate_latest(new_metrics().registry).decode()


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
