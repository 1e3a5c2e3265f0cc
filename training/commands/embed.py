"""`ecg-train embed`: the latent vector of every beat of some recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[Path | None, typer.Option(help="A model folder; the bundled one otherwise.")]
Rate = Annotated[float | None, typer.Option(help="Sampling rate of a CSV without time column, Hz.")]
Lead = Annotated[list[str] | None, typer.Option(help="A lead to use (repeatable); otherwise all.")]


def embed(
    record: Annotated[
        list[Path], typer.Argument(help="WFDB records (paths without suffix), EDF files, or CSV files in mV.")
    ],
    *,
    out: Annotated[Path, typer.Option(help="Parquet file to write: a row a beat.")],
    model: Model = None,
    rate: Rate = None,
    lead: Lead = None,
) -> None:
    """Write each beat's latent vector, score, and label where annotations (atr) lie beside the recording.

    A beat's vector is that of its first usable lead, by the network that reconstructs a beat from itself.
    """
    from rich.console import Console

    from monitor.model.model import load_model
    from monitor.recordings.files import read_recording
    from training.errors import DataError
    from training.progress import bar
    from training.report.embedding import beats_of, labels_of, table_of, write_embedding

    loaded = load_model(model)
    tables = []
    with bar("embedding", len(record)) as advance:
        for path in record:
            recording = read_recording(path, rate_hz=rate, leads=lead or ())
            beats = beats_of(recording, loaded)
            if len(beats):
                tables.append(table_of(recording, path, beats, labels_of(path, beats.sample), loaded))
            advance()
    if not tables:
        raise DataError(f"{', '.join(map(str, record))}: no beat that could be judged")
    write_embedding(out, tables)
    Console().print(
        f"{sum(map(len, tables))} beats of {len(tables)} recordings → {out}", highlight=False, soft_wrap=True
    )
