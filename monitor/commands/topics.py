"""`ecg-monitor topics`: create the missing topics, and say what is wrong with the others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def topics(
    config: Annotated[Path | None, typer.Option(help="TOML file of settings.")] = None,
    bootstrap_servers: Annotated[str | None, typer.Option(help="host:port, several with commas.")] = None,
    partitions: Annotated[int, typer.Option(min=1, help="Of each topic that follows the streams.")] = 12,
    replication: Annotated[int, typer.Option(min=-1, help="Copies of each record; -1: broker's own.")] = -1,
) -> None:
    """Create the Kafka topics with settings that suit them; those that exist are left as they are."""
    from monitor.broker.topics import check_topics, create_topics, partition_counts
    from monitor.config import load_settings

    settings = load_settings(config, {"kafka.bootstrap_servers": bootstrap_servers})
    created = create_topics(settings.kafka, partitions, replication)
    for name, count in sorted(partition_counts(settings.kafka).items()):
        print(f"{name}: {count} partitions, {'created' if name in created else 'was there'}")
    check_topics(settings)
