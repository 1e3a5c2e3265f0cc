"""Installs into .venv what the lock files pin: `python3 deploy/install.py .venv`, as `make venv` calls it.

Nothing is resolved: every file is named by the lock and checked against its hash. Only PyTorch's own step
keeps its dependencies, since on Linux its default build needs CUDA packages that no lock lists; it comes
last, so that those which the lock has are there already, hashed, and constraints hold them to that version
whatever index TORCH_ARGS names. Needs nothing but Python's own library. A call that was broken off is
taken up by the next one.
"""

from __future__ import annotations

import csv
import fcntl
import importlib.util
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
LOCK, TORCH = ROOT / "requirements.lock", ROOT / "requirements-torch.lock"
INPUTS = (LOCK, TORCH, ROOT / "pyproject.toml", Path(__file__).resolve())
# Of Linux and Python 3.11; tests/deploy/test_release.py holds the first against the files.
LOCKED_MB, TORCH_CPU_MB, TORCH_CUDA_MB = 350, 200, 3000  # to download
DISK_MB = 2600  # with PyTorch's CPU build
CUDA_DISK_MB = 5000  # more, with the other
STAMP = ".installed"


def main(arguments: Sequence[str]) -> None:
    """Install into the folder that is the one argument."""
    (folder,) = arguments
    venv = Path(folder)
    with alone():
        if is_current(venv):
            return
        install(venv, shlex.split(os.environ.get("TORCH_ARGS", "")))


@contextmanager
def alone() -> Iterator[None]:
    """One installation at a time in this checkout: two demos may be started in the same second."""
    descriptor = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another `make venv` is at work here; waiting for it")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            say("this folder's file system knows no locks: call `make venv` once at a time")
        yield
    finally:
        os.close(descriptor)


def is_current(venv: Path) -> bool:
    """Whether an installation was finished after the last change of what it is made from."""
    stamp = venv / STAMP
    return stamp.exists() and all(stamp.stat().st_mtime >= each.stat().st_mtime for each in INPUTS)


def install(venv: Path, torch_args: list[str]) -> None:
    """Make the environment, or bring an older or unfinished one up to date."""
    check_python()
    tell_sizes(venv, torch_args)
    check_space(venv)
    pip = prepare(venv)
    say(f"packages of {LOCK.name}, each by its hash")
    run([*pip, "install", "--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(LOCK)])
    say(f"PyTorch, from {TORCH.name}")
    with constraints() as held:
        run([*pip, "install", *torch_args, "-c", held, "-r", str(TORCH)])
    say("ecg-monitor itself")
    run([*pip, "install", "--quiet", "--no-deps", "--no-build-isolation", "-e", str(ROOT)])
    run([*pip, "check"])
    say("compiling the signal path, so that the first start need not")
    # A start without compiled code is slow and no failure.
    subprocess.run([venv / "bin" / "ecg-monitor", "warm-up"], check=False)
    (venv / STAMP).touch()


def check_python() -> None:
    """Whether this Python can make a virtual environment."""
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        fail(
            f"{sys.executable} has no venv module: install it (Debian, Ubuntu: apt-get install {package}), "
            "or name another Python 3.11 to 3.13 with make PYTHON=..."
        )


def tell_sizes(venv: Path, torch_args: list[str]) -> None:
    """What is about to be downloaded, before it is; with no GPU, that CUDA can be spared."""
    count = len({pin.partition("==")[0] for pin in pins(LOCK.read_text(encoding="utf-8"))})
    say(f"installing {count} packages and PyTorch into {venv}; about {LOCKED_MB} MB to download, and")
    if torch_args or platform.system() != "Linux":
        say(f"PyTorch: {TORCH_CPU_MB} MB as its CPU build, {TORCH_CUDA_MB} MB with CUDA")
    elif has_gpu():
        say(f"PyTorch with CUDA for this machine's GPU: about {TORCH_CUDA_MB} MB")
    else:
        say(
            f"PyTorch: no NVIDIA GPU found and TORCH_ARGS is unset, so that pip may bring CUDA, "
            f"{TORCH_CUDA_MB} MB to download and {CUDA_DISK_MB} MB on disk that nothing here uses. "
            f"For the CPU build ({TORCH_CPU_MB} MB) stop with Ctrl-C, choose Linux, Pip, CPU on the "
            '"Get started" page of pytorch.org, and call '
            'make venv TORCH_ARGS="--index-url <the address shown there>"'
        )


def has_gpu() -> bool:
    """Whether this machine shows an NVIDIA GPU: its driver, or its tool (which is all that WSL has)."""
    return any(Path("/proc/driver/nvidia/gpus").glob("*")) or shutil.which("nvidia-smi") is not None


def check_space(venv: Path) -> None:
    """Whether the disk can hold it; what is there already counts."""
    place = next(each for each in (venv, *venv.resolve().parents) if each.exists())
    there = sum(each.stat().st_size for each in venv.rglob("*") if each.is_file() and not each.is_symlink())
    free_mb = (shutil.disk_usage(place).free + there) // 10**6
    if free_mb < DISK_MB:
        fail(f"{place} has {free_mb} MB free and {DISK_MB} MB are needed: make room, or name another disk's "
             "folder with make VENV=...")  # fmt: skip


def prepare(venv: Path) -> list[str]:
    """A virtual environment with a pip that works, and without packages that were installed by half."""
    python = venv / "bin" / "python"
    pip = [str(python), "-m", "pip"]
    if not works([*pip, "--version"]):
        say(f"a virtual environment in {venv}")
        # In two steps, since `venv` keeps to itself why its own call of ensurepip failed.
        run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(venv)])
        run([str(python), "-I", "-m", "ensurepip", "--upgrade", "--default-pip"], traceback=False)
    (venv / STAMP).unlink(missing_ok=True)
    for site in venv.glob("lib/python*/site-packages"):
        for info in site.glob("*.dist-info"):
            if not is_whole(info):
                say(f"{info.stem} was installed by half and is taken anew")
                shutil.rmtree(info)  # pip then knows nothing of it, and writes over what is there
        for remains in site.glob("~*"):  # of an upgrade that was broken off
            shutil.rmtree(remains)
    return pip


def is_whole(info: Path) -> bool:
    """Whether every file in a package's RECORD is there with its size; pip writes the RECORD last."""
    try:
        rows = list(csv.reader((info / "RECORD").read_text(encoding="utf-8").splitlines()))
        sizes = {name: int(size) for name, _, size in rows if size}
        return all((info.parent / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError):
        return False


@contextmanager
def constraints() -> Iterator[str]:
    """A file with the lock's versions and no hashes, which pip would ask of everything once it saw one."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as held:
        held.write("".join(f"{pin}\n" for pin in pins(LOCK.read_text(encoding="utf-8"))))
        held.flush()
        yield held.name


def pins(lock: str) -> list[str]:
    """The lock's requirements, `name==version ; marker`, without their hashes."""
    return [line.rstrip(" \\") for line in lock.splitlines() if re.match(r"[A-Za-z0-9]", line)]


def works(command: Sequence[str]) -> bool:
    """Whether a command can be run and succeeds."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def run(command: Sequence[str], *, traceback: bool = True) -> None:
    """Run a command and show what it prints; if it fails, end with a line that says what to do.

    traceback: whether to show also what follows where the command itself breaks down.
    """
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        said = []
        for line in process.stderr or ():
            said.append(line)
            if traceback or not any(each.startswith("Traceback") for each in said):
                sys.stderr.write(line)
    if process.returncode:
        fail(advice("".join(said), process.returncode))


def advice(said: str, code: int) -> str:
    """What to do about a failure, by what was printed of it."""
    if "No space left on device" in said:
        return "the disk is full: make room (pip unpacks in TMPDIR, too), then `make venv` goes on from here"
    if re.search("Could not find a version|No matching distribution|[Cc]onnection|timed out", said):
        return (
            "a package could not be had: with the network and pip's index in reach `make venv` goes on here"
        )
    return f"that failed with code {code}; `make venv` again goes on from here, `make clean` begins anew"


def say(what: str) -> None:
    """A line of ours, ahead of what the commands print."""
    print(f"make venv: {what}", flush=True)


def fail(what: str) -> NoReturn:
    """End with one line."""
    sys.exit(f"make venv: {what}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        fail("stopped; the next call goes on from here")
