"""Names that lead from one manifest to another, and from the manifests to code, figures and monitoring."""

from __future__ import annotations

import re

from monitor.broker.topics import PARTITIONS
from monitor.config import KafkaSettings, MetricsSettings, WebSettings
from tests.support.deploy_files import DEPLOY, options, read_yaml, services, subcommands
from tests.support.kustomize import KUBERNETES, build, template
from tests.support.manifests import (
    BOTH,
    OVERLAYS,
    PRODUCTION,
    kind,
    named,
    ports,
    selected,
    selects,
    workloads,
)
from tests.support.project import ROOT

HEALTH = {"worker": {"/healthz", "/readyz"}, "web": {"/healthz"}, "pushgateway": {"/-/healthy", "/-/ready"}}


@BOTH
def test_workloads_select_their_own_pods(overlay: str) -> None:
    """A controller's selector takes its template and no other's."""
    for one, pod in workloads(overlay):
        if "selector" in one["spec"]:
            assert selected(overlay, one["spec"]["selector"]) == [pod]


@BOTH
def test_services_lead_to_one_workloads_ports(overlay: str) -> None:
    """Each Service finds pods, and its target port is one that they have."""
    for service in kind(OVERLAYS[overlay], "Service"):
        (pod,) = selected(overlay, {"matchLabels": service["spec"]["selector"]})
        assert all(port["targetPort"] in ports(pod) for port in service["spec"]["ports"])


@BOTH
def test_stateful_sets_have_their_headless_service(overlay: str) -> None:
    """Pod names resolve."""
    for one in kind(OVERLAYS[overlay], "StatefulSet"):
        assert named(OVERLAYS[overlay], "Service", one["spec"]["serviceName"])["spec"]["clusterIP"] == "None"


@BOTH
def test_disruption_budgets_protect_pods(overlay: str) -> None:
    """Workers and page go one by one."""
    budgets = list(kind(OVERLAYS[overlay], "PodDisruptionBudget"))
    assert {one["metadata"]["name"] for one in budgets} == {"worker", "web"}
    for one in budgets:
        assert len(selected(overlay, one["spec"]["selector"])) == 1
        assert one["spec"]["maxUnavailable"] == 1


@BOTH
def test_what_is_mounted_exists(overlay: str) -> None:
    """Mounts have volumes, volumes have their ConfigMap or claim, and Secrets are the one made by hand."""
    manifests = OVERLAYS[overlay]
    for one, pod in workloads(overlay):
        volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes", [])}
        claimed = {claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", [])}
        (container,) = pod["spec"]["containers"]
        assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes) | claimed
        for volume in volumes.values():
            if "configMap" in volume:
                assert named(manifests, "ConfigMap", volume["configMap"]["name"])
            if "persistentVolumeClaim" in volume:
                assert named(manifests, "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
            assert volume.get("secret", {}).get("secretName", "kafka") == "kafka"


@BOTH
def test_settings_lie_where_the_programs_look(overlay: str) -> None:
    """The file that --config names is in the ConfigMap mounted there."""
    settings = named(OVERLAYS[overlay], "ConfigMap", "ecg-monitor")
    for _, pod in workloads(overlay):
        (container,) = pod["spec"]["containers"]
        for path in (word for word in container.get("args", []) if word.endswith(".toml")):
            folder, _, name = path.rpartition("/")
            assert name in settings["data"]
            assert folder in [mount["mountPath"] for mount in container["volumeMounts"]]


@BOTH
def test_workers_see_the_models_that_training_leaves(overlay: str) -> None:
    """One claim, at one place, written by the job alone."""
    for name in ("worker", "web", "training"):
        (pod,) = selected(overlay, {"matchLabels": {"app.kubernetes.io/name": name}})
        (mount,) = [one for one in pod["spec"]["containers"][0]["volumeMounts"] if one["name"] == "models"]
        (volume,) = [one for one in pod["spec"]["volumes"] if one["name"] == "models"]
        assert mount["mountPath"] == "/models"
        assert volume["persistentVolumeClaim"]["claimName"] == "models"
        assert mount.get("readOnly", False) is (name != "training")


@BOTH
def test_probes_ask_real_endpoints(overlay: str) -> None:
    """Paths that the programs answer, at a port that the pod has, which is the program's default."""
    for name, paths in HEALTH.items():
        (pod,) = selected(overlay, {"matchLabels": {"app.kubernetes.io/name": name}})
        (container,) = pod["spec"]["containers"]
        probes = [container[probe]["httpGet"] for probe in container if probe.endswith("Probe")]
        assert {probe["path"] for probe in probes} == paths
        assert all(probe["port"] in ports(pod) for probe in probes)
    defaults = {"worker": ("metrics", MetricsSettings().port), "web": ("http", WebSettings().port)}
    for name, port in defaults.items():
        (pod,) = selected(overlay, {"matchLabels": {"app.kubernetes.io/name": name}})
        assert tuple(ports(pod).items()) == (port,)


def test_workers_scale_by_their_own_lag() -> None:
    """KEDA watches the workers' group on the signal topic, and starts no more workers than partitions."""
    scaled = named(PRODUCTION, "ScaledObject", "worker")["spec"]
    target = scaled["scaleTargetRef"]
    assert named(PRODUCTION, target["kind"], target["name"])["apiVersion"] == target["apiVersion"]
    assert "replicas" not in named(PRODUCTION, target["kind"], target["name"])["spec"]
    lag, core = scaled["triggers"]
    assert (lag["type"], lag["metadata"]["consumerGroup"]) == ("kafka", KafkaSettings().group_id)
    assert lag["metadata"]["topic"] == KafkaSettings().topics.signal
    assert core["type"] == "cpu"
    arguments = template(named(PRODUCTION, "Job", "topics"))["spec"]["containers"][0]["args"]  # type: ignore[index]
    partitions = int(arguments[arguments.index("--partitions") + 1])
    assert 1 < scaled["minReplicaCount"] < scaled["maxReplicaCount"] <= partitions


def test_the_base_scales_to_the_default_partitions() -> None:
    """Without an overlay's say there are as many partitions as the command makes."""
    (scaled,) = kind(build(KUBERNETES / "operators"), "ScaledObject")
    assert scaled["spec"]["maxReplicaCount"] == PARTITIONS
    assert "--partitions" in options(subcommands("ecg-monitor")["topics"])


def test_keda_asks_the_brokers_that_workers_ask() -> None:
    """The same addresses, and the same Secret's name, password and certificate."""
    settings = named(PRODUCTION, "ConfigMap", "ecg-monitor")["data"]["monitor.toml"]
    lag = named(PRODUCTION, "ScaledObject", "worker")["spec"]["triggers"][0]
    assert f'bootstrap_servers = "{lag["metadata"]["bootstrapServers"]}"' in settings
    assert lag["metadata"] | {"sasl": "scram_sha512", "tls": "enable"} == lag["metadata"]
    assert 'sasl_mechanism = "SCRAM-SHA-512"' in settings
    keys = named(PRODUCTION, "TriggerAuthentication", lag["authenticationRef"]["name"])["spec"][
        "secretTargetRef"
    ]
    assert {(one["name"], one["key"]) for one in keys} == {
        ("kafka", "username"), ("kafka", "password"), ("kafka", "ca.crt")
    }  # fmt: skip


def test_requests_follow_the_benchmark() -> None:
    """The figures that worker.yaml reckons with are those of `make bench` in docs/results.md."""
    section = (ROOT / "docs/results.md").read_text(encoding="utf-8").partition("## `make bench`")[2][:900]
    text = (KUBERNETES / "base/worker.yaml").read_text(encoding="utf-8")
    figures = {"scored": r"tiles of 64 .*\| ([\d,]+) \|", "detector": r"whole detector.*\| ([\d,]+) seconds"}
    found = {name: re.search(pattern, section) for name, pattern in figures.items()}
    scored, detector = (match.group(1) for match in found.values() if match)
    assert scored in text
    assert detector in text
    share = 600 / float(detector.replace(",", ""))
    assert f"600 / {detector} = {share:.0%}".replace("%", " %") in text
    assert 600 * 2 * 2.2 == 2640 < 0.05 * float(scored.replace(",", ""))


def test_monitors_scrape_what_prometheus_yml_does() -> None:
    """Each finds a Service's port; job names and the label `cluster` are those that rules ask for."""
    jobs = set()
    for monitor in kind(PRODUCTION, "ServiceMonitor"):
        (endpoint,) = monitor["spec"]["endpoints"]
        found = [
            service
            for service in kind(PRODUCTION, "Service")
            if selects(monitor["spec"]["selector"], service["metadata"]["labels"])
        ]
        assert [endpoint["port"]] == [port["name"] for service in found for port in service["spec"]["ports"]]
        labels = {one["targetLabel"]: one["replacement"] for one in endpoint["relabelings"]}
        assert set(labels) == {"job", "cluster"}
        jobs.add((labels["job"], endpoint.get("honorLabels", False)))
    scraped = read_yaml(DEPLOY / "prometheus/prometheus.yml")["scrape_configs"]
    assert jobs == {(one["job_name"], one.get("honor_labels", False)) for one in scraped}


def test_images_are_those_of_the_compose_file() -> None:
    """The same versions in both."""
    composed = {service["image"] for service in services().values()}
    used = {one["image"] for _, pod in workloads("demo") for one in pod["spec"]["containers"]}
    assert used <= composed
