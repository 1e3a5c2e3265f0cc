"""`ecg-monitor run`: the daemon."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from monitor.config import Settings
    from monitor.detect.interface import StreamDetector


def run(
    *,
    config: Annotated[Path | None, typer.Option(help="TOML file of settings.")] = None,
    bootstrap_servers: Annotated[str | None, typer.Option(help="host:port, several with commas.")] = None,
    group_id: Annotated[str | None, typer.Option(help="Consumer group.")] = None,
    instance_id: Annotated[str | None, typer.Option(help="Static membership under this name.")] = None,
    delivery: Annotated[str | None, typer.Option(help="exactly_once or at_least_once.")] = None,
    model: Annotated[Path | None, typer.Option(help="Model folder; the bundled one by default.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Port of /metrics, /healthz, /readyz.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Read ECG from Kafka, write events back, until stopped."""
    from monitor.lifetime import quit_at_once
    from monitor.processes import handling

    # Before torch and numba are loaded. A container's first process would not even hear the signal otherwise.
    with handling(quit_at_once):
        _run(
            config,
            {
                "kafka.bootstrap_servers": bootstrap_servers,
                "kafka.group_id": group_id,
                "kafka.instance_id": instance_id,
                "delivery.mode": delivery,
                "detection.model": model,
                "metrics.port": metrics_port,
                "logging.level": log_level,
            },
        )


def _run(config: Path | None, flags: Mapping[str, Any]) -> None:
    from monitor.config import load_settings
    from monitor.logs import configure_logging

    settings = load_settings(config, flags)
    configure_logging(settings.logging)
    detector = load_detector(settings)
    settle()
    serve(settings, detector)


def load_detector(settings: Settings) -> StreamDetector:
    """The detector with the model and the budget that the settings name, compiled and ready to run."""
    from monitor.detect.detector import Detector
    from monitor.detect.warm_up import warm_up
    from monitor.model.model import load_model

    detection = settings.detection
    model = load_model(detection.model, detection.false_alarm_budget_per_hour)
    warm_up(model)
    return Detector(model)


def settle() -> None:
    """Take what was loaded out of the garbage collector's sight.

    It comes to old objects once a quarter as many have been added to them: beside the hundreds of
    thousands that libraries bring, hardly ever. Until then a client that was replaced, which refers to
    itself, keeps its sockets and buffers. Without them it comes every few seconds, for milliseconds.
    """
    import gc

    gc.collect()
    gc.freeze()


def serve(settings: Settings, detector: StreamDetector) -> None:
    """Run a worker with its metrics server until it is stopped."""
    import logging

    from monitor.processes import inherited_listener
    from monitor.worker.health import Health, HealthServer
    from monitor.worker.metrics import new_metrics
    from monitor.worker.worker import Worker

    metrics = new_metrics()
    health = Health(settings.metrics.stalled_after_s)
    host, port, given = settings.metrics.host, settings.metrics.port, settings.metrics.listen_fd
    listener = None if given is None else inherited_listener(given)
    with HealthServer(host, port, health, metrics.registry, listener) as server:
        logging.getLogger(__name__).info("metrics on http://%s:%d/metrics", host, server.port)
        Worker(settings, detector, metrics, health).run()
