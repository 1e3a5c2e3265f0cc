"""Recordings as tables of latent vectors: a row a beat, in Parquet files that other tools read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from monitor.detect.detector import Detector
from monitor.model.model import Model
from monitor.recordings.recording import Recording
from monitor.recordings.wfdb_records import record_path
from monitor.scan.latents import BeatLatents, LatentCollector
from monitor.scan.scan import scan
from training.data.records import label_beats, read_record
from training.errors import DataError

LATENT = "latent"
_FACTS = b"ecg-monitor"  # key of our own facts among a file's metadata
_NAME = pa.dictionary(pa.int32(), pa.string())  # said once, however many beats have it


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """The n beats of some Parquet files. latent: (n, width); table: n rows, all other columns."""

    latent: NDArray[np.float32]
    table: pa.Table

    def __len__(self) -> int:
        return len(self.latent)

    def row(self, index: int) -> dict[str, Any]:
        """One beat's columns but the latent vector."""
        values: dict[str, Any] = self.table.slice(index, 1).to_pylist()[0]
        return values

    def of_stream(self, name: str) -> NDArray[np.bool_]:
        """(n,) whether a beat is of the recording of this name."""
        same = pc.equal(self.table.column("stream"), name)
        return np.asarray(same.to_numpy(), np.bool_)

    def column(self, name: str) -> NDArray[Any]:
        """One column, (n,); a label that is not known is None."""
        column = self.table.column(name)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)  # all null, a dictionary has nothing to take from
        values: NDArray[Any] = column.to_numpy()
        return values


def beats_of(recording: Recording, model: Model) -> BeatLatents:
    """A recording's beats as the worker's own path finds and judges them, with their latent vectors."""
    collector = LatentCollector(model)
    scan(recording, Detector(model, watch=collector))
    return collector.latents()


def schema(model: Model, width: int) -> pa.Schema:
    """The columns, and which model's the latent vectors are."""
    return pa.schema(
        [
            ("stream", _NAME),  # the recording's name
            ("recording", _NAME),  # its path
            ("rate_hz", pa.float64()),
            ("sample", pa.int64()),  # R peak, from the recording's first sample
            ("time_s", pa.float64()),
            ("score", pa.float32()),  # higher is stranger
            ("kind", _NAME),  # what it was flagged as, or "beat"
            ("label", _NAME),  # AAMI class, or what training.data.records calls a detection that is no beat
            ("lead", _NAME),  # whose latent vector it is
            (LATENT, pa.list_(pa.float32(), width)),
        ],
        metadata={_FACTS: json.dumps(_facts(model)).encode()},
    )


def table_of(
    recording: Recording, path: Path, beats: BeatLatents, labels: NDArray[np.str_] | None, model: Model
) -> pa.Table:
    """A recording's beats as rows, each by its first usable lead; labels: (n,) or None."""
    n, latent = len(beats), beats.of_first_lead
    leads = np.array([lead.name for lead in recording.leads])
    wanted = schema(model, latent.shape[1])
    columns = {
        "stream": [recording.name] * n,
        "recording": [str(path.resolve())] * n,
        "rate_hz": np.full(n, recording.rate_hz),
        "sample": beats.sample,
        "time_s": beats.sample / recording.rate_hz,
        "score": beats.score,
        "kind": beats.kind.tolist(),
        "label": [None] * n if labels is None else labels.tolist(),
        "lead": leads[beats.first_lead].tolist(),
        LATENT: pa.FixedSizeListArray.from_arrays(latent.ravel(), latent.shape[1]),
    }
    arrays = [pa.array(columns[each.name], each.type) for each in wanted]
    return pa.table(arrays, schema=wanted)


def labels_of(path: Path, sample: NDArray[np.int64]) -> NDArray[np.str_] | None:
    """What each detected beat is by the annotations beside a WFDB record; None if there are none."""
    record = record_path(path)
    if not Path(f"{record}.atr").is_file() or not Path(f"{record}.hea").is_file():
        return None
    return label_beats(read_record(record), sample).labels


def write_embedding(path: Path, tables: Sequence[pa.Table]) -> None:
    """Write the tables as one file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    # Floats of latent vectors do not compress; unpacking them would be most of a search's time.
    compression = {each.name: "zstd" for each in tables[0].schema if each.name != LATENT}
    pq.write_table(pa.concat_tables(tables), partial, compression=compression)
    partial.replace(path)


def read_embeddings(paths: Sequence[Path]) -> Embedded:
    """All beats of some files; raises DataError for files that are none of ours, or of another model."""
    tables = [_read(path) for path in paths]
    for path, table in zip(paths, tables, strict=True):
        got, wanted = facts_of(table), facts_of(tables[0])
        if got != wanted:
            raise DataError(f"{path}: embedded by {_shown(got)}, wanted {_shown(wanted)} as {paths[0]}")
    beats = [embedded(table) for table in tables]
    if len({each.latent.shape[1] for each in beats}) > 1:
        raise DataError(f"{', '.join(map(str, paths))}: latent vectors of different width")
    return joined(beats)


def embedded(table: pa.Table) -> Embedded:
    """A table's beats."""
    column = table.column(LATENT)
    flat = column.combine_chunks().flatten()
    return Embedded(
        flat.to_numpy(zero_copy_only=False).reshape(-1, column.type.list_size), table.drop_columns([LATENT])
    )


def joined(parts: Sequence[Embedded]) -> Embedded:
    """All beats of several sets."""
    if len(parts) == 1:
        return parts[0]
    return Embedded(
        np.concatenate([each.latent for each in parts]), pa.concat_tables([each.table for each in parts])
    )


def check_model(beats: Embedded, model: Model) -> None:
    """Raise DataError unless the beats were embedded by this very model."""
    wanted = _facts(model)
    if facts_of(beats.table) != wanted:
        raise DataError(f"beats were embedded by {_shown(facts_of(beats.table))}, wanted {_shown(wanted)}")


def facts_of(table: pa.Table) -> dict[str, str]:
    """Name and version of the model that gave a table's latent vectors."""
    facts: dict[str, str] = json.loads((table.schema.metadata or {}).get(_FACTS, b"{}"))
    return facts


def _facts(model: Model) -> dict[str, str]:
    return {"model": model.name, "version": model.version}


def _shown(facts: dict[str, str]) -> str:
    return f"{facts.get('model')} {facts.get('version')}"


def _read(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path, memory_map=True)
    except (OSError, pa.ArrowException) as exc:
        raise DataError(f"{path}: not readable as Parquet: {exc}") from exc
    if not facts_of(table) or LATENT not in table.column_names:
        raise DataError(f"{path}: no embedded beats; write it with: ecg-train embed RECORD --out {path}")
    return table
