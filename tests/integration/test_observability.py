"""Prometheus over workers that work: every query has an answer, and every fault its alert.

One plant for all tests, in their order: first all is well, then one fault after another.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from kafka import TopicPartition

from monitor.broker.clients import open_admin
from monitor.formats.chunks import Lead
from monitor.recordings.excerpt import read_excerpt
from monitor.recordings.recording import encoded_chunks
from tests.support.daemon.harness import START_US, chunk, wait_until, worker
from tests.support.daemon.plant import INSTANCE, RECORDS, Plant, running_plant
from tests.support.daemon.prometheus import WINDOW
from tests.support.deploy_files import read_yaml
from tests.support.observability import boards, comparison_sides, filled, panels

# The first one also waits for the broker and for three windows of data.
pytestmark = [pytest.mark.integration, pytest.mark.kafka, pytest.mark.timeout(180)]
SINCE_S = 600.0  # longer than the plant runs


@pytest.fixture(scope="module")
def plant(kafka_broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """A ward of two workers and sixteen streams, and all that watches it."""
    with running_plant(kafka_broker, tmp_path_factory.mktemp("plant")) as running:
        yield running


def _await_data(plant: Plant, queries: dict[str, str]) -> None:
    """Wait until every query returns numbers; names those that do not."""
    waiting = dict(queries)

    def answered() -> bool:
        for place in [place for place, query in waiting.items() if plant.prometheus.query(query)]:
            del waiting[place]
        return not waiting

    try:
        wait_until(answered, 70, "data")
    except AssertionError as exc:
        raise AssertionError(f"no data: {waiting}") from exc


def _rules(plant: Plant) -> list[dict[str, Any]]:
    files = sorted(plant.textfile.parents[1].glob("rules/*.yml"))
    return [rule for path in files for group in read_yaml(path)["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("name", boards())
def test_every_query_of_every_panel_returns_data(plant: Plant, name: str) -> None:
    """With every variable at All, over what the workers, the replay and training give."""
    shown = [panel for board, panel in panels() if board == name]
    queries = {
        f"{panel['title']} {target['refId']}": filled(target["expr"], WINDOW)
        for panel in shown
        for target in panel["targets"]
    }
    assert len(queries) >= len(shown) > 5
    _await_data(plant, queries)


def test_every_recording_rule_returns_data(plant: Plant) -> None:
    """By the name under which it is recorded."""
    recorded = {rule["record"]: rule["record"] for rule in _rules(plant) if "record" in rule}
    assert len(recorded) == 7
    _await_data(plant, recorded)


def test_both_sides_of_every_comparison_return_data(plant: Plant) -> None:
    """An alert that compares something with nothing would never fire."""
    alerts = [rule for rule in _rules(plant) if "alert" in rule]
    sides = {
        f"{rule['alert']} {number}": side
        for rule in alerts
        for number, side in enumerate(comparison_sides(rule["expr"]))
    }
    assert len(sides) >= 2 * len(alerts)
    _await_data(plant, sides)


def test_model_changes_and_rebalances_are_marked(plant: Plant) -> None:
    """The workers came under Prometheus' eyes, and shared the partitions."""
    for one in boards()["fleet"]["annotations"]["list"]:
        assert plant.prometheus.count(filled(one["expr"]), SINCE_S) > 0, one["name"]


def test_a_fleet_unlike_the_calibration_is_drift(plant: Plant) -> None:
    """Copies of a man with an ectopic beat in three are no normal ECG."""
    plant.prometheus.await_alert("EcgMonitorPValuesNotUniform")


def test_a_worker_too_slow_for_its_input_falls_behind(plant: Plant) -> None:
    """It advances, so only its lag tells."""
    plant.prometheus.await_alert("EcgMonitorLagGrowing")


def test_input_deleted_unread_is_noticed(plant: Plant) -> None:
    """The slow worker comes back and finds that retention has overtaken it."""
    place = TopicPartition(plant.slow.topic("signal"), 0)
    admin = open_admin(plant.slow.settings().kafka)
    admin.delete_records({place: RECORDS - 10})
    admin.close()
    plant.workers[2].end(signal.SIGKILL)
    plant.workers[2] = plant.enter(worker(plant.slow, INSTANCE))
    plant.prometheus.await_alert("EcgMonitorRecordsLost")


def test_commits_that_are_refused_are_noticed(plant: Plant) -> None:
    """The worker's loop goes on, with records in hand."""
    plant.prometheus.await_alert("EcgMonitorNotCommitting")


def test_a_worker_that_hangs_does_not_advance(plant: Plant) -> None:
    """Its metrics are served all the same."""
    plant.prometheus.await_alert("EcgMonitorNotAdvancing")


def test_bad_records_are_noticed(plant: Plant) -> None:
    """By their share."""
    plant.prometheus.await_quiet("EcgMonitorDeadLetters")
    plant.bench.send((f"bad-{number}", b"\xc1") for number in range(200))
    plant.prometheus.await_alert("EcgMonitorDeadLetters")


def test_late_events_are_noticed(plant: Plant) -> None:
    """Chunks that bear times of long ago, with ectopic beats in them."""
    values = list(encoded_chunks(read_excerpt(), 1.0, stream="late", start_us=START_US))[:90]
    plant.bench.send(("late", value) for value in values)
    plant.prometheus.await_alert("EcgMonitorEventLatencyHigh")


def test_signal_that_cannot_be_judged_is_noticed(plant: Plant) -> None:
    """Leads that fall off everywhere."""
    plant.prometheus.await_quiet("EcgMonitorSignalQualityLow")
    off = np.full((250, 1), -32768, np.int16)
    streams = [f"off-{number}" for number in range(20)]
    for number in range(0, 90, 30):
        plant.bench.send(
            (stream, chunk(stream, at, adc=off, leads=(Lead("II"),)))
            for at in range(number, number + 30)
            for stream in streams
        )
    plant.prometheus.await_alert("EcgMonitorSignalQualityLow")


def test_silence_is_noticed(plant: Plant) -> None:
    """The replay ends, and nobody says so."""
    plant.stop_replay()
    plant.prometheus.await_alert("EcgMonitorStreamsSilent")


def test_training_long_ago_is_noticed(plant: Plant) -> None:
    """By the time of the last fit that succeeded."""
    plant.prometheus.await_quiet("EcgTrainOverdue")
    text = plant.textfile.read_text(encoding="utf-8")
    old = re.sub(r'(last_success_timestamp_seconds\{command="fit".*\}) .*', r"\1 1e9", text)
    assert old != text
    plant.textfile.write_text(old, encoding="utf-8")
    plant.prometheus.await_alert("EcgTrainOverdue")


def test_a_model_that_nobody_trained_is_noticed(plant: Plant) -> None:
    """Training's file is gone."""
    plant.textfile.unlink()
    plant.prometheus.await_alert("EcgTrainModelMissing")


def test_a_page_that_is_not_served_is_noticed(plant: Plant) -> None:
    """Its process has ended."""
    plant.prometheus.await_quiet("EcgWebDown")
    plant.web.end()
    plant.prometheus.await_alert("EcgWebDown")


def test_a_worker_that_dies_is_noticed(plant: Plant) -> None:
    """While others work on; then all are gone."""
    plant.prometheus.await_quiet("EcgMonitorDown")
    plant.workers[1].end()
    plant.prometheus.await_alert("EcgMonitorDown")
    assert "EcgMonitorAbsent" not in plant.prometheus.firing()
    for running in plant.workers:
        running.end(signal.SIGKILL)
    plant.prometheus.await_alert("EcgMonitorAbsent")
