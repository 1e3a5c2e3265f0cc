"""`make venv` on made-up packages: what it installs, says, and makes of a try that was broken off."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.made_up_release import CUDA, ROOT, Checkout, expected, make_release
from tests.support.package_index import make_wheel, serving

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
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkout and the files of its index."""
    folder = tmp_path_factory.mktemp("release")
    make_release(folder)
    return folder


@pytest.fixture(scope="module")
def index(release: Path) -> Iterator[str]:
    """The address of its index."""
    with serving(release / "files") as address:
        yield address


@pytest.fixture
def checkout(release: Path, index: str, tmp_path: Path) -> Checkout:
    """A checkout in which nothing has been installed."""
    shutil.copytree(release / "checkout", tmp_path / "checkout")
    return Checkout(tmp_path / "checkout", index)


@pytest.fixture(scope="module")
def finished(release: Path, index: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, str]:
    """A checkout after `make venv`, and what that printed."""
    folder = tmp_path_factory.mktemp("finished") / "checkout"
    shutil.copytree(release / "checkout", folder)
    made = Checkout(folder, index)
    code, said = made.make("venv")
    assert code == 0, said
    return made, said


def everything(checkout: Checkout) -> dict[str, str]:
    """What `make venv` installs, by name."""
    lock = (checkout.folder / "requirements.lock").read_text(encoding="utf-8")
    return {**expected(lock), "torch": "2.13.0", CUDA: "1.0", "ecg-monitor": "0.1.0"}


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


@pytest.mark.parametrize("moment", ["a virtual environment", "packages of", "Installing collected", "itself"])
def test_ctrl_c_is_mended_by_the_next_call(checkout: Checkout, moment: str) -> None:
    """Interrupted at any step, it ends at once and leaves no stamp; the next call finishes."""
    with checkout.start("venv") as process:
        assert process.stdout is not None
        assert any(moment in line for line in process.stdout)
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)
        process.stdout.read()
        assert process.wait(20) != 0
    assert not (checkout.folder / ".venv" / ".installed").exists()
    code, said = checkout.make("venv")
    assert code == 0, said
    wanted = everything(checkout)
    assert {name: version for name, version in checkout.installed().items() if name != "pip"} == wanted


def test_without_a_network_it_says_what_to_do(checkout: Checkout) -> None:
    """The last line of ours names the network."""
    code, said = checkout.make("venv", PIP_INDEX_URL="http://127.0.0.1:9/simple")
    assert code != 0
    assert "make venv: a package could not be had: with the network" in said
    assert not (checkout.folder / ".venv" / ".installed").exists()


def test_two_at_once(checkout: Checkout) -> None:
    """Two calls in the same second: one installs, the other waits and finds it done."""
    with checkout.start("venv") as first, checkout.start("venv") as second:
        said = [one.communicate(timeout=110)[0] for one in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), said
    waited = [text for text in said if "another `make venv` is at work here" in text]
    assert len(waited) == 1
    assert "Installing" not in waited[0]


def test_another_file_of_the_same_version_is_refused(release: Path, tmp_path: Path) -> None:
    """What torch needs is taken by the lock's hash, not as whatever torch's own step would find."""
    shutil.copytree(release, tmp_path / "release")
    files = tmp_path / "release" / "files"
    version = everything(Checkout(tmp_path / "release" / "checkout", ""))["filelock"]
    make_wheel(files, "filelock", version, files={"filelock.py": b"import os"})
    with serving(files) as address:
        code, said = Checkout(tmp_path / "release" / "checkout", address).make("venv")
    assert code != 0
    assert "DO NOT MATCH THE HASHES" in said


def test_torch_moves_nothing_that_is_locked(release: Path, tmp_path: Path) -> None:
    """A torch that wants a newer package than the lock has is refused, and no newer one installed."""
    shutil.copytree(release, tmp_path / "release")
    files = tmp_path / "release" / "files"
    make_wheel(files, "torch", "2.13.0", ["filelock>=9999"])
    with serving(files) as address:
        checkout = Checkout(tmp_path / "release" / "checkout", address)
        code, said = checkout.make("venv")
    assert code != 0
    assert "filelock" in said[said.index("PyTorch, from") :]
    assert checkout.installed()["filelock"] == everything(checkout)["filelock"]


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
