"""deploy/ against the code and against the tools that read it; nothing here needs a Docker engine."""

from __future__ import annotations

import importlib
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from monitor.config import MetricsSettings, load_settings
from monitor.metrics import new_metrics

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
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


def subcommands(program: str) -> dict[str, Any]:
    """The commands of `ecg-monitor` or `ecg-train` by name."""
    package = {"ecg-monitor": "monitor", "ecg-train": "training"}[program]
    group: Any = typer.main.get_command(importlib.import_module(f"{package}.cli").app)
    commands: dict[str, Any] = group.commands
    return commands


def options(command: Any) -> set[str]:
    """All option names of a command, --help included."""
    return {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help"}


def read_yaml(path: Path) -> Any:
    """The one document in a YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rules(kind: str) -> list[dict[str, Any]]:
    """All rules with the key `record` or `alert`."""
    groups = read_yaml(PROMETHEUS / "rules.yml")["groups"]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """A Dockerfile's instructions with their arguments, continued lines joined, comments left out."""
    lines = (DEPLOY / dockerfile).read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    parts = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(name, rest) for name, rest in parts]


def last_stage(dockerfile: str) -> dict[str, str]:
    """What the image that is built by default ends up with, its base stages' settings included."""
    stages: dict[str, dict[str, str]] = {}
    now: dict[str, str] = {}
    for name, rest in instructions(dockerfile):
        if name == "FROM":
            base, _, label = rest.split()
            now = stages[label] = dict(stages.get(base, {}))
        now[name] = rest
    return now


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The compose file's services."""
    services: dict[str, Any] = read_yaml(DEPLOY / "compose.yaml")["services"]
    return services


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


def test_compose_fits_its_schema() -> None:
    """The compose file is what the Compose Specification allows."""
    schema = ["--builtin-schema", "vendor.compose-spec"]
    succeed(sys.executable, "-m", "check_jsonschema", *schema, DEPLOY / "compose.yaml")


def test_compose_settings_are_known(compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every ECG_MONITOR_ variable in the compose file and the image is a setting of the daemon."""
    variables: dict[str, str] = {}
    for service in compose.values():
        variables |= service.get("environment", {})
    variables |= dict(re.findall(r"(ECG_MONITOR_\w+)=(\S+)", last_stage("Dockerfile")["ENV"]))
    for name, value in variables.items():
        if name.startswith("ECG_MONITOR_"):
            monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.kafka.bootstrap_servers == "kafka:9092"
    assert settings.metrics.host == "0.0.0.0"


def test_compose_mounts_exist(compose: dict[str, Any]) -> None:
    """Every file or folder that a service mounts is in the repository."""
    mounts = [volume for service in compose.values() for volume in service.get("volumes", [])]
    local = [mount.split(":")[0] for mount in mounts if mount.startswith("./")]
    assert local
    assert [path for path in local if not (DEPLOY / path).exists()] == []


def test_compose_ports_are_on_loopback(compose: dict[str, Any]) -> None:
    """Nothing in the trial set-up can be reached from another machine."""
    ports = [port for service in compose.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_compose_runs_our_images_locked_down(compose: dict[str, Any]) -> None:
    """Our containers have a read-only root, no capabilities and no way to gain any."""
    ours = [service for service in compose.values() if service["image"].startswith("ecg-monitor")]
    assert len(ours) == 3
    for service in ours:
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_containers_run_commands_that_exist(compose: dict[str, Any]) -> None:
    """Images and services start subcommands of ecg-monitor."""
    started = {service["command"][0] for name, service in compose.items() if name in ("topics", "worker")}
    started |= {json.loads(rest)[0] for name, rest in instructions("Dockerfile") if name == "CMD"}
    assert started == {"topics", "run", "replay"}
    assert started <= set(subcommands("ecg-monitor"))


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    """The pod of the scheduled training job."""
    documents = yaml.safe_load_all((DEPLOY / "kubernetes/training-cronjob.yaml").read_text(encoding="utf-8"))
    cronjob = next(one for one in documents if one["kind"] == "CronJob")
    assert cronjob["spec"]["concurrencyPolicy"] == "Forbid"
    pod: dict[str, Any] = cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return pod


def test_training_job_runs_commands_that_exist(job: dict[str, Any]) -> None:
    """The scheduled job fetches, fits, calibrates and evaluates, with options that ecg-train takes."""
    script = job["containers"][0]["args"][0].replace("\\\n", " ")
    lines = [shlex.split(line) for line in script.splitlines() if line.startswith("ecg-train")]
    assert [words[1] for words in lines] == ["data", "fit", "calibrate", "evaluate"]
    for _, name, *rest in lines:
        assert {word for word in rest if word.startswith("--")} <= options(subcommands("ecg-train")[name]), (
            name
        )


def test_training_job_is_locked_down(job: dict[str, Any]) -> None:
    """The job's pod meets Kubernetes' restricted profile, and its mounts have their volumes."""
    container = job["containers"][0]
    assert job["securityContext"]["runAsNonRoot"] is True
    assert job["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == {one["name"] for one in job["volumes"]}


def test_prometheus_scrapes_the_worker(compose: dict[str, Any]) -> None:
    """The scrape target is the compose file's worker at the daemon's own port."""
    jobs = read_yaml(PROMETHEUS / "prometheus.yml")["scrape_configs"]
    targets = [target for job in jobs for one in job["static_configs"] for target in one["targets"]]
    assert targets == [f"worker:{MetricsSettings().port}"]
    assert "worker" in compose


@pytest.mark.parametrize("dockerfile", ["Dockerfile", "training.Dockerfile"])
def test_images_do_not_run_as_root(dockerfile: str) -> None:
    """The default image runs as a user with a number that is not 0."""
    user = last_stage(dockerfile)["USER"]
    assert int(user.split(":")[0]) > 0


def test_worker_image_is_healthy_by_healthz() -> None:
    """The worker's health check asks /healthz at the port that it serves."""
    stage = last_stage("Dockerfile")
    assert f"http://127.0.0.1:{MetricsSettings().port}/healthz" in stage["HEALTHCHECK"]
    assert stage["EXPOSE"] == str(MetricsSettings().port)


def test_worker_image_has_no_training() -> None:
    """Neither a COPY nor the build context brings training/ into the worker image."""
    copied = [rest.split()[0] for name, rest in instructions("Dockerfile") if name == "COPY"]
    assert not [source for source in copied if source.startswith((".", "training"))]
    ignore = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    assert "*" in ignore
    assert not [line for line in ignore if line.startswith("!training")]


@pytest.mark.parametrize("dockerfile", ["Dockerfile", "training.Dockerfile"])
def test_build_context_holds_what_is_copied(dockerfile: str) -> None:
    """Every file that a Dockerfile copies exists and passes its ignore file."""
    allowed = (DEPLOY / f"{dockerfile}.dockerignore").read_text(encoding="utf-8").split()
    for name, rest in instructions(dockerfile):
        if name == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert "!" + source.rstrip("/") in allowed, source


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
