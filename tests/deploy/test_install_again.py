"""`make venv` that is broken off, called twice at once, or lied to; made-up packages.

Each installs several times.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.support.made_up_release import Checkout, everything
from tests.support.package_index import make_wheel, serving

pytestmark = [pytest.mark.integration, pytest.mark.slow]


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


_ON_A_SMALL_DISK = """
set -u
mkdir .venv && mount -t tmpfs -o size=$1k tmpfs .venv || exit 9
make venv; echo "ended: $?"
mount -o remount,size=300m .venv
make venv; echo "ended: $?"
"""


@pytest.mark.parametrize("free_kb", [12_000, 40_000])
def test_a_full_disk_is_mended_by_the_next_call(checkout: Checkout, free_kb: int) -> None:
    """Full while pip itself or the packages are installed; with room made, the same command finishes."""
    if os.geteuid() != 0:
        missing("only root can mount a small disk")
    program = checkout.folder / "deploy" / "install.py"
    text, count = re.subn(r"^DISK_MB = \d+", "DISK_MB = 1", program.read_text(), flags=re.M)
    assert count == 1
    program.write_text(text)
    shell = ("unshare", "--mount", "sh", "-c", _ON_A_SMALL_DISK, "sh")
    with checkout.start(str(free_kb), program=shell) as process:
        said = process.communicate(timeout=110)[0]
    full, mended, *_ = said.split("ended: ")
    assert "make venv: the disk is full: make room" in full, full
    assert mended.startswith("2\n")
    assert said.endswith("called: warm-up\nended: 0\n"), said
    assert "Traceback" not in said
