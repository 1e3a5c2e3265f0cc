"""`ecg-train embed`: recordings as Parquet files of latent vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer

from monitor.model.model import load_model
from monitor.recordings.files import read_recording
from tests.support.databases import write_record
from tests.support.invocation import invoke
from tests.support.models import small_model
from training.commands.embed import embed
from training.errors import DataError
from training.report.embedding import LATENT, beats_of, check_model, read_embeddings, write_embedding

app = typer.Typer()
app.command("embed")(embed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model, two annotated records, embedded in beats.parquet, and a flat CSV recording."""
    folder = tmp_path_factory.mktemp("embedding")
    small_model(folder / "model")
    for seed, name in enumerate(("a", "b")):
        write_record(folder, name, 40, ventricular=(25, 30), seed=seed)
    (folder / "flat.csv").write_text("II\n" + "0.0\n" * 5000)
    out = folder / "new" / "beats.parquet"
    invoke(app, folder / "a", folder / "b", "--out", out, "--model", folder / "model")
    return folder


def test_a_row_a_beat(folder: Path) -> None:
    """Every judged beat of every record, with its place, score, label and vector."""
    beats = read_embeddings([folder / "new" / "beats.parquet"])
    own = beats_of(read_recording(folder / "a"), load_model(folder / "model"))
    mine = beats.of_stream("a")
    assert beats.column("sample")[mine].tolist() == own.sample.tolist()
    assert beats.column("time_s")[mine].tolist() == (own.sample / 360).tolist()
    assert np.array_equal(beats.latent[mine], own.of_first_lead)
    assert set(beats.column("label").tolist()) == {"N", "V"}
    assert set(beats.column("lead").tolist()) == {"MLII"}
    assert beats.column("kind")[mine].tolist() == own.kind.tolist()
    assert (~mine).any()
    assert beats.row(0)["recording"] == str((folder / "a").resolve())


def test_other_tools_read_it(folder: Path) -> None:
    """It is plain Parquet: a list of floats a row, and names as text."""
    table = pq.read_table(folder / "new" / "beats.parquet", columns=["stream", LATENT])
    assert table.schema.field(LATENT).type.value_type == pa.float32()
    assert table.column("stream").to_pylist()[0] == "a"


def test_labels_are_left_open_without_annotations(folder: Path, tmp_path: Path) -> None:
    """A recording that nobody annotated has rows all the same; leads are chosen by name."""
    recording = read_recording(folder / "a")
    mv = recording.ecg_mv[:, 1]
    (tmp_path / "a.csv").write_text("V1\n" + "".join(f"{value:.3f}\n" for value in mv))
    out = tmp_path / "a.parquet"
    text = invoke(app, tmp_path / "a.csv", "--rate", 360, "--out", out, "--model", folder / "model")
    beats = read_embeddings([out])
    assert set(beats.column("label").tolist()) == {None}
    assert set(beats.column("lead").tolist()) == {"V1"}
    assert f"{len(beats)} beats of 1 recordings" in text


def test_nothing_to_embed_is_an_error(folder: Path, tmp_path: Path) -> None:
    """A flat recording has no beats, and an empty file would be found out much later."""
    with pytest.raises(DataError, match="no beat that could be judged"):
        invoke(app, folder / "flat.csv", "--rate", 250, "--out", tmp_path / "x", "--model", folder / "model")
    assert list(tmp_path.iterdir()) == []


def test_files_must_be_ours_and_of_one_model(folder: Path, tmp_path: Path) -> None:
    """Vectors of two models have nothing to do with each other, and other Parquet files hold none."""
    ours = folder / "new" / "beats.parquet"
    table = pq.read_table(ours)
    write_embedding(
        tmp_path / "other.parquet", [table.replace_schema_metadata({b"ecg-monitor": b'{"model": "x"}'})]
    )
    pq.write_table(pa.table({"x": [1]}), tmp_path / "strange.parquet")
    (tmp_path / "text.parquet").write_text("no Parquet")
    with pytest.raises(DataError, match="embedded by x None, wanted small"):
        read_embeddings([ours, tmp_path / "other.parquet"])
    for name, message in (
        ("strange", "no embedded beats"),
        ("text", "not readable"),
        ("none", "not readable"),
    ):
        with pytest.raises(DataError, match=message):
            read_embeddings([tmp_path / f"{name}.parquet"])
    check_model(read_embeddings([ours, ours]), load_model(folder / "model"))
    with pytest.raises(DataError, match="wanted small"):
        check_model(read_embeddings([tmp_path / "other.parquet"]), load_model(folder / "model"))
