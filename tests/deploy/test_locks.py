"""The lock files: whole, hashed, without a registry's address, and one resolution for every image."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.support.project import ROOT

IMAGES = ["deploy/worker.lock", "deploy/demo.lock", "deploy/training.lock", "deploy/build.lock"]
HASHED = ["requirements.lock", *IMAGES]


def pins(name: str) -> dict[str, str]:
    """Requirement lines of a lock file by package, continued lines joined."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    # A package may be pinned to two versions for two Pythons: both lines count.
    packages: dict[str, str] = {}
    for line in lines:
        package = re.split(r"==", line)[0].lower().replace("_", "-")
        packages[package] = packages.get(package, "") + line + "\n"
    return packages


def test_torch_is_pinned_alone() -> None:
    """torch stands in its own file, as one literal version without a hash."""
    assert (ROOT / "requirements-torch.lock").read_text(encoding="utf-8") == "torch==2.13.0\n"


@pytest.mark.parametrize("name", HASHED)
def test_every_pin_has_hashes(name: str) -> None:
    """Each line is one exact version with sha256 hashes, as pip --require-hashes wants it."""
    for package, lines in pins(name).items():
        for line in lines.splitlines():
            assert re.match(r"[A-Za-z0-9._-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line), package


@pytest.mark.parametrize("name", HASHED)
def test_nothing_that_comes_with_torch_is_hashed(name: str) -> None:
    """Neither torch nor its CUDA parts are in a hashed lock: CPU and GPU machines share it."""
    assert [package for package in pins(name) if re.match(r"torch|nvidia|cuda|triton", package)] == []


@pytest.mark.parametrize("name", IMAGES)
def test_images_share_the_resolution(name: str) -> None:
    """An image's lock pins the very lines of requirements.lock."""
    everything = pins("requirements.lock")
    assert all(everything[package] == lines for package, lines in pins(name).items())


def test_every_dependency_is_locked() -> None:
    """What pyproject.toml asks for is in the locks of those who install it."""
    everything = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = everything["project"]["optional-dependencies"]
    wanted = {
        "deploy/worker.lock": everything["project"]["dependencies"],
        "deploy/demo.lock": extras["demo"],
        "deploy/training.lock": extras["training"],
        "deploy/build.lock": everything["build-system"]["requires"],
        "requirements.lock": [one for one in extras["dev"] if not one.startswith("ecg-monitor")],
    }
    for name, requirements in wanted.items():
        packages = {re.match(r"[\w.-]+", one).group().lower() for one in requirements}  # type: ignore[union-attr]
        assert packages - {"torch"} <= set(pins(name)), name


@pytest.mark.parametrize("name", [*HASHED, "Makefile", "deploy/Dockerfile", "deploy/training.Dockerfile"])
def test_no_registry_is_named(name: str) -> None:
    """Where packages come from is the installing machine's affair."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert re.findall(r"https?://(?!127\.0\.0\.1)\S+|--(?:extra-)?index-url|--find-links", text) == []
