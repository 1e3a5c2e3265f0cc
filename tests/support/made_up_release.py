"""This project's Makefile and locks beside made-up packages: everything installs in seconds, offline.

Each package of the lock is there in its locked version, empty but with what the real one asks for, and in
a newer release. What builds the project is real.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

from tests.support.package_index import make_wheel, newer, repack, sha256
from tests.support.project import ROOT

BUILDERS = {"hatchling", "packaging", "pathspec", "pluggy", "tomlkit", "trove-classifiers", "editables"}
CUDA = "nvidia-made-up"  # what torch asks for and no lock has
BALLAST = 30_000_000  # bytes of one package, for tests of full disks
_COPIED = (
    "Makefile",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "requirements-torch.lock",
    "deploy/install.py",
)


@dataclass(frozen=True)
class Checkout:
    """A folder in which `make venv` can be called."""

    folder: Path
    index: str  # its address

    def start(
        self, *words: str, program: Sequence[str] = ("make",), **variables: str
    ) -> subprocess.Popen[str]:
        """`make` with pip bound to the index, in a process group of its own."""
        return subprocess.Popen(
            [*program, *words],
            cwd=self.folder,
            env=clean_environment() | {"PIP_INDEX_URL": self.index, "PIP_RETRIES": "0"} | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def make(self, *words: str, timeout_s: float = 110.0, **variables: str) -> tuple[int, str]:
        """The exit status of `make`, and all that was printed."""
        with self.start(*words, **variables) as process:
            said, _ = process.communicate(timeout=timeout_s)
        return process.returncode, said

    def installed(self) -> dict[str, str]:
        """Versions by name, as the environment's metadata has them."""
        site = next((self.folder / ".venv").glob("lib/python*/site-packages"))
        found = (re.fullmatch(r"(.+)-(.+)\.dist-info", each.name) for each in site.glob("*.dist-info"))
        return {one[1].replace("_", "-").lower(): one[2] for one in found if one is not None}


def clean_environment() -> dict[str, str]:
    """This process's environment without what would tell pip or make anything."""
    return {
        **{
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("PIP_", "MAKE", "TORCH_ARGS"))
        },
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_CACHE_DIR": "1",
    }


def locked(text: str) -> list[Requirement]:
    """The requirements of a lock file."""
    lines = [line.rstrip(" \\") for line in text.splitlines() if re.match(r"[A-Za-z0-9]", line)]
    return [Requirement(line) for line in lines]


def version_of(requirement: Requirement) -> str:
    """The one version that a lock's line names."""
    return next(iter(requirement.specifier)).version


def expected(text: str) -> dict[str, str]:
    """Versions by name that a lock gives this Python."""
    here = (one for one in locked(text) if one.marker is None or one.marker.evaluate())
    return {one.name: version_of(one) for one in here}


def everything(checkout: Checkout) -> dict[str, str]:
    """What `make venv` installs in it, by name."""
    lock = (checkout.folder / "requirements.lock").read_text(encoding="utf-8")
    return {**expected(lock), "torch": "2.13.0", CUDA: "1.0", "ecg-monitor": "0.1.0"}


def make_release(folder: Path, few: frozenset[str] | None = None) -> Path:
    """Lay a checkout in folder/checkout, and its packages in folder/files, which is returned.

    few: the packages that the lock has beside the builders; None: all that the real one has.
    """
    checkout, files = folder / "checkout", folder / "files"
    files.mkdir(parents=True)
    for name in _COPIED:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, checkout / name)
    lines = []
    for one in locked((ROOT / "requirements.lock").read_text(encoding="utf-8")):
        if few is not None and one.name not in few | BUILDERS:
            continue
        wheel = _packages(files, one)
        lines.append(f"{one} \\\n    --hash=sha256:{sha256(wheel)}\n")
    (checkout / "requirements.lock").write_text("".join(lines), encoding="utf-8")
    torch = (ROOT / "requirements-torch.lock").read_text(encoding="utf-8").strip().partition("==")[2]
    make_wheel(files, "torch", torch, ["filelock", "sympy>=1", f"{CUDA}==1.0"])
    make_wheel(files, CUDA, "1.0")
    for name in ("torch", CUDA):
        make_wheel(files, name, "9999")
    if few is not None:  # the project then asks for no more than there is
        text = (checkout / "pyproject.toml").read_text(encoding="utf-8")
        text = re.sub(r"^dependencies = \[.*?^\]", "dependencies = []", text, flags=re.S | re.M)
        (checkout / "pyproject.toml").write_text(text, encoding="utf-8")
    _stub(checkout)
    return files


def _packages(files: Path, one: Requirement) -> Path:
    """The locked wheel of a package; a newer release is made beside it."""
    version = version_of(one)
    try:
        real = distribution(one.name)
    except PackageNotFoundError:  # of another system or Python
        real = None
    requires = [] if real is None else real.requires or []
    extras = [] if real is None else real.metadata.get_all("Provides-Extra") or []
    make_wheel(files, one.name, newer(version), requires, extras)
    if one.name in BUILDERS and real is not None:
        return repack(files, real)
    ballast = {"ballast": bytes(BALLAST)} if one.name == "mpmath" else {}
    return make_wheel(files, one.name, version, requires, extras, ballast)


def _stub(checkout: Path) -> None:
    """Packages that say what they were called for, in place of the real ones."""
    for package in ("monitor", "training"):
        (checkout / package).mkdir()
        (checkout / package / "__init__.py").write_text("")
        text = "import sys\n\n\ndef main():\n    print('called:', *sys.argv[1:])\n"
        (checkout / package / "cli.py").write_text(text)
