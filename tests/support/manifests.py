"""The overlays of deploy/kubernetes put together, and what is asked of them by more than one test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.kustomize import KUBERNETES, Manifest, build, template

OVERLAYS = {name: build(KUBERNETES / "overlays" / name) for name in ("demo", "production")}
PRODUCTION = OVERLAYS["production"]
BOTH = pytest.mark.parametrize("overlay", OVERLAYS)


def kind(manifests: list[Manifest], name: str) -> Iterator[Manifest]:
    """All of a kind."""
    return (one for one in manifests if one["kind"] == name)


def named(manifests: list[Manifest], what: str, name: str) -> Manifest:
    """The one of this kind and name."""
    (one,) = [each for each in kind(manifests, what) if each["metadata"]["name"] == name]
    return one


def workloads(overlay: str) -> Iterator[tuple[Manifest, Manifest]]:
    """Each workload with its pod template."""
    for one in OVERLAYS[overlay]:
        pod = template(one)
        if pod is not None:
            yield one, pod


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a label selector takes these labels; an empty one takes all."""
    for rule in selector.get("matchExpressions", []):
        assert rule["operator"] == "In"
        if labels.get(rule["key"]) not in rule["values"]:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def selected(overlay: str, selector: dict[str, Any]) -> list[Manifest]:
    """The pod templates that a selector takes."""
    return [pod for _, pod in workloads(overlay) if selects(selector, pod["metadata"]["labels"])]


def ports(pod: Manifest) -> dict[str, int]:
    """A pod's named ports."""
    return {
        port["name"]: port["containerPort"]
        for container in pod["spec"]["containers"]
        for port in container.get("ports", [])
    }
