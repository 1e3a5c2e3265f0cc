"""Checkouts in which `make venv` can be called, beside an index of made-up packages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.made_up_release import Checkout, make_release
from tests.support.package_index import serving

FEW = frozenset({"attrs", "filelock", "mpmath", "setuptools", "sympy"})


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a checkout and the files of its index: a lock of a few packages, which is quick."""
    folder = tmp_path_factory.mktemp("release")
    make_release(folder, FEW)
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
