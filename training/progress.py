"""What is told of work while it goes on: a bar, and what moves it on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Advance(Protocol):
    """Moves a bar on."""

    def __call__(self, amount: float = 1, text: str | None = None) -> object:
        """By so much of the whole; text: what is done now, instead of what was said before."""
        ...


Bar = Callable[[str, float], AbstractContextManager[Advance]]  # of what, and how much in all


def no_advance(amount: float = 1, text: str | None = None) -> None:
    """Moves nothing."""
    del amount, text


def no_bar(what: str, total: float) -> AbstractContextManager[Advance]:
    """A bar that nobody sees."""
    del what, total
    return nullcontext(no_advance)


@contextmanager
def bar(what: str, total: float) -> Iterator[Advance]:
    """A bar on the terminal that leaves nothing behind; where there is none, one line when it is done."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=console.is_terminal) as bars:
        task = bars.add_task(what, total=total)

        def advance(amount: float = 1, text: str | None = None) -> None:
            bars.update(task, advance=amount, description=text)

        yield advance
