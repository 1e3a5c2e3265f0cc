"""What the page's server says of itself to Prometheus."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, PlatformCollector, ProcessCollector


@dataclass(frozen=True, slots=True)
class WebMetrics:
    """Collectors of one server, in a registry of their own."""

    registry: CollectorRegistry
    clients: Gauge
    frames_sent: Counter
    frames_lost: Counter
    streams: Gauge
    stale_streams: Gauge
    signal_bytes: Gauge
    events_held: Gauge
    refused: Counter
    records: Counter  # by topic
    bad_records: Counter  # by topic
    poll_errors: Counter
    broker_up: Gauge
    model_runs: Counter  # by outcome


def new_web_metrics() -> WebMetrics:
    """Fresh collectors with this process's own."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)

    def gauge(name: str, what: str) -> Gauge:
        return Gauge(f"ecg_web_{name}", what, registry=registry)

    def counter(name: str, what: str, *labels: str) -> Counter:
        return Counter(f"ecg_web_{name}", what, labels, registry=registry)

    return WebMetrics(
        registry=registry,
        clients=gauge("clients", "Browsers that are connected to the live data."),
        frames_sent=counter("frames_sent", "Signal frames sent to browsers."),
        frames_lost=counter("frames_lost", "Signal frames left out because a browser was slow."),
        streams=gauge("streams", "Streams of which signal is held."),
        stale_streams=gauge("stale_streams", "Streams whose next chunk is overdue."),
        signal_bytes=gauge("signal_bytes", "Bytes of signal, windows and frames held in memory."),
        events_held=gauge("events_held", "Events held in memory."),
        refused=counter(
            "refused_records",
            "Records, windows and settings of streams beyond web.max_streams"
            " or what memory there is for them, not kept.",
        ),
        records=counter("records_read", "Records read from Kafka.", "topic"),
        bad_records=counter("bad_records", "Records that could not be read and were left out.", "topic"),
        poll_errors=counter("poll_errors", "Times that reading from Kafka failed and was begun again."),
        broker_up=gauge("broker_up", "1 while the broker answers."),
        model_runs=counter(
            "model_runs", "Runs of the model over a strip, by outcome: done, refused, too_long.", "outcome"
        ),
    )
