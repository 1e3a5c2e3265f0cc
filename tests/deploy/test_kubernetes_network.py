"""Who may talk to whom in deploy/kubernetes."""

from __future__ import annotations

import re

from tests.support.deploy_files import DEPLOY
from tests.support.kustomize import Manifest
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


@BOTH
def test_nothing_is_open_by_default(overlay: str) -> None:
    """One policy takes every pod and lets nothing through."""
    nothing = named(OVERLAYS[overlay], "NetworkPolicy", "nothing")["spec"]
    assert nothing == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


@BOTH
def test_network_policies_take_pods_and_their_ports(overlay: str) -> None:
    """Each policy is of some pod, and a port that it lets in is one that such a pod has."""
    for policy in kind(OVERLAYS[overlay], "NetworkPolicy"):
        taken = selected(overlay, policy["spec"]["podSelector"])
        assert taken, policy["metadata"]["name"]
        there = {name for pod in taken for name in ports(pod)}
        for rule in policy["spec"].get("ingress", []):
            assert {port["port"] for port in rule["ports"]} <= there


def by_name(overlay: str) -> dict[str, Manifest]:
    """Pod templates by the label that names them."""
    return {pod["metadata"]["labels"]["app.kubernetes.io/name"]: pod for _, pod in workloads(overlay)}


def _lets(policies: list[Manifest], way: str, pod: Manifest, other: Manifest, port: str | int) -> bool:
    """Whether some policy lets one pod talk to the other (Egress), or be talked to (Ingress), at a port."""
    rules = [
        rule
        for policy in policies
        if selects(policy["spec"]["podSelector"], pod["metadata"]["labels"])
        for rule in policy["spec"].get(way.lower(), [])
        if port in [one["port"] for one in rule["ports"]]
    ]
    side, labels = {"Ingress": "from", "Egress": "to"}[way], other["metadata"]["labels"]
    peers = [peer.get("podSelector") for rule in rules for peer in rule.get(side, [{"podSelector": {}}])]
    return any(peer is not None and selects(peer, labels) for peer in peers)


@BOTH
def test_training_reaches_the_gateway(overlay: str) -> None:
    """Both sides let the push through, to the Service that the job is told of; workers cannot push."""
    policies = list(kind(OVERLAYS[overlay], "NetworkPolicy"))
    pods = by_name(overlay)
    training, gateway = pods["training"], pods["pushgateway"]
    assert _lets(policies, "Egress", training, gateway, "http")
    assert _lets(policies, "Ingress", gateway, training, "http")
    assert not _lets(policies, "Ingress", gateway, pods["worker"], "http")
    environment = {one["name"]: one for one in training["spec"]["containers"][0]["env"]}
    service = named(OVERLAYS[overlay], "Service", "pushgateway")["spec"]
    assert environment["PUSHGATEWAY"]["value"] == f"http://pushgateway:{service['ports'][0]['port']}"
    script = (DEPLOY / "train.sh").read_text(encoding="utf-8")
    assert all(f"{name}:-" in script for name in environment)


def test_clients_reach_the_demos_broker() -> None:
    """Whoever speaks to Kafka may leave for its port and is let in."""
    policies = list(kind(OVERLAYS["demo"], "NetworkPolicy"))
    pods = by_name("demo")
    for name in ("worker", "web", "topics", "replay"):
        assert _lets(policies, "Egress", pods[name], pods["kafka"], 9092), name
        assert _lets(policies, "Ingress", pods["kafka"], pods[name], "kafka"), name
    assert not _lets(policies, "Egress", pods["training"], pods["kafka"], 9092)
    assert ports(pods["kafka"])["kafka"] == 9092


def test_production_may_leave_for_its_brokers_port() -> None:
    """The policy's port is that of the brokers in the settings."""
    (rule,) = named(PRODUCTION, "NetworkPolicy", "kafka-clients")["spec"]["egress"]
    settings = named(PRODUCTION, "ConfigMap", "ecg-monitor")["data"]["monitor.toml"]
    assert set(re.findall(r"example\.org:(\d+)", settings)) == {str(port["port"]) for port in rule["ports"]}
