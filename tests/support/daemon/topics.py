"""Topics that no other test uses."""

from __future__ import annotations

import uuid

from monitor.broker.topics import create_topics
from monitor.config import KafkaSettings, Topics


def own_topics(servers: str, partitions: int) -> KafkaSettings:
    """Settings of topics and a group of the test's own; the topics are there, with so many partitions."""
    own = uuid.uuid4().hex[:8]
    topics = Topics(**{name: f"{own}.{name}" for name in Topics.model_fields})
    settings = KafkaSettings(bootstrap_servers=servers, topics=topics, group_id=own)
    create_topics(settings, partitions)
    return settings
