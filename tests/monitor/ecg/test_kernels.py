"""Compiled functions: where their code is kept, when it is used again, and what is said of it."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from monitor.ecg import kernels
from tests.support.unprivileged import unprivileged

_PROGRAM = """
import logging, sys
logging.basicConfig(format="%(message)s", stream=sys.stdout)
sys.path.insert(0, sys.argv[1])
import kernel
from monitor.ecg.kernels import USE
print("result", kernel.twice(21), "loaded", USE.loaded, "compiled", USE.compiled, "unkept", USE.unkept)
"""
_KERNEL = """
from monitor.ecg.kernels import compiled

@compiled
def twice(number):
    return 2 * number
"""


@dataclass(frozen=True)
class Said:
    """What a process with one kernel printed."""

    lines: list[str]

    @property
    def counts(self) -> str:
        """Its last line: the result, and what became of the kernel."""
        return self.lines[-1]

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self.lines)


def run(folder: Path, environment: Mapping[str, str] | None = None) -> Said:
    """Call the kernel in a process of its own, which can write only what its user may."""
    if not (folder / "kernel.py").exists():
        (folder / "kernel.py").write_text(_KERNEL)
    own = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    done = subprocess.run(
        unprivileged(sys.executable, "-B", "-c", _PROGRAM, folder),
        env={**own, "HOME": str(folder / "home"), **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Said(done.stdout.splitlines())


COMPILED = "result 42 loaded 0 compiled 1 unkept 0"
LOADED = "result 42 loaded 1 compiled 0 unkept 0"


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the kernel and its code, compiled for any processor."""
    folder = tmp_path_factory.mktemp("code")
    assert run(folder, {"NUMBA_CPU_NAME": "generic"}).counts == COMPILED
    return folder


@pytest.fixture
def closed(code: Path, tmp_path: Path) -> Path:
    """A copy of it that nobody can write."""
    shutil.copytree(code, tmp_path, dirs_exist_ok=True)
    (tmp_path / "__pycache__").chmod(0o555)
    tmp_path.chmod(0o555)
    return tmp_path


def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    """The first one says that it compiles and leaves the code beside the source."""
    first = run(tmp_path)
    assert first.counts == COMPILED
    assert "compiling the signal path for" in first.text
    assert list((tmp_path / "__pycache__").glob("*.nbc"))
    assert run(tmp_path).lines == [LOADED]


def test_code_that_cannot_be_written_is_read(closed: Path) -> None:
    """A read-only folder serves, as in an image."""
    assert run(closed, {"NUMBA_CPU_NAME": "generic"}).lines == [LOADED]


def test_another_processor_is_told_and_compiled_for(closed: Path) -> None:
    """The user's own folder takes the code where the first can't."""
    home = closed / "home"
    closed.chmod(0o755)
    home.mkdir()
    closed.chmod(0o555)
    said = run(closed)
    assert said.counts == COMPILED
    assert "what is cached was compiled for generic" in said.text
    assert list(home.rglob("*.nbc"))
    assert run(closed).lines == [LOADED]


def test_nowhere_to_write_is_told_and_no_failure(closed: Path) -> None:
    """It compiles at each start, and the line names the folders and the way out."""
    said = run(closed)
    assert said.counts == "result 42 loaded 0 compiled 1 unkept 1"
    assert "every start compiles: cannot write" in said.text
    assert str(closed / "__pycache__") in said.text
    assert str(closed / "home") in said.text
    assert "NUMBA_CACHE_DIR" in said.text


def test_a_folder_of_ones_own_is_the_only_one(closed: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """With NUMBA_CACHE_DIR set neither other folder is asked."""
    own = {"NUMBA_CPU_NAME": "generic", "NUMBA_CACHE_DIR": str(tmp_path_factory.mktemp("cache"))}
    assert run(closed, own).counts == COMPILED
    assert run(closed, own).lines == [LOADED]


@pytest.mark.parametrize("name", ["*.nbi", "*.nbc"])
def test_damaged_code_is_compiled_anew(tmp_path: Path, name: str) -> None:
    """A file cut short by a crash or a full disk costs one compilation."""
    run(tmp_path)
    (path,) = (tmp_path / "__pycache__").glob(name)
    path.write_bytes(path.read_bytes()[:20])
    assert run(tmp_path).counts == COMPILED
    assert run(tmp_path).lines == [LOADED]


def test_a_changed_kernel_is_compiled_anew(tmp_path: Path) -> None:
    """The code of another version is not used."""
    run(tmp_path)
    (tmp_path / "kernel.py").write_text(_KERNEL.replace("2 *", "3 *"))
    assert run(tmp_path).counts == "result 63 loaded 0 compiled 1 unkept 0"


def test_what_a_kernel_imports_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A constant in a module that a module imports is compiled in, so its change makes another stamp."""
    package = tmp_path / "monitor"
    package.mkdir()
    (package / "kernel.py").write_text("from monitor.middle import X\n")
    (package / "middle.py").write_text("from monitor.constants import X\nfrom monitor.kernel import Y\n")
    (package / "constants.py").write_text("X = 1\n")
    (package / "apart.py").write_text("X = 1\n")
    monkeypatch.setattr(kernels, "_ROOT", package)
    before = kernels.source_stamp(package / "kernel.py")
    (package / "apart.py").write_text("X = 2\n")
    assert kernels.source_stamp(package / "kernel.py") == before
    (package / "constants.py").write_text("X = 2\n")
    assert kernels.source_stamp(package / "kernel.py") != before


def test_without_a_compiler_it_is_plain_python(tmp_path: Path) -> None:
    """NUMBA_DISABLE_JIT leaves the function as it was written."""
    assert run(tmp_path, {"NUMBA_DISABLE_JIT": "1"}).lines == ["result 42 loaded 0 compiled 0 unkept 0"]


def test_the_damage_is_what_unpickling_raises() -> None:
    """Half an index, an empty one and another program's file are all known as damaged."""
    for data in (b"", pickle.dumps("x" * 50)[:20], b"#!/bin/sh"):
        with pytest.raises(kernels._DAMAGED):
            pickle.loads(data)
