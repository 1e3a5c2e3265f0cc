"""Progress bars of the training commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from training.fit.loop import EpochRecord

Told = Callable[[str, float], object]  # what is done now, and how much of all has been done since


@contextmanager
def bar(title: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar; the function that it yields moves it on by one."""
    with _progress() as progress:
        task = progress.add_task(title, total=total)
        yield lambda: progress.advance(task)


@contextmanager
def epoch_bar(total: int) -> Iterator[Callable[[str, EpochRecord], None]]:
    """A bar over all epochs of all networks; early stopping makes it jump."""
    with _progress() as progress:
        task = progress.add_task("training", total=total)

        def on_epoch(label: str, record: EpochRecord) -> None:
            losses = f"train {record.train:.3f}, held out {record.held_out:.3f}"
            progress.update(task, advance=1, description=f"{label}: {losses}")

        yield on_epoch
        progress.update(task, completed=total)


@contextmanager
def told_bar(title: str, total: float) -> Iterator[Told]:
    """A bar over work of many parts; the function that it yields says which, and moves it on."""
    with _progress(TaskProgressColumn()) as progress:
        task = progress.add_task(title, total=total)
        yield lambda what, amount: progress.update(task, advance=amount, description=what)


def _progress(amount: ProgressColumn | None = None) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        amount or MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
