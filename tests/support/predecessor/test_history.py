"""The predecessor's code comes from git's history, or it is said what to do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.predecessor.history import COMMIT, STUB_WORKER, NoHistoryError, unpack
from tests.support.project import ROOT


def _has_history() -> bool:
    command = ["git", "-C", str(ROOT), "cat-file", "-e", f"{COMMIT}^{{commit}}"]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=20).returncode == 0
    except FileNotFoundError:
        return False


def test_it_is_unpacked_or_it_is_said_what_to_do(tmp_path: Path) -> None:
    """Whichever this clone allows; a section of the torture must not pass without it."""
    if not _has_history():
        with pytest.raises(NoHistoryError, match="--unshallow"):
            unpack(tmp_path)
        return
    folder = unpack(tmp_path)
    assert (folder / f"{STUB_WORKER[1].replace('.', '/')}.py").is_file()
    assert "STATE_SCHEMA = 1\n" in (folder / "monitor" / "snapshots.py").read_text()


def test_without_the_history_one_line_says_what_to_do(tmp_path: Path) -> None:
    """As in a shallow clone, or in a folder that is none."""
    with pytest.raises(NoHistoryError) as caught:
        unpack(tmp_path / "code", root=tmp_path)
    said = str(caught.value)
    assert said.startswith(f"the code of {COMMIT} is not here (")
    assert "git fetch --unshallow" in said
    assert "\n" not in said


def test_without_git_the_same_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is unpacked."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoHistoryError, match="there is no git"):
        unpack(tmp_path / "code")
