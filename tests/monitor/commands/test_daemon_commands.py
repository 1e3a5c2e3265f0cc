"""`run`, `check` and `topics`: what they make of settings, and what they say."""

from __future__ import annotations

import gc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from monitor.commands import check, run, topics
from monitor.config import Settings, load_settings
from monitor.errors import ArtifactError, BrokerError
from monitor.worker.worker import Worker
from tests.support.stub_detector import StubDetector


def _fail(error: Exception) -> Any:
    def fail(*_: Any) -> None:
        raise error

    return fail


@pytest.fixture
def _all_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Model, broker, topics and transactions as they should be."""
    monkeypatch.setattr("monitor.model.model.load_model", lambda *_: SimpleNamespace(name="m", version="1"))
    monkeypatch.setattr("monitor.broker.topics.partition_counts", lambda _: {"ecg.signal": 3})
    monkeypatch.setattr("monitor.broker.topics.check_topics", lambda _: None)
    monkeypatch.setattr("monitor.worker.delivery.probe_transactions", lambda _: None)


@pytest.mark.usefixtures("_all_well")
def test_check_says_that_all_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each thing that it tried."""
    check.check(bootstrap_servers="here:9092")
    assert capsys.readouterr().out.splitlines() == [
        "settings: ok",
        "codecs: ok, gzip, snappy, lz4, zstd",
        "model: ok, m 1",
        "broker: ok, here:9092, 1 of our topics",
        "topics: ok, all there, partitions agree",
        "delivery: ok, exactly_once",
    ]


@pytest.mark.usefixtures("_all_well")
def test_check_goes_on_after_a_bad_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is that of the first failure."""
    monkeypatch.setattr("monitor.model.model.load_model", _fail(ArtifactError("tampered with")))
    with pytest.raises(typer.Exit) as left:
        check.check()
    assert left.value.exit_code == 3
    assert "model: tampered with\nbroker: ok" in capsys.readouterr().out


@pytest.mark.usefixtures("_all_well")
def test_check_needs_a_broker_for_the_rest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What can't be known is not said."""
    monkeypatch.setattr("monitor.broker.topics.partition_counts", _fail(BrokerError("cannot be reached")))
    with pytest.raises(typer.Exit) as left:
        check.check()
    assert left.value.exit_code == 4
    assert capsys.readouterr().out.splitlines()[-1] == "broker: cannot be reached"


def test_topics_says_what_it_created(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what was there before; then it checks the whole."""
    asked: list[tuple[int, int]] = []

    def create(_: Any, partitions: int, replication: int) -> list[str]:
        asked.append((partitions, replication))
        return ["a"]

    monkeypatch.setattr("monitor.broker.topics.create_topics", create)
    monkeypatch.setattr("monitor.broker.topics.raise_partitions", lambda *_: {})
    monkeypatch.setattr("monitor.broker.topics.partition_counts", lambda _: {"b": 2, "a": 5})
    monkeypatch.setattr("monitor.broker.topics.check_topics", _fail(BrokerError("b has too few")))
    with pytest.raises(BrokerError, match="b has too few"):
        topics.topics(partitions=5, replication=3)
    assert asked == [(5, 3)]
    assert capsys.readouterr().out == "a: 5 partitions, created\nb: 2 partitions, was there\n"


@pytest.mark.parametrize(("there", "count"), [({}, 12), ({"ecg.signal": 7}, 7)])
def test_without_a_number_new_topics_follow_the_signals(
    monkeypatch: pytest.MonkeyPatch, there: dict[str, int], count: int
) -> None:
    """Those that exist are left as they are."""
    asked: list[int] = []

    def create(_: Any, partitions: int, replication: int) -> list[str]:
        asked.append(partitions)
        return []

    monkeypatch.setattr("monitor.broker.topics.create_topics", create)
    monkeypatch.setattr("monitor.broker.topics.raise_partitions", _fail(AssertionError("raised")))
    monkeypatch.setattr("monitor.broker.topics.partition_counts", lambda _: there)
    monkeypatch.setattr("monitor.broker.topics.check_topics", lambda _: there)
    topics.topics()
    assert asked == [count]


def test_topics_says_what_it_raised(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what that means for the streams."""
    monkeypatch.setattr("monitor.broker.topics.create_topics", lambda *_: [])
    monkeypatch.setattr("monitor.broker.topics.raise_partitions", lambda *_: {"ecg.signal": 3})
    monkeypatch.setattr("monitor.broker.topics.partition_counts", lambda _: {"ecg.signal": 5})
    monkeypatch.setattr("monitor.broker.topics.check_topics", lambda _: None)
    topics.topics(partitions=5)
    first, second = capsys.readouterr().out.splitlines()
    assert first == "ecg.signal: 5 partitions, raised from 3"
    assert "begin afresh" in second


def test_flags_of_run_reach_the_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Those that are not given change nothing."""
    served: list[Settings] = []
    monkeypatch.setattr("monitor.commands.run.load_detector", lambda _: StubDetector())
    monkeypatch.setattr("monitor.commands.run.serve", lambda settings, _: served.append(settings))
    monkeypatch.setattr("monitor.logs.configure_logging", lambda _: None)
    run.run(group_id="mine", delivery="at_least_once", metrics_port=0, model=tmp_path)
    (settings,) = served
    assert (settings.kafka.group_id, settings.kafka.bootstrap_servers) == ("mine", "localhost:9092")
    assert (settings.delivery.mode, settings.metrics.port) == ("at_least_once", 0)
    assert settings.detection.model == tmp_path


def test_the_detector_gets_model_and_budget(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """From the settings and nowhere else; that model is what is warmed up."""
    given: list[Any] = []
    warmed: list[Any] = []
    monkeypatch.setattr("monitor.model.model.load_model", lambda *arguments: arguments)
    monkeypatch.setattr("monitor.detect.detector.Detector", given.append)
    monkeypatch.setattr("monitor.detect.warm_up.warm_up", warmed.append)
    flags = {"detection.false_alarm_budget_per_hour": 2.0, "detection.model": tmp_path}
    run.load_detector(load_settings(None, flags))
    assert given == warmed == [(tmp_path, 2.0)]


def test_serving_is_a_worker_with_its_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a free port where 0 was asked for."""
    ran: list[Worker] = []

    def note(worker: Worker) -> None:
        ran.append(worker)

    monkeypatch.setattr("monitor.worker.worker.Worker.run", note)
    run.serve(load_settings(None, {"metrics.port": 0}), StubDetector())
    assert len(ran) == 1


def test_what_was_loaded_is_not_looked_through_again() -> None:
    """Otherwise clients that were replaced keep sockets and memory for an hour."""
    gc.unfreeze()  # what `run` froze in other tests
    loaded = len(gc.get_objects())
    try:
        run.settle()
        assert gc.get_freeze_count() > loaded / 2
        assert len(gc.get_objects()) < loaded / 10
    finally:
        gc.unfreeze()
