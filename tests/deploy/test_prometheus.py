"""deploy/prometheus against Prometheus' own checker, the runbook and the names in the code."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from monitor.config import MetricsSettings
from monitor.worker.metrics import new_metrics
from tests.conftest import missing
from tests.support.deploy_files import read_yaml
from tests.support.observability import (
    BOARD_FILES,
    CASE_FILES,
    METRIC_NAME,
    PROMETHEUS,
    RULE_FILES,
    exposed_names,
    filled,
    metric_names,
    nodes,
    panel_queries,
    rules,
)
from tests.support.project import ROOT

RUNBOOK = ROOT / "docs" / "runbook.md"
DOC = ROOT / "docs" / "metrics.md"
CLIENT = {"process_cpu_seconds_total", "process_resident_memory_bytes", "up"}  # not ours, and there


@pytest.fixture(scope="module")
def promtool() -> str:
    """Debian's promtool; CI must have it."""
    found = shutil.which("promtool")
    if found is None:
        missing("promtool is not installed (Debian's package prometheus)")
    return str(found)


def succeed(*command: str | Path, words: str = "") -> None:
    """Run a checker on what is fed to it; its output is the failure's message."""
    done = subprocess.run(command, input=words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def cases() -> list[dict[str, Any]]:
    """Every moment at which a case asks for an alert."""
    tests = [test for path in CASE_FILES for test in read_yaml(path)["tests"]]
    return [case for test in tests for case in test.get("alert_rule_test", [])]


def test_prometheus_reads_its_configuration(promtool: str) -> None:
    """With every rule file that it names."""
    succeed(promtool, "check", "config", PROMETHEUS / "prometheus.yml")
    (pattern,) = read_yaml(PROMETHEUS / "prometheus.yml")["rule_files"]
    assert sorted(PROMETHEUS.glob(pattern)) == RULE_FILES


def test_prometheus_reads_the_rules(promtool: str) -> None:
    """Each file."""
    assert len(RULE_FILES) == 5
    succeed(promtool, "check", "rules", *RULE_FILES)


@pytest.mark.parametrize("path", CASE_FILES, ids=lambda path: path.stem)
def test_rules_do_what_their_cases_say(promtool: str, path: Path) -> None:
    """Known series in, alerts and recorded values out."""
    succeed(promtool, "test", "rules", path)


def test_a_case_that_is_wrong_is_noticed(promtool: str, tmp_path: Path) -> None:
    """The checker can fail."""
    text = (PROMETHEUS / "tests" / "recorded.yml").read_text(encoding="utf-8")
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(
        text.replace("../rules", str(PROMETHEUS / "rules")).replace("value: 0.05", "value: 0.06")
    )
    with pytest.raises(AssertionError, match="6E-02"):
        succeed(promtool, "test", "rules", wrong)


def test_prometheus_reads_what_the_worker_serves(promtool: str) -> None:
    """Names, help and types of /metrics follow Prometheus' conventions."""
    succeed(promtool, "check", "metrics", words=generate_latest(new_metrics().registry).decode())


def test_every_alert_has_a_firing_and_a_quiet_case() -> None:
    """The cases show each alert firing, and not firing."""
    fires = {case["alertname"] for case in cases() if case["exp_alerts"]}
    quiet = {case["alertname"] for case in cases() if not case["exp_alerts"]}
    assert fires == quiet == {rule["alert"] for rule in rules("alert")}


def test_every_recording_rule_has_a_case() -> None:
    """The cases show a value of each recorded series."""
    text = (PROMETHEUS / "tests" / "recorded.yml").read_text(encoding="utf-8")
    assert {rule["record"] for rule in rules("record")} <= set(METRIC_NAME.findall(text))


def test_alerts_say_what_is_wrong_and_where_to_read_on() -> None:
    """Each alert has a severity, a summary, a description and its own section of the runbook."""
    for rule in rules("alert"):
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}, rule["alert"]
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"


def test_the_runbook_has_a_section_for_each_alert() -> None:
    """Each says what it means, what to look at and what to do; and there is none for another."""
    _, *sections = RUNBOOK.read_text(encoding="utf-8").split("\n## ")
    named = {section.split("\n")[0]: section for section in sections}
    assert set(named) == {rule["alert"] for rule in rules("alert")}
    for name, section in named.items():
        assert re.findall(r"^\*\*(.+?)\*\*:", section, re.M) == ["Means", "Look at", "Do"], name


def test_the_runbook_names_panels_that_exist() -> None:
    """Everything in italics is a dashboard or a panel's title."""
    titles = {panel.split(": ")[1] for panel, _ in panel_queries()} | {"Fleet", "Detection", "Training"}
    named = re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", RUNBOOK.read_text(encoding="utf-8"))
    assert len(named) > 20
    assert set(named) <= titles


def test_recording_rules_are_named_by_level_metric_operation() -> None:
    """Recorded series follow Prometheus' naming, their level being the labels that are left."""
    for rule in rules("record"):
        level, metric, operation = rule["record"].split(":")
        assert set(level.split("_")) <= {"cluster", "le"}, rule["record"]
        assert re.fullmatch(r"ecg_monitor_\w+", metric), rule["record"]
        assert re.fullmatch(r"\w+(5m|1h)", operation), rule["record"]


@pytest.mark.parametrize(
    "rule", rules("record") + rules("alert"), ids=lambda rule: str(rule.get("record", rule.get("alert")))
)
def test_rules_are_promql_over_metrics_that_exist(rule: dict[str, Any]) -> None:
    """A parser other than Prometheus' own reads each rule, and what it selects is exposed or recorded."""
    named = metric_names(rule["expr"])
    assert named
    assert named <= exposed_names() | CLIENT | {one["record"] for one in rules("record")}


def test_panels_are_promql_over_metrics_that_exist(promtool: str, tmp_path: Path) -> None:
    """Both parsers read every panel's and annotation's query once Grafana has filled its variables in."""
    known = exposed_names() | CLIENT | {rule["record"] for rule in rules("record")}
    queries = [(place, filled(query)) for place, query in panel_queries()]
    for place, query in queries:
        assert metric_names(query) <= known, place
    recorded = [{"record": f"panel:query:{at}", "expr": query} for at, (_, query) in enumerate(queries)]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}), encoding="utf-8")
    succeed(promtool, "check", "rules", file)


def test_a_query_that_is_wrong_is_noticed() -> None:
    """The parser can fail."""
    with pytest.raises(ValueError, match="parenthesis"):
        list(nodes("sum by (rate(x[5m])"))


def test_no_name_is_unknown_and_none_is_undocumented() -> None:
    """Rules, cases, boards and pages name only what is exposed or recorded; metrics.md names all of it."""
    known = exposed_names() | {rule["record"] for rule in rules("record")}
    pages = [*ROOT.glob("docs/*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"]
    for file in [*RULE_FILES, *CASE_FILES, *BOARD_FILES, *pages]:
        assert set(METRIC_NAME.findall(file.read_text(encoding="utf-8"))) <= known, file
    documented = set(METRIC_NAME.findall(DOC.read_text(encoding="utf-8")))
    siblings = {name.removesuffix("_bucket") + end for name in documented for end in ("_sum", "_count")}
    assert known - documented - siblings == set()


def test_prometheus_scrapes_what_the_programs_serve() -> None:
    """The jobs that the rules name, the workers at the daemon's own port; each target has its cluster."""
    jobs = {job["job_name"]: job for job in read_yaml(PROMETHEUS / "prometheus.yml")["scrape_configs"]}
    assert set(jobs) == {"ecg-monitor", "ecg-train", "ecg-web"}
    (workers,) = jobs["ecg-monitor"]["dns_sd_configs"]
    assert workers["port"] == MetricsSettings().port
    assert jobs["ecg-train"]["honor_labels"] is True
    for job in jobs.values():
        assert [one["target_label"] for one in job["relabel_configs"]] == ["cluster"]
