"""Prometheus' and Grafana's files in deploy/ against the code and against the tools that read them."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.metrics import new_metrics
from tests.deploy_files import DEPLOY, read_yaml

PROMETHEUS = DEPLOY / "prometheus"
SUFFIXES = {
    "counter": ["_total"],
    "gauge": [""],
    "histogram": ["_bucket", "_sum", "_count"],
    "info": ["_info"],
}
METRIC_NAME = re.compile(r"(?<![\w:])(?:\w+:)?ecg_monitor_[a-z0-9_]+(?::\w+)?")


def exposed_names() -> set[str]:
    """Names of all time series that a worker can expose."""
    families = new_metrics().registry.collect()
    return {family.name + suffix for family in families for suffix in SUFFIXES[family.type]}


def rules(kind: str) -> list[dict[str, Any]]:
    """All rules with the key `record` or `alert`."""
    groups = read_yaml(PROMETHEUS / "rules.yml")["groups"]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


@pytest.fixture(scope="module")
def board() -> dict[str, Any]:
    """The Fleet dashboard as committed."""
    tree: dict[str, Any] = json.loads((DEPLOY / "grafana/dashboards/fleet.json").read_text(encoding="utf-8"))
    return tree


@pytest.fixture(scope="module")
def promtool() -> str:
    """Debian's promtool; CI must have it."""
    found = shutil.which("promtool")
    if found is None and os.environ.get("CI"):
        pytest.fail("promtool is not installed, and CI must not skip")
    if found is None:
        pytest.skip("promtool is not installed (Debian's package prometheus)")
    return found


def succeed(*command: str | Path) -> None:
    """Run a checker; its output is the failure's message."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "rules.yml"),
        ("test", "rules", "rules_test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_accepts(promtool: str, command: tuple[str, str, str]) -> None:
    """Prometheus itself reads the configuration and the rules, and the rules do what their cases say."""
    succeed(promtool, *command[:2], PROMETHEUS / command[2])


def test_panel_queries_are_promql(promtool: str, board: dict[str, Any], tmp_path: Path) -> None:
    """Prometheus parses every panel's query once Grafana has filled its variables in."""
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    filled = [query.replace("$job", ".*").replace("$__rate_interval", "1m") for query in queries]
    recorded = [{"record": f"panel:query:{number}", "expr": query} for number, query in enumerate(filled)]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}), encoding="utf-8")
    succeed(promtool, "check", "rules", file)


def test_every_alert_has_a_firing_and_a_quiet_case() -> None:
    """rules_test.yml shows each alert firing, and not firing."""
    cases = [
        case for test in read_yaml(PROMETHEUS / "rules_test.yml")["tests"] for case in test["alert_rule_test"]
    ]
    fires = {case["alertname"] for case in cases if case["exp_alerts"]}
    quiet = {case["alertname"] for case in cases if not case["exp_alerts"]}
    assert fires == quiet == {rule["alert"] for rule in rules("alert")}


def test_alerts_say_what_is_wrong() -> None:
    """Each alert has a severity, a summary and a description."""
    for rule in rules("alert"):
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]


def test_recording_rules_are_named_by_level_metric_operation() -> None:
    """Recorded series follow Prometheus' naming, so that a reader knows how they were made."""
    assert all(re.fullmatch(r"job:ecg_monitor_\w+:\w+", rule["record"]) for rule in rules("record"))


def test_metric_names_in_deploy_exist() -> None:
    """Every metric named in a rule, a rule test or a dashboard is exposed by the worker or recorded."""
    known = exposed_names() | {rule["record"] for rule in rules("record")}
    files = [*PROMETHEUS.glob("*.yml"), *DEPLOY.glob("grafana/dashboards/*.json")]
    named = {name for file in files for name in METRIC_NAME.findall(file.read_text(encoding="utf-8"))}
    assert len(named) > 20
    assert named - known == set()


def test_dashboard_is_what_the_builder_builds() -> None:
    """The committed JSON is rebuilt to the letter; edit deploy/grafana/build.py, then `make dashboards`."""
    for name, build in runpy.run_path(str(DEPLOY / "grafana/build.py"))["DASHBOARDS"].items():
        committed = (DEPLOY / f"grafana/dashboards/{name}.json").read_text(encoding="utf-8")
        assert build() == committed


def test_panels_can_be_read(board: dict[str, Any]) -> None:
    """Each panel has a unit, a description of one sentence and words for when there is nothing to show."""
    for panel in board["panels"]:
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["noValue"], panel["title"]
        assert re.fullmatch(r"[A-Z][^.]*\.", panel["description"]), panel["title"]


def test_panels_ask_the_provisioned_source(board: dict[str, Any]) -> None:
    """Dashboards name the data source by the uid under which it is provisioned."""
    provisioned = read_yaml(DEPLOY / "grafana/provisioning/datasources/prometheus.yaml")["datasources"]
    assert {panel["datasource"]["uid"] for panel in board["panels"]} == {provisioned[0]["uid"]}


def test_panels_do_not_overlap(board: dict[str, Any]) -> None:
    """No two panels lie on the same cell of Grafana's grid, which is 24 wide."""
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in board["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
