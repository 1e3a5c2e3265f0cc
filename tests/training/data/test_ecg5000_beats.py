"""ECG5000's file, and its normal beats parted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.databases import write_ecg5000
from training.data.ecg5000_beats import FILE, read_beats, split_normals
from training.errors import DataError


def test_missing_or_broken_file(tmp_path: Path) -> None:
    """The error says what file is wanted, and what it should hold."""
    with pytest.raises(DataError, match=r"ALL\.csv: no such file"):
        read_beats(tmp_path)
    write_ecg5000(tmp_path, 1, 1)
    with (tmp_path / FILE).open("a", encoding="utf-8") as file:
        file.write("TRAIN,1,1,nonsense\n")
    with pytest.raises(DataError, match="not a table"):
        read_beats(tmp_path)


def test_normal_beats_are_parted_alike_for_a_seed() -> None:
    """85 in a hundred to learn from, the others to test on, none in both; another seed, other beats."""
    normals = np.arange(100, dtype=np.float32)[:, None]
    train, tested = split_normals(normals, 3)
    assert (len(train), len(tested)) == (85, 15)
    assert np.array_equal(np.sort(np.concatenate([train, tested]), axis=0), normals)
    assert np.array_equal(split_normals(normals, 3)[0], train)
    assert not np.array_equal(split_normals(normals, 4)[0], train)
