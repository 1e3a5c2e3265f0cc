"""deploy/kubernetes against Kubernetes' schemas, its restricted profile, and our own commands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from kubernetes_validate import SchemaNotFoundError, validate

from monitor.config import KafkaSettings, load_settings
from tests.support.deploy_files import parse, read_yaml
from tests.support.kustomize import KUBERNETES, Manifest, files, template
from tests.support.manifests import OVERLAYS

VERSION = "1.37"
EVERY = [(name, one) for name, manifests in OVERLAYS.items() for one in manifests]
# These belong to operators; tests/deploy/test_kubernetes_wiring.py looks at what is in them.
OPERATORS = {"ScaledObject", "TriggerAuthentication", "ServiceMonitor"}
CLOSING_S = 5.0  # monitor.worker.worker closes its consumer within this
SAFE_VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}


def _label(case: Any) -> str:
    name, one = case
    return f"{name}-{one['kind']}-{one['metadata']['name']}"


def pods() -> Iterator[tuple[str, Manifest]]:
    """Every pod template with its place."""
    for name, one in EVERY:
        pod = template(one)
        if pod is not None:
            yield f"{name}-{one['metadata']['name']}", pod["spec"]


PODS = dict(pods())


@pytest.mark.parametrize("case", EVERY, ids=_label)
def test_manifests_fit_their_schemas(case: tuple[str, Manifest]) -> None:
    """Each is what Kubernetes takes, without a field that it does not know."""
    try:
        validate(case[1], VERSION, strict=True)
    except SchemaNotFoundError:
        assert case[1]["kind"] in OPERATORS


def test_no_file_is_left_out() -> None:
    """Every file is named by a kustomization, and every name is a file."""
    named = {path.resolve() for overlay in OVERLAYS for path in files(KUBERNETES / "overlays" / overlay)}
    assert named == {path.resolve() for path in KUBERNETES.rglob("*") if path.is_file()}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_names_are_given_once(overlay: str) -> None:
    """No two manifests of a kind share a name, and all lie in one namespace."""
    names = [(one["kind"], one["metadata"]["name"]) for one in OVERLAYS[overlay]]
    assert len(names) == len(set(names))
    namespaces = {one["metadata"].get("namespace") for one in OVERLAYS[overlay] if one["kind"] != "Namespace"}
    assert namespaces == {"ecg-monitor"}


def test_the_demo_needs_no_operator() -> None:
    """It brings its broker and a replay instead; production has the operators' kinds and neither."""
    kinds = {overlay: {one["kind"] for one in manifests} for overlay, manifests in OVERLAYS.items()}
    assert not kinds["demo"] & OPERATORS
    assert kinds["production"] >= OPERATORS
    names = {
        overlay: {one["metadata"]["name"] for one in manifests} for overlay, manifests in OVERLAYS.items()
    }
    assert {"kafka", "replay"} <= names["demo"]
    assert "replay" not in names["production"]


def test_the_namespace_is_restricted() -> None:
    """Kubernetes refuses, reports and warns of any pod that is not."""
    for manifests in OVERLAYS.values():
        (namespace,) = [one for one in manifests if one["kind"] == "Namespace"]
        modes = {f"pod-security.kubernetes.io/{mode}" for mode in ("enforce", "audit", "warn")}
        assert all(namespace["metadata"]["labels"][mode] == "restricted" for mode in modes)


@pytest.mark.parametrize("name", PODS)
def test_pods_meet_the_restricted_profile(name: str) -> None:
    """Not root, no way up, no capabilities, the runtime's seccomp, neither the node's nor the API's means."""
    pod = PODS[name]
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] > 0
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    for volume in pod.get("volumes", []):
        assert set(volume) - {"name"} <= SAFE_VOLUMES
    for container in pod["containers"]:
        rights = container["securityContext"]
        assert rights["allowPrivilegeEscalation"] is False
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert rights["readOnlyRootFilesystem"] is (container["name"] != "kafka")
        assert not {"privileged", "runAsUser", "hostPort"} & set(rights)


@pytest.mark.parametrize("name", PODS)
def test_pods_say_what_they_need(name: str) -> None:
    """CPU and memory are requested and memory is limited; nothing limits CPU, which would delay events."""
    for container in PODS[name]["containers"]:
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert set(container["resources"]["limits"]) == {"memory"}


@pytest.mark.parametrize("name", PODS)
def test_images_are_pinned(name: str) -> None:
    """A tag of three numbers."""
    for container in PODS[name]["containers"]:
        assert re.fullmatch(r"[a-z./-]+:v?\d+\.\d+\.\d+", container["image"])


@pytest.mark.parametrize("name", PODS)
def test_our_command_lines_parse(name: str) -> None:
    """What a pod of ours starts is a command line that ecg-monitor takes; the training job has its script."""
    (container,) = PODS[name]["containers"]
    image = container["image"].rpartition("/")[2].partition(":")[0]
    assert "command" not in container
    if image in ("ecg-monitor", "ecg-monitor-demo"):
        parse("ecg-monitor", container["args"])
    elif image == "ecg-monitor-training":
        assert "args" not in container


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_settings_load(overlay: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ConfigMap's file and every ECG_MONITOR_ variable of a pod are settings that the programs take."""
    (settings,) = [one for one in OVERLAYS[overlay] if one["kind"] == "ConfigMap"]
    path = tmp_path / "monitor.toml"
    path.write_text(settings["data"]["monitor.toml"], encoding="utf-8")
    for name, pod in PODS.items():
        if name.startswith(overlay):
            for variable in pod["containers"][0].get("env", []):
                if variable["name"].startswith("ECG_MONITOR_"):
                    monkeypatch.setenv(variable["name"], variable.get("value", "from-elsewhere"))
    loaded = load_settings(path)
    assert loaded.metrics.host == loaded.web.host == "0.0.0.0"
    assert loaded.kafka.instance_id == "from-elsewhere"
    assert (loaded.kafka.sasl_plain_username is not None) is (overlay == "production")


def test_no_secret_is_in_the_files() -> None:
    """Names and passwords come from a Secret that is made by hand."""
    assert not [one for _, one in EVERY if one["kind"] == "Secret"]
    assert "password:" not in json.dumps(OVERLAYS["production"])
    patch = (KUBERNETES / "overlays/production/kafka-client.yaml").read_text(encoding="utf-8")
    assert all("secretKeyRef" in one["value"]["valueFrom"] for one in yaml.safe_load(patch)[:2])


def test_a_workers_name_is_its_pods() -> None:
    """Static membership: the StatefulSet's pod names are unique and stay."""
    for name in ("demo-worker", "production-worker"):
        (variable,) = [
            one for one in PODS[name]["containers"][0]["env"] if one["name"].endswith("INSTANCE_ID")
        ]
        assert variable["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"


def test_workers_have_time_to_finish() -> None:
    """SIGTERM comes at once, and SIGKILL only after the last commit and the farewell to the group."""
    for name in ("demo-worker", "production-worker"):
        assert "lifecycle" not in PODS[name]["containers"][0]
        needed_s = KafkaSettings().transaction_timeout_s + CLOSING_S
        assert PODS[name]["terminationGracePeriodSeconds"] >= 1.5 * needed_s


def test_the_page_goes_last() -> None:
    """A pod answers until no new browser is sent to it, and then has time for the answers in progress."""
    for name in ("demo-web", "production-web"):
        wait_s = PODS[name]["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert PODS[name]["terminationGracePeriodSeconds"] >= wait_s + 2 * CLOSING_S


def test_the_schema_check_can_fail() -> None:
    """A field that Kubernetes does not know is refused."""
    worker = read_yaml(KUBERNETES / "base/namespace.yaml") | {"spek": {}}
    with pytest.raises(Exception, match="spek"):
        validate(worker, VERSION, strict=True)
