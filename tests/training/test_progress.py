"""A bar on the terminal, and one that nobody sees."""

from __future__ import annotations

import pytest

from training.progress import bar, no_bar


def test_a_bar_says_what_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    """What was told last stands before the bar, on the terminal and not among the output."""
    with bar("comparing", 2.0) as advance:
        advance(2.0, "dense: epoch 1")
    said = capsys.readouterr()
    assert said.out == ""
    assert "dense: epoch 1" in said.err
    assert "100%" in said.err


def test_a_bar_keeps_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing is told but that it goes on, what was said before stays."""
    with bar("reading", 1) as advance:
        advance()
    assert "reading" in capsys.readouterr().err


def test_a_bar_that_nobody_sees(capsys: pytest.CaptureFixture[str]) -> None:
    """It is moved on like any other, and says nothing."""
    with no_bar("reading", 1) as advance:
        advance(1, "100")
    assert capsys.readouterr() == ("", "")
