"""What `kubectl kustomize` makes of deploy/kubernetes, as far as our files use it; kubectl is not needed.

Two differences: a generated ConfigMap's name gets no checksum, and the order is that of the files.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.support.deploy_files import DEPLOY, read_yaml

KUBERNETES = DEPLOY / "kubernetes"
KNOWN = {
    *("apiVersion", "kind", "namespace", "labels", "resources", "configMapGenerator"),
    *("replicas", "images", "patches"),
}
Manifest = dict[str, Any]


def build(folder: Path) -> list[Manifest]:
    """All manifests of a folder with a kustomization.yaml; fails for what it names and is not there."""
    plan = read_yaml(folder / "kustomization.yaml")
    assert set(plan) <= KNOWN, f"{folder}: {set(plan) - KNOWN}"
    found = [manifest for name in plan["resources"] for manifest in _resources(folder / name)]
    for generator in plan.get("configMapGenerator", []):
        _generate(found, generator, folder)
    for patch in plan.get("patches", []):
        _patch(found, patch["target"], read_yaml(folder / patch["path"]))
    for label in plan.get("labels", []):
        for manifest in found:
            _label(manifest, label)
    for manifest in found:
        if manifest["kind"] != "Namespace":
            manifest["metadata"]["namespace"] = plan["namespace"]
    for count in plan.get("replicas", []):
        (one,) = [each for each in found if each["metadata"]["name"] == count["name"] and template(each)]
        one["spec"]["replicas"] = count["count"]
    for image in plan.get("images", []):
        _rename(found, image)
    return found


def files(folder: Path) -> Iterator[Path]:
    """Every file that a kustomization names, itself included, and those of the folders that it names."""
    plan = read_yaml(folder / "kustomization.yaml")
    yield folder / "kustomization.yaml"
    named = [*plan["resources"], *(patch["path"] for patch in plan.get("patches", []))]
    named += [name for generator in plan.get("configMapGenerator", []) for name in generator["files"]]
    for name in named:
        path = (folder / name).resolve()
        yield from files(path) if path.is_dir() else [path]


def template(manifest: Manifest) -> Manifest | None:
    """The pod template of a workload, or None for other kinds."""
    spec = manifest.get("spec", {})
    if manifest["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    found: Manifest | None = spec.get("template")
    return found


def _resources(path: Path) -> list[Manifest]:
    if path.is_dir():
        return build(path)
    return [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one]


def _generate(found: list[Manifest], generator: dict[str, Any], folder: Path) -> None:
    data = {name: (folder / name).read_text(encoding="utf-8") for name in generator["files"]}
    there = [
        one for one in found if one["kind"] == "ConfigMap" and one["metadata"]["name"] == generator["name"]
    ]
    if generator.get("behavior") == "replace":
        (one,) = there
        one["data"] = data
    else:
        assert not there
        metadata = {"name": generator["name"]}
        found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def _patch(found: list[Manifest], target: dict[str, str], operations: list[dict[str, Any]]) -> None:
    hit = [one for one in found if _meets(one, target)]
    assert hit, f"no manifest is {target}"
    for manifest in hit:
        for operation in operations:
            _apply(manifest, operation)


def _meets(manifest: Manifest, target: dict[str, str]) -> bool:
    assert set(target) <= {"kind", "name", "labelSelector"}
    key, _, value = target.get("labelSelector", "").partition("=")
    return (
        target.get("kind", manifest["kind"]) == manifest["kind"]
        and target.get("name", manifest["metadata"]["name"]) == manifest["metadata"]["name"]
        and (not key or manifest["metadata"].get("labels", {}).get(key) == value)
    )


def _apply(manifest: Manifest, operation: dict[str, Any]) -> None:
    """One operation of a JSON patch (RFC 6902): add, or replace of what is there."""
    *parents, last = operation["path"].strip("/").split("/")
    place: Any = manifest
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place[part]
    value = copy.deepcopy(operation["value"])
    if operation["op"] == "add" and last == "-":
        place.append(value)
        return
    key: Any = int(last) if isinstance(place, list) else last
    there = key < len(place) if isinstance(place, list) else key in place
    assert there is (operation["op"] == "replace"), operation
    place[key] = value


def _label(manifest: Manifest, label: dict[str, Any]) -> None:
    manifest["metadata"].setdefault("labels", {}).update(label["pairs"])
    pod = template(manifest)
    if pod is not None and label.get("includeTemplates"):
        pod["metadata"]["labels"].update(label["pairs"])


def _rename(found: list[Manifest], image: dict[str, str]) -> None:
    hits = 0
    for container in (one for pod in map(template, found) if pod for one in pod["spec"]["containers"]):
        if container["image"].partition(":")[0] == image["name"]:
            container["image"] = f"{image['newName']}:{image['newTag']}"
            hits += 1
    assert hits, image["name"]
