"""`ecg-monitor scan` and `ecg-monitor replay` as they are typed."""

from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import pytest
import typer

from monitor.broker.sender import ChunkSender
from monitor.broker.topics import create_topics
from monitor.commands.demo import demo
from monitor.commands.replay import replay
from monitor.commands.scan import scan
from monitor.config import KafkaSettings
from monitor.demo.stack import DemoOptions
from monitor.errors import RecordingError
from monitor.recordings.synthetic import synthetic_ecg
from monitor.recordings.wfdb_records import read_beats, wfdb_library
from tests.support.invocation import invoke
from tests.support.models import small_model

app = typer.Typer()
app.command("scan")(scan)
app.command("replay")(replay)
app.command("demo")(demo)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model, and a minute of made-up ECG as a WFDB record and as CSV, with two ventricular beats."""
    folder = tmp_path_factory.mktemp("recordings")
    small_model(folder / "model")
    ecg = synthetic_ecg(60, rate_hz=250.0, ventricular=(30, 45))
    mv = ecg.ecg_mv[:, :1].astype(float)
    symbols = ["V" if odd else "N" for odd in ecg.ventricular]
    with wfdb_library() as wfdb:
        wfdb.wrsamp("rec", ecg.rate_hz, ["mV"], ["II"], mv, fmt=["16"], write_dir=str(folder))
        wfdb.wrann("rec", "atr", ecg.r_peak.astype(int), symbols, write_dir=str(folder))
    (folder / "rec.csv").write_text("II\n" + "".join(f"{value:.3f}\n" for value in mv[:, 0]))
    return folder


def test_scan_writes_everything_that_is_asked_for(folder: Path, tmp_path: Path) -> None:
    """Table, JSON, CSV and annotations of one scan speak of the same beats."""
    outputs = (
        "--json",
        tmp_path / "new" / "out.json",
        "--beats",
        tmp_path / "beats.csv",
        "--annotations",
        "ecgm",
    )
    text = invoke(app, "scan", folder / "rec", "--model", folder / "model", *outputs)
    assert "Found against annotated" in text
    plain = json.loads((tmp_path / "new" / "out.json").read_text())
    assert {each["group"] for each in plain["figures"]} >= {"V", "N", "all"}
    rows = list(csv.DictReader(StringIO((tmp_path / "beats.csv").read_text())))
    beats = read_beats(folder / "rec", "ecgm")
    assert beats is not None
    assert sorted(int(row["sample"]) for row in rows if row["kind"] != "fixed") == sorted(beats.sample)
    assert plain["windows"] == len(rows)


def test_scan_of_csv(folder: Path) -> None:
    """A CSV file with --rate is scanned like any other; without annotations nothing is compared."""
    text = invoke(app, "scan", folder / "rec.csv", "--model", folder / "model", "--rate", 250, "--budget", 1)
    assert "rec: 1:00.00 at 250 Hz, leads II" in text
    assert "annotated" not in text


def test_scan_refuses_before_it_works(folder: Path) -> None:
    """A mistyped extension or reference costs no scan."""
    with pytest.raises(RecordingError, match="wanted letters"):
        invoke(app, "scan", folder / "rec", "--annotations", "atr")
    with pytest.raises(RecordingError, match=r"rec\.ref: no such annotation file"):
        invoke(app, "scan", folder / "rec", "--reference", "ref")


@pytest.mark.integration
def test_replay_says_how_much_it_sent(folder: Path, broker: str) -> None:
    """Two streams of a minute in chunks of two seconds are sixty chunks."""
    create_topics(KafkaSettings(bootstrap_servers=broker))
    sends = ("--streams", 2, "--speed", 0, "--chunk", 2, "--prefix", "bed")
    text = invoke(app, "replay", folder / "rec", "--bootstrap-servers", broker, *sends)
    assert text.startswith("60 chunks in 2 streams")


@pytest.mark.integration
def test_replay_is_stopped_by_ctrl_c(folder: Path, broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent until then is delivered and counted; it is no error."""
    create_topics(KafkaSettings(bootstrap_servers=broker))
    send, sent = ChunkSender.send, list[str]()

    def interrupted(self: ChunkSender, stream: str, value: bytes) -> None:
        if len(sent) == 3:
            raise KeyboardInterrupt
        sent.append(stream)
        send(self, stream, value)

    monkeypatch.setattr(ChunkSender, "send", interrupted)
    text = invoke(app, "replay", folder / "rec", "--bootstrap-servers", broker, "--speed", 0, "--loop")
    assert text.startswith("3 chunks in 1 streams")


def test_demo_hands_on_what_was_typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every option of the command line reaches the demo."""
    given: list[DemoOptions] = []
    monkeypatch.setattr("monitor.demo.demo.run_demo", lambda options, console, draw: given.append(options))
    monkeypatch.setattr("monitor.logs.configure_logging", lambda settings: None)
    words = ("--speed", 2, "--keep", "--record", "a/b", "--output", tmp_path, "--bootstrap-servers", "h:1")
    invoke(app, "demo", *words, "--model", "m")
    assert given == [
        DemoOptions(
            output=tmp_path,
            speed=2.0,
            bootstrap_servers="h:1",
            keep=True,
            record=Path("a/b"),
            model=Path("m"),
        )
    ]


def test_a_ward_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In real time unless told otherwise, with a page unless told otherwise."""
    given: list[tuple[int, float, bool]] = []
    monkeypatch.setattr(
        "monitor.demo.ward.run_ward",
        lambda options, beds, console: given.append((beds, options.speed, options.page is None)),
    )
    monkeypatch.setattr("monitor.logs.configure_logging", lambda settings: None)
    invoke(app, "demo", "--ward", 32, "--output", tmp_path)
    invoke(app, "demo", "--ward", 5, "--speed", 2, "--no-web", "--output", tmp_path)
    assert given == [(32, 1.0, False), (5, 2.0, True)]


def test_scan_groups_alike_beats(folder: Path, tmp_path: Path) -> None:
    """--group tells every anomalous beat once, in the table, the JSON and a strip a group."""
    out, png = tmp_path / "out.json", tmp_path / "groups.png"
    text = invoke(
        app, "scan", folder / "rec", "--model", folder / "model", "--group", "--json", out, "--plot", png
    )
    assert "Anomalous beats, grouped" in text
    plain = json.loads(out.read_text())
    flagged = [sample for group in plain["groups"] for sample in group["samples"]]
    assert len(flagged) == len(set(flagged)) == sum(group["count"] for group in plain["groups"]) > 0
    assert {event["r_peak_sample"] for event in plain["events"] if event["kind"].startswith("beat.")} <= set(
        flagged
    )
    assert all(
        group["typical_sample"] in group["samples"] and group["lead"] == "II" for group in plain["groups"]
    )
    assert png.stat().st_size > 1000
