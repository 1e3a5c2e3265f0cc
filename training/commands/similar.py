"""`ecg-train similar`: the beats most alike to one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from training.commands.embed import Lead, Model, Rate

if TYPE_CHECKING:
    from rich.table import Table

    from training.report.embedding import Embedded
    from training.report.similar import Alike, Beat


_Recording = Annotated[Path, typer.Argument(help="The recording that the beat is in.")]
_At = Annotated[str, typer.Option(help="When it is: seconds, M:SS or H:MM:SS from the beginning.")]
_Within = Annotated[list[Path], typer.Option("--in", help="File that `ecg-train embed` wrote (repeatable).")]
_Count = Annotated[int, typer.Option(min=1, help="How many beats to find.")]
_Others = Annotated[bool, typer.Option("--others", help="Look in other recordings alone.")]
_Plot = Annotated[Path | None, typer.Option(help="Draw the beats as strips into this PNG.")]
_Json = Annotated[Path | None, typer.Option("--json", help="Write the beats here.")]


def similar(
    record: _Recording,
    *,
    at: _At,
    within: _Within,
    count: _Count = 10,
    others: _Others = False,
    plot: _Plot = None,
    json_path: _Json = None,
    model: Model = None,
    rate: Rate = None,
    lead: Lead = None,
) -> None:
    """Find the most alike beats in embedded recordings, by their latent vectors."""
    import time

    from monitor.model.model import load_model
    from monitor.recordings.files import read_recording
    from training.report.embedding import check_model, read_embeddings
    from training.report.similar import beat_at, most_alike

    at_s = _seconds(at)
    loaded = load_model(model)
    begun = time.perf_counter()
    beats = read_embeddings(within)
    check_model(beats, loaded)
    read_s = time.perf_counter() - begun
    beat = beat_at(read_recording(record, rate_hz=rate, leads=lead or ()), at_s, loaded)
    begun = time.perf_counter()
    found = most_alike(beats, beat, count, others=others)
    search_s = time.perf_counter() - begun
    rows = [beats.row(each.row) | {"distance": each.distance} for each in found]
    _print(rows, beat, len(beats), read_s, search_s)
    if plot is not None:
        _draw(plot, beat, beats, found, at)
    if json_path is not None:
        _write(json_path, beat, rows, read_s + search_s)


def _seconds(at: str) -> float:
    from training.report.similar import seconds_of

    try:
        return seconds_of(at)
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint="--at") from exc


def _print(rows: list[dict[str, Any]], beat: Beat, count: int, read_s: float, search_s: float) -> None:
    from rich.console import Console

    console = Console()
    console.print(_table(rows))
    console.print(
        f"{beat.recording.name} {beat.time_s:.2f} s, lead {beat.lead}: nearest of {count} beats, "
        f"read in {read_s:.3f} s, searched in {search_s:.3f} s",
        highlight=False,
        soft_wrap=True,
    )


def _draw(path: Path, beat: Beat, beats: Embedded, found: list[Alike], at: str) -> None:
    from monitor.scan.paper import draw_strips
    from training.report.similar import strips_of

    path.parent.mkdir(parents=True, exist_ok=True)
    draw_strips(strips_of(beat, beats, found), path, title=f"Beats like {beat.recording.name}'s at {at}")


def _write(path: Path, beat: Beat, rows: list[dict[str, Any]], elapsed_s: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    asked = {
        "stream": beat.recording.name,
        "sample": beat.sample,
        "time_s": beat.time_s,
        "lead": beat.lead,
    }
    text = json.dumps({"beat": asked, "alike": rows, "elapsed_s": elapsed_s}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def _table(rows: list[dict[str, Any]]) -> Table:
    from rich.table import Table

    from monitor.scan.terminal import clock

    table = Table(title="Most alike", title_justify="left", header_style="bold")
    for heading in ("recording", "lead", "label"):
        table.add_column(heading)
    for heading in ("time", "score", "distance"):
        table.add_column(heading, justify="right")
    for row in rows:
        texts = (str(row[key] or "") for key in ("stream", "lead", "label"))
        numbers = (f"{row[key]:.2f}" for key in ("score", "distance"))
        table.add_row(*texts, clock(row["time_s"]), *numbers)
    return table
