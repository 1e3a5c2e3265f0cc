"""Faults that are brought back: each still fits the tree, and what misses is told."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

import pytest
from msgspec.structs import asdict

from monitor.formats.figures import figure
from tests.support.project import ROOT
from tests.torture import mutations
from tests.torture.faults import FAULTS, Fault
from tests.torture.sections import SECTIONS, missed


def test_every_fault_has_its_own_name_and_a_check() -> None:
    """A section of the torture, or a file of tests."""
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    checks = {fault.check for fault in FAULTS}
    assert [each for each in checks - set(SECTIONS) if not (ROOT / each).is_file()] == []


def test_what_was_seen_is_written_down() -> None:
    """Of every fault, with the check that saw it."""
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| .+ \| `(\w+)` \| \S", page, re.MULTILINE)
    others = re.findall(r"^- `([a-z-]+)`, .+: `([\w/]+\.py)::\w+`$", page, re.MULTILINE)
    assert dict(rows + others) == {fault.name: fault.check for fault in FAULTS}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_still_fits_the_tree(fault: Fault, tmp_path: Path) -> None:
    """Its text is there once, and what it leaves is Python."""
    (tmp_path / fault.path).parent.mkdir(parents=True)
    shutil.copy(ROOT / fault.path, tmp_path / fault.path)
    fault.apply(tmp_path)
    ast.parse((tmp_path / fault.path).read_text("utf-8"))


def test_text_that_is_gone_is_no_fault(tmp_path: Path) -> None:
    """Nor is text that is there twice."""
    (tmp_path / "a.py").write_text("x = 1\nx = 1\n")
    for old in ("y", "x"):
        with pytest.raises(ValueError, match="wanted once"):
            Fault("f", "crash", "", "a.py", old, "z").apply(tmp_path)


def test_what_could_not_be_measured_is_missed() -> None:
    """An answer that never came is no quick one; a figure without a target wants nothing."""
    late = figure("answer_s", float("inf"), target=2.0, better="lower")
    assert missed(late)
    assert not missed(figure("answer_s", float("inf")))
    assert not missed(figure("answer_s", 1.0, target=2.0, better="lower"))


def test_what_missed_is_told_once() -> None:
    """Groups together; a section that failed says why."""
    found = [figure("lost", number, f"crash/{number}", target=0, better="lower") for number in (0, 2, 3)]
    late = figure("late_s", float("inf"), target=1, better="lower")
    assert mutations.missed_of({"figures": [asdict(each) for each in (*found, late)]}) == ["lost 5", "late_s"]
    failed = asdict(figure("failed", 1, "flat", target=0, better="lower"))
    assert mutations.missed_of({"figures": [failed], "flat": {"failed": "E: x"}}) == ["failed: E: x"]


def test_a_fault_that_passes_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And makes the exit code 1."""
    monkeypatch.setenv("KAFKA_HOME", "/")
    monkeypatch.setattr(mutations, "seen", lambda fault, limit_s: [] if fault.check == "flat" else ["lost 1"])
    assert mutations.main(["replay-heard"]) == 0
    assert mutations.main(["replay-heard", "memory-left"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said] == ["replay-heard"] * 2 + ["memory-left"]
    assert said[-1].endswith("NOT SEEN")
