"""`ecg-train similar`: the beats most alike to one."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pyarrow as pa
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from typer.testing import CliRunner

from monitor.errors import MonitorError
from monitor.model.model import load_model
from monitor.recordings.files import read_recording
from monitor.recordings.synthetic import synthetic_ecg
from monitor.recordings.wfdb_records import read_beats
from tests.support.databases import write_record
from tests.support.models import recording_of, small_model
from training.commands.embed import embed
from training.commands.similar import similar
from training.errors import DataError
from training.report.embedding import read_embeddings, schema, write_embedding
from training.report.similar import Beat, beat_at, most_alike, nearest, seconds_of, strips_of

app = typer.Typer()
app.command("embed")(embed)
app.command("similar")(similar)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model and two records with ventricular beats, embedded in a.parquet and b.parquet."""
    folder = tmp_path_factory.mktemp("similar")
    small_model(folder / "model")
    for seed, name in enumerate(("a", "b")):
        write_record(folder, name, 40, ventricular=(25, 30, 35), seed=seed)
        words = ("embed", folder / name, "--out", folder / f"{name}.parquet", "--model", folder / "model")
        assert CliRunner().invoke(app, [str(word) for word in words]).exit_code == 0
    return folder


def _ventricular_s(folder: Path) -> float:
    labels = read_beats(folder / "a")
    assert labels is not None
    return float(labels.sample[labels.symbol.index("V", 26)] / 360)


def test_a_ventricular_beat_finds_ventricular_beats(folder: Path, tmp_path: Path) -> None:
    """The table, the JSON and the strips show beats of the same class, whichever recording they are in."""
    png, out = tmp_path / "new" / "alike.png", tmp_path / "alike.json"
    words = (
        "similar",
        folder / "a",
        "--at",
        _ventricular_s(folder),
        "--model",
        folder / "model",
        "--count",
        3,
    )
    files = ("--in", folder / "a.parquet", "--in", folder / "b.parquet", "--plot", png, "--json", out)
    result = CliRunner().invoke(app, [str(word) for word in (*words, *files)])
    assert result.exit_code == 0, result.output
    assert "Most alike" in result.stdout
    found = json.loads(out.read_text())
    assert [row["label"] for row in found["alike"]] == ["V", "V", "V"]
    assert all(row["sample"] != found["beat"]["sample"] or row["stream"] != "a" for row in found["alike"])
    assert matplotlib.image.imread(png).shape[1] > 500


def test_others_leaves_the_own_recording_out(folder: Path) -> None:
    """Other patients' beats alone, and fewer than asked for if there are no more; the nearest comes first."""
    beats = read_embeddings([folder / "a.parquet", folder / "b.parquet"])
    beat = beat_at(read_recording(folder / "a"), _ventricular_s(folder), load_model(folder / "model"))
    found = most_alike(beats, beat, 1000, others=True)
    assert {beats.row(each.row)["stream"] for each in found} == {"b"}
    assert len(found) == int(beats.of_stream("b").sum())
    distances = [each.distance for each in found]
    assert distances == sorted(distances)


def test_a_recording_that_is_gone_has_no_strip(folder: Path, tmp_path: Path) -> None:
    """Beats outlive their recording: they are listed, but can't be drawn."""
    write_record(tmp_path, "c", 40, ventricular=(30,), seed=2)
    words = ("embed", tmp_path / "c", "--out", tmp_path / "c.parquet", "--model", folder / "model")
    CliRunner().invoke(app, [str(word) for word in words])
    (tmp_path / "c.hea").unlink()
    beats = read_embeddings([tmp_path / "c.parquet"])
    beat = beat_at(read_recording(folder / "a"), 20.0, load_model(folder / "model"))
    found = most_alike(beats, beat, 2)
    assert len(found) == 2
    assert [strip.why for strip in strips_of(beat, beats, found)] == ["the beat asked for"]


@pytest.mark.parametrize(("text", "seconds"), [("7.5", 7.5), ("2:03", 123.0), ("1:02:03.5", 3723.5)])
def test_times_as_scan_prints_them(text: str, seconds: float) -> None:
    """Seconds, minutes and seconds, or hours."""
    assert seconds_of(text) == seconds


def test_times_and_places_that_do_not_exist(folder: Path) -> None:
    """A time that is none, one without a beat, and one after the recording's end each say so."""
    files = ["--in", str(folder / "a.parquet"), "--model", str(folder / "model")]
    result = CliRunner().invoke(app, ["similar", str(folder / "a"), "--at", "soon", *files])
    assert result.exit_code == 2
    assert "M:SS" in result.output
    for at, message in (("42", "no beat"), ("9:00:00", "0:40.00 long")):
        result = CliRunner().invoke(app, ["similar", str(folder / "a"), "--at", at, *files])
        assert isinstance(result.exception, MonitorError)
        assert message in str(result.exception)
    with pytest.raises(DataError, match="no beat"):
        beat_at(read_recording(folder / "a"), 39.9, load_model(folder / "model"))


def _million(path: Path) -> NDArray[np.float32]:
    """A million made-up beats of 500 recordings in one file, as `ecg-train embed` lays them out."""
    rng, count = np.random.default_rng(0), 1_000_000
    latent = rng.normal(size=(count, 12)).astype(np.float32)
    names = pa.array([f"r{i}" for i in range(500)])
    of = pa.array(np.repeat(np.arange(500, dtype=np.int32), count // 500))
    one = pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array(["beat"]))
    sample = np.tile(np.arange(count // 500), 500) * 300
    recording = pa.DictionaryArray.from_arrays(of, names)
    numbers = [np.full(count, 360.0), sample, sample / 360, rng.normal(size=count).astype(np.float32)]
    vectors = pa.FixedSizeListArray.from_arrays(latent.ravel(), 12)
    columns = [recording, recording, *map(pa.array, numbers), one, one, one, vectors]
    write_embedding(path, [pa.table(columns, schema=schema(small_model(), 12))])
    return latent


def test_a_million_beats_are_searched_in_a_second(tmp_path: Path) -> None:
    """Reading their file is in it; the fastest of five, since other programs run beside the test."""
    latent = _million(tmp_path / "million.parquet")
    recording = replace(recording_of(synthetic_ecg(5)), name="r250")
    beat = Beat(recording, 300, "beat", "lead 1", latent[500_001])
    took_s = []
    for _ in range(5):
        begun = time.perf_counter()
        found = most_alike(read_embeddings([tmp_path / "million.parquet"]), beat, 10)
        took_s.append(time.perf_counter() - begun)
    assert min(took_s) < 1.0
    away = np.linalg.norm(latent - latent[500_001], axis=1)
    assert [each.row for each in found] == np.argsort(away, kind="stable")[1:11].tolist()


@settings(deadline=None, derandomize=True)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 2**31))
def test_nearest_is_scikit_learns(count: int, width: int, seed: int) -> None:
    """The same distances as scikit-learn's search, and every row if more are asked for than there are."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(30, width)).astype(np.float32)
    wanted = rng.normal(size=width).astype(np.float32)
    rows, distances = nearest(latent, wanted, count)
    known = NearestNeighbors(n_neighbors=min(count, 30)).fit(latent).kneighbors(wanted[None])[0][0]
    assert distances == pytest.approx(known, rel=1e-4)
    assert len(set(rows.tolist())) == min(count, 30)


def test_nearest_wants_vectors_of_one_width() -> None:
    """A vector of another network is refused, not broadcast."""
    with pytest.raises(ValueError, match="equal widths"):
        nearest(np.zeros((3, 4), np.float32), np.zeros(1, np.float32), 1)
