"""deploy/grafana: the dashboards as JSON are those that the builder builds, and can be read."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.deploy_files import read_yaml
from tests.support.observability import BOARD_FILES, GRAFANA, boards, metric_names, panels
from tests.support.observability import filled as fill

PANELS = pytest.mark.parametrize(
    ("name", "panel"), panels(), ids=[f"{name}-{panel['title']}" for name, panel in panels()]
)
# What the issue asks of each dashboard, as the metric that shows it.
SHOWN = {
    "fleet": {
        "ecg_monitor_streams_active",
        "ecg_monitor_windows_total",
        "ecg_monitor_consumer_lag_seconds",
        "ecg_monitor_latency_seconds_bucket",
        "ecg_monitor_stage_seconds_sum",
        "ecg_monitor_dead_letters_total",
        "ecg_monitor_signal_quality_windows_total",
        "ecg_monitor_rebalances_total",
        "ecg_monitor_model_info",
    },
    "detection": {
        "ecg_monitor_anomalies_total",
        "ecg_monitor_p_value_bucket",
        "ecg_monitor_score_sum",
        "ecg_monitor_alarms_total",
        "ecg_monitor_signal_seconds_total",
        "ecg_monitor_episodes_open",
    },
    "training": {
        "ecg_train_last_success_timestamp_seconds",
        "ecg_train_duration_seconds",
        "ecg_train_measure",
        "ecg_train_data_timestamp_seconds",
    },
}


def test_dashboards_are_what_the_builder_builds(tmp_path: Path) -> None:
    """The committed JSON is rebuilt to the letter; edit deploy/grafana/*.py, then `make dashboards`."""
    subprocess.run([sys.executable, GRAFANA / "build.py", tmp_path], check=True, timeout=60)
    built = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert built == {path.name: path.read_text(encoding="utf-8") for path in BOARD_FILES}


def test_there_is_a_dashboard_for_each_question() -> None:
    """Each shows what it is for."""
    for name, wanted in SHOWN.items():
        targets = [target for board, panel in panels() if board == name for target in panel["targets"]]
        assert wanted <= {metric for one in targets for metric in metric_names(fill(one["expr"]))}, name
    assert set(boards()) == set(SHOWN)


@PANELS
def test_panels_can_be_read(name: str, panel: dict[str, Any]) -> None:
    """A unit, a description of one sentence, words for when there is nothing to show, and a query."""
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["fieldConfig"]["defaults"]["noValue"]
    assert re.fullmatch(r"[A-Z][^.]*(\.\d[^.]*)*\.", panel["description"])
    assert panel["targets"]
    # Without any, Grafana turns whatever reaches 80 red.
    assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"]


@PANELS
def test_panels_ask_the_provisioned_source(name: str, panel: dict[str, Any]) -> None:
    """By the uid under which it is provisioned."""
    provisioned = read_yaml(GRAFANA / "provisioning/datasources/prometheus.yaml")["datasources"]
    assert panel["datasource"]["uid"] == provisioned[0]["uid"]


@PANELS
def test_panels_follow_the_variables(name: str, panel: dict[str, Any]) -> None:
    """Every series that a panel asks for is of the chosen clusters; a constant line has none."""
    for target in panel["targets"]:
        for selector in re.findall(r"\b\w*:?ecg_[\w:]+(\{[^}]*\})?", target["expr"]):
            assert 'cluster=~"$cluster"' in selector, target["expr"]


@pytest.mark.parametrize("name", SHOWN)
def test_dashboards_have_variables_and_marks(name: str) -> None:
    """Cluster and topic can be chosen, and model changes and rebalances are marked."""
    board = boards()[name]
    variables = {one["name"]: one for one in board["templating"]["list"]}
    assert {"cluster", "topic", "instance"} <= set(variables)
    assert 'topic=~"$topic"' in variables["instance"]["query"]
    assert [one["name"] for one in board["annotations"]["list"]] == ["Model changes", "Rebalances"]
    used = set(re.findall(r"\$(\w+)", str(board["panels"]))) - {"__rate_interval", "__range"}
    assert used <= set(variables)


@pytest.mark.parametrize("name", SHOWN)
def test_panels_do_not_overlap(name: str) -> None:
    """No two panels lie on the same cell of Grafana's grid, which is 24 wide."""
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in boards()[name]["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
