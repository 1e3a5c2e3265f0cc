"""Progress bars of the training commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from training.fit import EpochRecord


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


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
