"""`make venv` on made-up packages: what it installs and says, and that it mends what is installed by half."""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.made_up_release import Checkout, everything, make_release
from tests.support.package_index import serving
from tests.support.project import ROOT

pytestmark = pytest.mark.integration


def load_install() -> ModuleType:
    """deploy/install.py, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("install", ROOT / "deploy" / "install.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


install: Any = load_install()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Checkout, str]]:
    """A checkout with the whole lock after `make venv`, and what that printed."""
    folder = tmp_path_factory.mktemp("finished")
    with serving(make_release(folder)) as address:
        made = Checkout(folder / "checkout", address)
        code, said = made.make("venv")
        assert code == 0, said
        yield made, said


def test_newer_releases_change_nothing(finished: tuple[Checkout, str]) -> None:
    """Every package has its locked version though each has a newer one; torch has what no lock lists."""
    made, _ = finished
    wanted = everything(made)
    assert {name: version for name, version in made.installed().items() if name != "pip"} == wanted


def test_it_says_what_it_does(finished: tuple[Checkout, str]) -> None:
    """Sizes come before pip's first word, each step has a line; the signal path is compiled at the end."""
    _, said = finished
    before = said[: said.index("Looking in")]
    assert "about 350 MB to download" in before
    assert "PyTorch" in before
    assert said.count("make venv: ") >= 5
    assert "called: warm-up" in said


def test_a_second_call_does_nothing(finished: tuple[Checkout, str]) -> None:
    """What is there and current is left alone."""
    made, _ = finished
    code, said = made.make("venv", PIP_INDEX_URL="http://127.0.0.1:9/")
    assert (code, said) == (0, "make: Nothing to be done for 'venv'.\n")


def test_half_a_package_is_mended(finished: tuple[Checkout, str], tmp_path: Path) -> None:
    """A package without its RECORD, one that lacks a file, and remains of an upgrade: all whole again."""
    made, _ = finished
    (site,) = (made.folder / ".venv").glob("lib/python*/site-packages")
    (attrs,), (packaging,) = site.glob("attrs-*.dist-info"), site.glob("packaging-*.dist-info")
    (attrs / "RECORD").unlink()
    (site / "packaging" / "version.py").unlink()
    (site / "~ackaging").mkdir()
    os.utime(made.folder / "requirements.lock")
    code, said = made.make("venv")
    assert code == 0, said
    assert said.count("installed by half") == 2
    assert install.is_whole(attrs)
    assert install.is_whole(packaging)
    assert not (site / "~ackaging").exists()


def _program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_another_python_is_refused_in_a_line(checkout: Checkout, tmp_path: Path) -> None:
    """With its version, and how to name another; so is one that is not there."""
    old = "import sys; sys.version_info = (3, 10, 2); sys.version = '3.10.2 (old)'; "
    python = _program(tmp_path / "python3.10", f'exec {sys.executable} -c "{old}$2"')
    code, said = checkout.make("venv", f"PYTHON={python}")
    lines = [line for line in said.splitlines() if not line.startswith("make: ***")]
    assert code != 0
    assert lines == ["make venv: need Python 3.11 to 3.13, got 3.10.2; name one with make PYTHON=..."]
    code, said = checkout.make("venv", "PYTHON=python-that-is-not-there")
    assert code != 0
    assert said.splitlines()[0].startswith("make venv: no python-that-is-not-there here")


def test_no_venv_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line names the package that brings it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match=r"no venv module.*apt-get install python3\.\d+-venv"):
        install.check_python()


def test_too_little_space(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is free and what is needed are told; what lies there already counts."""
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**9))
    with pytest.raises(SystemExit, match=r"has 1000 MB free and 2600 MB are needed"):
        install.check_space(tmp_path / "new" / ".venv")
    monkeypatch.setattr(install, "DISK_MB", 1000)
    install.check_space(tmp_path / "new" / ".venv")


def test_a_full_disk_says_what_to_do() -> None:
    """Also where pip finds out."""
    said = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n"
    assert install.advice(said, 1).startswith("the disk is full")


@pytest.mark.parametrize(
    ("gpu", "torch_args", "told"),
    [
        (False, [], "no NVIDIA GPU found and TORCH_ARGS is unset"),
        (True, [], "for this machine's GPU: about 3000 MB"),
        (False, ["--index-url", "http://127.0.0.1/"], "200 MB as its CPU build, 3000 MB with CUDA"),
    ],
)
def test_cuda_is_told_before_it_comes(
    gpu: bool,
    torch_args: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without a GPU the sizes of both builds and the way to the smaller one are told."""
    monkeypatch.setattr(install.platform, "system", lambda: "Linux")
    monkeypatch.setattr(install, "has_gpu", lambda: gpu)
    install.tell_sizes(Path(".venv"), torch_args)
    assert told in capsys.readouterr().out


def test_a_gpu_is_found_by_its_tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """nvidia-smi on the path is enough; WSL has no more."""
    monkeypatch.setenv("PATH", str(tmp_path))
    if not any(Path("/proc/driver/nvidia/gpus").glob("*")):
        assert not install.has_gpu()
    _program(tmp_path / "nvidia-smi", "true")
    assert install.has_gpu()
