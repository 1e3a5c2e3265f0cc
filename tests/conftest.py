"""Brokers for every test: real Apache Kafka where KAFKA_HOME is set, noida-db beside or instead of it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

with warnings.catch_warnings():
    # kafka-python 3.0.12 reads its schemas, while it is imported, in a way that Python 3.11 deprecates.
    warnings.simplefilter("ignore", DeprecationWarning)
    import kafka.coordinator.assignors.cooperative_sticky  # noqa: F401

from monitor.broker.embedded import available_kind, embedded_broker
from tests.support.daemon.kafka_node import KafkaNode, kafka_node


def missing(what: str) -> None:
    """Skip, but not in CI."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}: no test may be skipped in CI")
    pytest.skip(what)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A slow test runs where it is asked for: the default run takes five minutes at most."""
    if item.get_closest_marker("slow") is not None and not os.environ.get("ECG_SLOW"):
        missing("ECG_SLOW is not set")


@pytest.fixture(scope="session")
def kafka_broker() -> Iterator[str]:
    """Bootstrap servers of real Apache Kafka."""
    if not os.environ.get("KAFKA_HOME"):
        missing("KAFKA_HOME is not set")
    with embedded_broker("kafka") as servers:
        yield servers


@pytest.fixture
def node(tmp_path: Path) -> Iterator[KafkaNode]:
    """A node of real Apache Kafka that the test may kill."""
    if not os.environ.get("KAFKA_HOME"):
        missing("KAFKA_HOME is not set")
    with kafka_node(tmp_path / "kafka") as node:
        yield node


@pytest.fixture(scope="session")
def noida_broker() -> Iterator[str]:
    """Bootstrap servers of noida-db."""
    if find_spec("noida_db") is None:
        missing("noida-db is not installed")
    with embedded_broker("noida") as servers:
        yield servers


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> str:
    """Bootstrap servers of whichever broker there is, the real one first."""
    kind = available_kind() or "noida"
    return str(request.getfixturevalue(f"{kind}_broker"))


@pytest.fixture(params=["kafka", "noida"])
def each_broker(request: pytest.FixtureRequest) -> str:
    """Bootstrap servers of both brokers, one test after the other."""
    return str(request.getfixturevalue(f"{request.param}_broker"))


@pytest.fixture
def one_thread() -> None:
    """Torch as the worker runs it, and the same weights every time."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
