"""A run's ground without a broker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.torture.ground import Ground


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """Of the short form."""
    with ExitStack() as stack:
        yield Ground(tmp_path, True, 15, stack)
