"""`ecg-monitor check`: would the daemon start here?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from monitor.errors import MonitorError


def check(
    config: Annotated[Path | None, typer.Option(help="TOML file of settings.")] = None,
    bootstrap_servers: Annotated[str | None, typer.Option(help="host:port, several with commas.")] = None,
) -> None:
    """Validate settings, model, broker and topics; say what is wrong and exit with its code."""
    from monitor.config import load_settings

    settings = load_settings(config, {"kafka.bootstrap_servers": bootstrap_servers})
    print("settings: ok")

    def model() -> str:
        from monitor.model.model import load_model

        found = load_model(settings.detection.model, settings.detection.false_alarm_budget_per_hour)
        return f"{found.name} {found.version}"

    def broker() -> str:
        from monitor.broker.topics import partition_counts

        counts = partition_counts(settings.kafka)
        return f"{settings.kafka.bootstrap_servers}, {len(counts)} of our topics"

    def topics() -> str:
        from monitor.broker.topics import check_topics

        check_topics(settings)
        return "all there, partitions agree"

    def transactions() -> str:
        from monitor.worker.delivery import probe_transactions

        probe_transactions(settings)
        return settings.delivery.mode

    failures = [_report("codecs", _codecs), _report("model", model), _report("broker", broker)]
    if failures[-1] == 0:
        failures += [_report("topics", topics), _report("delivery", transactions)]
    code = next(filter(None, failures), 0)
    if code:
        raise typer.Exit(code)


def _codecs() -> str:
    from monitor.broker.unreadable import codecs_here

    return codecs_here()


def _report(what: str, probe: Callable[[], str]) -> int:
    try:
        print(f"{what}: ok, {probe()}")
    except MonitorError as error:
        print(f"{what}: {error}")
        return error.exit_code
    return 0
