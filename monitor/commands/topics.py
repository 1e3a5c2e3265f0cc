"""`ecg-monitor topics`: create the missing topics, raise their partitions, and say what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def topics(
    config: Annotated[Path | None, typer.Option(help="TOML file of settings.")] = None,
    bootstrap_servers: Annotated[str | None, typer.Option(help="host:port, several with commas.")] = None,
    partitions: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Of each topic that follows the streams: topics that have fewer are raised, all together. "
            "By default new ones get as many as the topic of the signal has, or 12.",
        ),
    ] = None,
    replication: Annotated[int, typer.Option(min=-1, help="Copies of each record; -1: broker's own.")] = -1,
) -> None:
    """Create the Kafka topics with settings that suit them; those that exist keep theirs."""
    from monitor.broker.topics import (
        PARTITIONS,
        check_topics,
        create_topics,
        partition_counts,
        raise_partitions,
    )
    from monitor.config import load_settings

    settings = load_settings(config, {"kafka.bootstrap_servers": bootstrap_servers})
    kafka = settings.kafka
    raised = {} if partitions is None else raise_partitions(kafka, partitions)
    count = partitions or partition_counts(kafka).get(kafka.topics.signal, PARTITIONS)
    created = create_topics(kafka, count, replication)
    for name, has in sorted(partition_counts(kafka).items()):
        had = f"raised from {raised[name]}" if name in raised else "was there"
        print(f"{name}: {has} partitions, {'created' if name in created else had}")
    if kafka.topics.signal in raised:
        print(
            "streams whose partition changes with the number begin afresh in the new one "
            "(docs/operations.md, More partitions)"
        )
    check_topics(settings)
