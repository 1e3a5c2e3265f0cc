"""The daemon's Prometheus collectors, in base units, none with a stream id; docs/metrics.md lists them."""

from __future__ import annotations

import threading
from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector

from monitor.config import KafkaSettings
from monitor.detect.interface import StreamDetector
from monitor.formats.beats import ScoredWindows
from monitor.formats.events import Kind


class BinnedHistogram(Collector):
    """Counts values in bins, per value of one label; the client library's own takes them one by one."""

    def __init__(
        self, name: str, text: str, bounds: Sequence[float], label: str, values: Iterable[str]
    ) -> None:
        """bounds: upper ends of the bins, rising; each holds its end. values: all that the label can be."""
        self.name, self.label = name, label
        self._text = text
        self._bounds = np.array(bounds, np.float64)
        # Every label value from the start: a series that appears late has no increase().
        self._counts = {value: np.zeros(len(bounds) + 1, np.int64) for value in values}
        self._sums = dict.fromkeys(self._counts, 0.0)
        self._lock = threading.Lock()  # the HTTP server's thread reads

    def add(self, value: str, observed: NDArray[np.floating]) -> None:
        """Count observed values, (n,), under a value of the label; NaN is left out."""
        known = observed[~np.isnan(observed)].astype(np.float64)
        bins = np.searchsorted(self._bounds, known, side="left")
        counts = np.bincount(bins, minlength=len(self._bounds) + 1)
        with self._lock:
            self._counts[value] += counts
            self._sums[value] += float(known.sum())

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """The one family, its buckets cumulative as Prometheus has them."""
        family = HistogramMetricFamily(self.name, self._text, labels=[self.label])
        ends = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        with self._lock:
            for value, counts in self._counts.items():
                buckets = list(zip(ends, np.cumsum(counts).astype(float).tolist(), strict=True))
                family.add_metric([value], buckets, self._sums[value])
        return [family]


PREFIX = "ecg_monitor"
# Finer around 2 s, the bound that the design promises for the 99th percentile.
LATENCY_S = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 5.0, 10.0, 30.0, 60.0)
STAGE_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
# Tenths, to be held against a uniform distribution, and the tail where thresholds lie.
P_VALUES = (0.0001, 0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
SCORES = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0)
WINDOWS = ("beat", "fixed")
BATCH_RECORDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
QUALITIES = ("good", "noise", "saturated", "flat", "missing")
# Of monitor.broker.unreadable, monitor.formats.chunks, monitor.worker.suspects and monitor.detect.admission.
REASONS = (
    *("empty", "content_type", "malformed", "schema_version", "field", "truncated"),
    *("not_finite", "too_long", "key", "start_us", "failed", "unreadable"),
    *("out_of_order", "closed_session"),
)
FORGOTTEN = ("silent", "returned", "crowded")
STAGES = ("decode", "filter", "detect", "score", "decide", "produce", "commit")


class Metrics:
    """Collectors registered in one registry, and the few ways in which the worker moves them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._create_input()
        self._create_findings()
        self._create_timing()
        self._create_kafka()
        self._begin_at_zero()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=PREFIX, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, namespace=PREFIX, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
        return Histogram(name, text, labels, namespace=PREFIX, registry=self.registry, buckets=tuple(buckets))

    def _binned(self, name: str, text: str, bounds: Sequence[float]) -> BinnedHistogram:
        collector = BinnedHistogram(f"{PREFIX}_{name}", text, bounds, "kind", WINDOWS)
        self.registry.register(collector)
        return collector

    def _create_input(self) -> None:
        self.chunks = self._counter("chunks", "Chunks of ECG taken in")
        self.samples = self._counter("samples", "Samples taken in, counted once however many the leads")
        self.signal_seconds = self._counter(
            "signal_seconds", "Seconds of ECG taken in, of all streams together"
        )
        self.gaps = self._counter("gaps", "Gaps found in the sample numbers of streams")
        self.duplicates = self._counter("duplicates", "Chunks ignored because their samples had been seen")
        self.reordered = self._counter("reordered", "Chunks that came out of order and were put right")
        self.wraps = self._counter("wraps", "Sample counters that came to their end and went on from 0")
        self.restarts = self._counter(
            "restarts", "Streams that went over to another numbering, other leads, rate or an old session"
        )
        self.conflicts = self._counter(
            "conflicting_chunks", "Chunks dropped since they fit nothing that their stream has"
        )
        self.dead_letters = self._counter("dead_letters", "Records sent to the dead-letter topic", "reason")
        self.profiles = self._counter("profile_records", "Records of ecg.profiles read", "outcome")
        self.streams_active = self._gauge("streams_active", "Streams that sent within the silence limit")
        self.streams_silent = self._gauge("streams_silent", "Streams that have sent nothing for longer")
        self.streams_in_two_partitions = self._gauge(
            "streams_in_two_partitions",
            "Streams that sent to two partitions of this worker, judged apart",
        )
        self.rate_drift = self._gauge(
            "rate_drift_ratio",
            "Largest share by which a last chunk gives another rate than its stream",
        )
        self.streams_learning = self._gauge(
            "streams_learning", "Streams whose usual beat is not yet known; they are judged by the population"
        )

        self.streams_awake = self._gauge("streams_awake", "Streams in memory")
        self.streams_awake_limit = self._gauge("streams_awake_limit", "Streams that may be in memory")
        self.streams_known = self._gauge(
            "streams_known", "Streams that have state, in memory or in ecg.state alone"
        )
        self.forgotten = self._counter("streams_forgotten", "Streams that have state no longer", "why")

    def _create_findings(self) -> None:
        self.windows = self._counter("windows", "Windows scored", "kind")
        self.beats = self._counter("beats", "Beats detected")
        self.signal_quality = self._counter("signal_quality_windows", "Windows by signal quality", "quality")
        self.anomalies = self._counter("anomalies", "Windows found anomalous", "kind")
        self.events = self._counter("events", "Events committed to the event topic, not muted", "kind")
        self.muted_events = self._counter(
            "muted_events", "Events committed with the mark of a muted stream; not among the others", "kind"
        )
        self.alarms = self._counter(
            "alarms", "Events that begin something: single ones and episodes' onsets", "kind"
        )
        self.p_value = self._binned("p_value", "p-values of scored windows", P_VALUES)
        self.score = self._binned("score", "Scores of windows: minus log10 p", SCORES)
        self.episodes_open = self._gauge("episodes_open", "Episodes that have begun and not ended")
        self.model = Info("model", "The model in use", namespace=PREFIX, registry=self.registry)

    def _create_timing(self) -> None:
        self.latency = self._histogram(
            "latency_seconds",
            "From the R peak's sample time to the commit of what was found (sample of: event, window)",
            LATENCY_S,
            "sample_of",
        )
        self.stage = self._histogram(
            "stage_seconds", "Time that one batch spends in a stage of the path", STAGE_S, "stage"
        )
        self.batch_records = self._histogram("batch_records", "Records in one batch", BATCH_RECORDS)
        self.worker = Info("worker", "What the worker reads", namespace=PREFIX, registry=self.registry)
        self.up = self._gauge("up", "1 while the main loop runs")
        self.last_loop = self._gauge(
            "last_loop_timestamp_seconds", "When the main loop last came round, since the epoch"
        )
        self.started = self._gauge("start_time_seconds", "When the worker started, since the epoch")

    def _create_kafka(self) -> None:
        place = ("topic", "partition")
        self.lag_records = self._gauge("consumer_lag_records", "Records not yet processed", *place)
        self.lag_seconds = self._gauge(
            "consumer_lag_seconds", "Age of the last record processed while others wait; 0 if none", *place
        )
        self.partitions = self._gauge("partitions_assigned", "Partitions that this worker owns")
        self.topic_partitions = self._gauge("topic_partitions", "Partitions that a topic has", "topic")
        self.pending_records = self._gauge("pending_records", "Input records processed and not committed")
        self.paused = self._gauge("paused", "1 while fetching is paused because commits do not get through")
        self.commits = self._counter("commits", "Commits by how they ended", "outcome")
        self.last_commit = self._gauge(
            "last_commit_timestamp_seconds", "When the last commit succeeded, since the epoch"
        )
        self.rebalances = self._counter("rebalances", "Changes of the assignment", "change")
        self.restores = self._counter("restores", "Streams rebuilt from ecg.state", "outcome")
        self.replayed = self._counter("replayed_records", "Records read again to rebuild state, output muted")
        self.lost_positions = self._counter(
            "lost_positions", "Partitions whose position was of another topic or past its end"
        )
        self.lost_records = self._counter(
            "lost_records", "Input records that retention deleted before they were processed"
        )
        self.snapshot_bytes = self._counter("state_snapshot_bytes", "Bytes of state written to ecg.state")
        self.snapshots = self._counter("state_snapshots", "Snapshots written to ecg.state")

    def _begin_at_zero(self) -> None:
        # A series that appears with its first event has no increase() for an alert to see.
        known: list[tuple[Counter | Histogram, Iterable[str]]] = [
            (self.events, Kind),
            (self.muted_events, Kind),
            (self.profiles, ("taken", "refused")),
            (self.alarms, (kind for kind in Kind if kind is not Kind.SIGNAL_RESTORED)),
            (self.windows, WINDOWS),
            (self.anomalies, ("fixed", Kind.BEAT_MORPHOLOGY, Kind.BEAT_EARLY, Kind.BEAT_LATE)),
            (self.signal_quality, QUALITIES),
            (self.dead_letters, REASONS),
            (self.commits, ("committed", "aborted")),
            (self.rebalances, ("assigned", "revoked", "lost", "again")),
            (self.restores, ("restored", "refused")),
            (self.forgotten, FORGOTTEN),
            (self.latency, ("event", "window")),
            (self.stage, STAGES),
        ]
        for family, labels in known:
            for label in labels:
                family.labels(str(label))

    def count_batch(self, counts: Tally[str]) -> None:
        """Add a detector's counts; names that no collector stands for are a programming error."""
        plain = {
            "samples": self.samples,
            "gaps": self.gaps,
            "duplicates": self.duplicates,
            "reordered": self.reordered,
            "wraps": self.wraps,
            "restarts": self.restarts,
            "conflicts": self.conflicts,
            "beats": self.beats,
        }
        for name, count in counts.items():
            family, _, label = name.partition("_")
            if name in plain:
                plain[name].inc(count)
            elif family == "windows":
                self.windows.labels(label).inc(count)
            elif family == "quality":
                self.signal_quality.labels(label).inc(count)
            else:
                raise ValueError(f"detector counts {name!r}, which is no metric")

    def begin(self, detector: StreamDetector, settings: KafkaSettings) -> None:
        """The worker has started, with this model, for this topic and group."""
        self.model.info({"name": detector.model_name, "version": detector.model_version})
        self.worker.info({"topic": settings.topics.signal, "group": settings.group_id})
        self.up.set(1)
        self.started.set_to_current_time()
        self.last_loop.set_to_current_time()

    def count_start(self, lost: int, astray: bool, refused: int) -> None:
        """Count what was found amiss where a partition is taken up."""
        self.lost_records.inc(lost)
        self.lost_positions.inc(astray)
        self.restores.labels("refused").inc(refused)

    def count_windows(self, windows: ScoredWindows) -> None:
        """Count anomalous windows by kind, and every window's p-value and score."""
        kind = np.array(windows.kind)
        for name, count in zip(*np.unique(kind[windows.anomalous], return_counts=True), strict=True):
            self.anomalies.labels(str(name)).inc(int(count))
        fixed = kind == "fixed"
        for name, rows in zip(WINDOWS, (~fixed, fixed), strict=True):
            self.p_value.add(name, windows.p_value[rows])
            self.score.add(name, windows.score[rows])

    def time_stages(self, seconds: Mapping[str, float]) -> None:
        """Observe one batch's time in each stage."""
        for stage, value in seconds.items():
            self.stage.labels(stage).observe(value)


def new_metrics() -> Metrics:
    """Collectors in a registry of their own, beside the process's CPU, memory and file descriptors."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return Metrics(registry)
