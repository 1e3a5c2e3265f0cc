"""deploy/compose.yaml against its schema, the repository, the images and our own commands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from monitor.config import load_settings
from tests.support.deploy_files import DEPLOY, last_stage, parse, read_yaml, services, stages

SERVICES = services()
# Those built here, by image: the stage that compose asks for.
OURS = {"ecg-monitor": "worker", "ecg-monitor-demo": "demo", "ecg-monitor-training": "training"}
SPEAKS_KAFKA = ("ecg-monitor", "ecg-monitor-demo")
READY = {
    "prometheus": "/-/ready",
    "alertmanager": "/-/ready",
    "pushgateway": "/-/ready",
    "grafana": "/api/health",
}


def _image(service: dict[str, Any]) -> str:
    name: str = service["image"].partition(":")[0]
    return name


def _ports(service: dict[str, Any]) -> set[str]:
    """Ports inside the container that are published."""
    return {port.rpartition(":")[2] for port in service.get("ports", [])}


def test_fits_its_schema() -> None:
    """The compose file is what the Compose Specification allows."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, DEPLOY / "compose.yaml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_is_there() -> None:
    """A broker, its topics, two workers, something to read, the page, and what watches them."""
    assert set(SERVICES) == {
        *("kafka", "topics", "worker-1", "worker-2", "replay", "web", "training"),
        *("prometheus", "alertmanager", "pushgateway", "grafana"),
    }


@pytest.mark.parametrize("name", [name for name, one in SERVICES.items() if _image(one) in SPEAKS_KAFKA])
def test_our_settings_are_known(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every variable of ours is a setting, and they lead to the compose file's broker."""
    for variable, value in SERVICES[name]["environment"].items():
        assert variable.startswith("ECG_MONITOR_")
        monkeypatch.setenv(variable, value)
    assert load_settings().kafka.bootstrap_servers == "kafka:9092"


def test_workers_have_names_of_their_own() -> None:
    """Static members of one group must not share an instance id; it is the service's name."""
    workers = {name: service for name, service in SERVICES.items() if service.get("command") == ["run"]}
    ids = {name: one["environment"]["ECG_MONITOR_KAFKA__INSTANCE_ID"] for name, one in workers.items()}
    assert ids == {"worker-1": "worker-1", "worker-2": "worker-2"}


@pytest.mark.parametrize("name", [name for name, one in SERVICES.items() if _image(one) in OURS])
def test_our_command_lines_parse(name: str) -> None:
    """What a service, or else its image, starts is a command line that our program takes."""
    service = SERVICES[name]
    if _image(service) == "ecg-monitor-training":
        assert "command" not in service
        return  # deploy/train.sh; tests/deploy/test_images.py runs it
    stage = stages("Dockerfile")[OURS[_image(service)]]
    assert json.loads(stage["ENTRYPOINT"]) == ["ecg-monitor"]
    parse("ecg-monitor", service.get("command") or json.loads(stage["CMD"]))


@pytest.mark.parametrize("name", [name for name, one in SERVICES.items() if "build" in one])
def test_builds_name_stages_that_exist(name: str) -> None:
    """The Dockerfile is there, and has the stage that the image's name stands for."""
    build = SERVICES[name]["build"]
    dockerfile = (DEPLOY / build["context"] / build["dockerfile"]).resolve()
    assert dockerfile.parent == DEPLOY
    there = stages(dockerfile.name)
    assert build.get("target", list(there)[-1]) == OURS[_image(SERVICES[name])]


def test_every_image_of_ours_is_built() -> None:
    """No registry holds them."""
    built = {service["image"] for service in SERVICES.values() if "build" in service}
    assert {one["image"] for one in SERVICES.values() if one["image"].startswith("ecg-")} == built


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    """A tag of at least three numbers: what runs tomorrow is what ran today."""
    assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+\.\d+", SERVICES[name]["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_mounts_exist(name: str) -> None:
    """A mounted file or folder is in the repository and read-only, a volume is declared."""
    declared = read_yaml(DEPLOY / "compose.yaml")["volumes"]
    for mount in SERVICES[name].get("volumes", []):
        source, _, rest = mount.partition(":")
        if source.startswith("./"):
            assert (DEPLOY / source).exists(), source
            assert rest.endswith(":ro"), mount
        else:
            assert source in declared, source


def test_third_parties_find_their_files() -> None:
    """A path in a command line lies in a mount, and is there if the mount is of the repository."""
    found = 0
    for name, service in SERVICES.items():
        words = [word.partition("=")[2] for word in service.get("command", []) if word.startswith("--")]
        for path in (word for word in words if word.startswith("/")):
            mounts = [mount.split(":")[:2] for mount in service["volumes"]]
            (source, target) = next(one for one in mounts if path == one[1] or path.startswith(one[1] + "/"))
            local = DEPLOY / (source + path.removeprefix(target))
            assert local.is_file() or not source.startswith("./"), (name, path)
            found += 1
    assert found == 4


def test_no_volume_is_left_over() -> None:
    """Every declared volume is mounted."""
    used = {mount.split(":")[0] for one in SERVICES.values() for mount in one.get("volumes", [])}
    assert set(read_yaml(DEPLOY / "compose.yaml")["volumes"]) <= used


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_on_loopback(name: str) -> None:
    """Nothing in the trial set-up can be reached from another machine."""
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_ports_do_not_clash() -> None:
    """Each of this machine's ports is published once."""
    published = [port.split(":")[1] for one in SERVICES.values() for port in one.get("ports", [])]
    assert len(published) == len(set(published)) > 5


@pytest.mark.parametrize("name", SERVICES)
def test_containers_are_locked_down(name: str) -> None:
    """No capabilities and no way to gain any, a read-only root (but for Kafka's), and limits."""
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is (name != "kafka")
    assert "privileged" not in service
    assert service.get("user", "1").split(":")[0] != "0"
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}
    if _image(service) in OURS:
        assert service["tmpfs"] == ["/tmp"]


@pytest.mark.parametrize("name", SERVICES)
def test_dependencies_can_be_met(name: str) -> None:
    """A service waits for one that exists: healthy if it has a health check, done if it is a job."""
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        job = SERVICES[other].get("restart", "").startswith("on-failure")
        assert wait == {"condition": "service_completed_successfully" if job else "service_healthy"}
        assert job or "healthcheck" in SERVICES[other], other


def test_nothing_waits_for_the_training_job() -> None:
    """It has a profile of its own, so `up` does not start it."""
    assert [name for name, one in SERVICES.items() if "profiles" in one] == ["training"]
    assert not [name for name, one in SERVICES.items() if "training" in one.get("depends_on", {})]


def test_daemons_have_health_checks_at_their_ports() -> None:
    """Each long-running service is asked at an address that it serves; our worker by its image."""
    assert f":{load_settings().metrics.port}/healthz" in last_stage("Dockerfile")["HEALTHCHECK"]
    for name, path in {"web": "/healthz", **READY}.items():
        (url,) = re.findall(
            r"http://127\.0\.0\.1:(\d+)(/[^'\"]+)", " ".join(SERVICES[name]["healthcheck"]["test"])
        )
        assert url[1] == path
        assert url[0] in _ports(SERVICES[name]), name
    for name in ("worker-1", "worker-2"):
        assert "healthcheck" not in SERVICES[name]
        assert _ports(SERVICES[name]) == {str(load_settings().metrics.port)}


def _hosts(name: str) -> list[str]:
    """The services that a host name leads to: by their own, or by an alias."""
    networks = {other: one.get("networks", {}).get("default", {}) for other, one in SERVICES.items()}
    return [other for other in SERVICES if name in (other, *networks[other].get("aliases", ()))]


def _targets(sections: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Host and port of each static target, and of each DNS name."""
    static = {
        target for one in sections for part in one.get("static_configs", []) for target in part["targets"]
    }
    names = [part for one in sections for part in one.get("dns_sd_configs", [])]
    by_name = {(name, str(part["port"])) for part in names for name in part["names"]}
    return {(host, port) for host, _, port in (target.partition(":") for target in static)} | by_name


def test_prometheus_finds_its_targets() -> None:
    """Every scrape target, and the Alertmanager, is a service's own port, and none is missed."""
    config = read_yaml(DEPLOY / "prometheus/prometheus.yml")
    scraped = _targets(config["scrape_configs"])
    for host, port in scraped | _targets(config["alerting"]["alertmanagers"]):
        assert _hosts(host), host
        for name in _hosts(host):
            served = {str(load_settings().metrics.port)} if "worker" in name else _ports(SERVICES[name])
            assert port in served, (name, port)
    watched = {name for host, _ in scraped for name in _hosts(host)}
    assert watched >= {"worker-1", "worker-2", "web", "pushgateway"}


def test_grafana_asks_the_compose_files_prometheus() -> None:
    """The provisioned source is the service, and dashboards lie where the provider looks."""
    provisioning = DEPLOY / "grafana/provisioning"
    (source,) = read_yaml(provisioning / "datasources/prometheus.yaml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = read_yaml(provisioning / "dashboards/files.yaml")["providers"]
    mounts = [mount.split(":")[1] for mount in SERVICES["grafana"]["volumes"]]
    assert provider["options"]["path"] in mounts
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (DEPLOY / "grafana/dashboards" / home.rpartition("/")[2]).is_file()


def test_workers_see_the_models_that_training_leaves() -> None:
    """The job writes to the folder that workers and page read; the image has it, so it is not root's."""
    for name in ("worker-1", "worker-2", "web"):
        assert SERVICES[name]["volumes"] == ["models:/models:ro"]
    assert "models:/models" in SERVICES["training"]["volumes"]
    assert "install -d -o ecg -g ecg /models" in stages("Dockerfile")["runtime"]["RUN"]


def test_training_pushes_to_the_gateway() -> None:
    """The job's variables are those of deploy/train.sh, and the URL is the service's."""
    environment = SERVICES["training"]["environment"]
    assert environment == {"PUSHGATEWAY": "http://pushgateway:9091"}
    assert "PUSHGATEWAY" in (DEPLOY / "train.sh").read_text(encoding="utf-8")
