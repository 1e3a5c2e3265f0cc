"""`ecg-train data`: fetch a PhysioNet database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_Name = Annotated[
    str, typer.Argument(help="mitdb, nstdb, or any other PhysioNet name; NAME/VERSION is taken, too.")
]
_Dest = Annotated[Path, typer.Argument(help="Folder that gets a sub-folder of the database's name.")]
_Mirror = Annotated[
    str | None, typer.Option(help="Where the files lie, instead of https://physionet.org/files/.")
]


def data(name: _Name, dest: _Dest, *, mirror: _Mirror = None) -> None:
    """Fetch a database's records and verify their checksums; what is there already is kept."""
    from training.data.download import PHYSIONET, fetch_database
    from training.progress import bar

    fetched = fetch_database(name, dest, index_url=mirror or PHYSIONET, bar=bar)
    counts = f"{fetched.fetched} files fetched, {fetched.kept} kept"
    print(f"{fetched.folder}: version {fetched.version}, {counts}; all verified")
