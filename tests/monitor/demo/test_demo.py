"""The demo from end to end, with a worker whose verdicts are known."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from rich.console import Console

from monitor.broker.embedded import embedded_broker
from monitor.demo.demo import read_source, run_demo
from monitor.demo.report import DemoRun
from monitor.demo.services import listen
from monitor.demo.stack import DemoOptions
from monitor.detect.detector import Detector
from monitor.errors import MonitorError
from monitor.formats.events import Event
from monitor.scan.scan import scan
from tests.conftest import missing
from tests.support.models import small_model
from tests.support.project import ROOT

STUB = (sys.executable, "-m", "tests.support.demo_stub_worker")
PAGE = (sys.executable, "-m", "tests.support.demo_stub_page")
pytestmark = pytest.mark.integration


def _no_picture(run: DemoRun, path: Path) -> None:
    path.write_bytes(b"")


def _figure(summary: dict[str, list[dict[str, object]]], name: str, group: str = "all") -> dict[str, object]:
    return next(each for each in summary["figures"] if (each["name"], each["group"]) == (name, group))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a demo on noida-db, fast."""
    output = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("KAFKA_HOME", raising=False)
        patch.setenv("ECG_MONITOR_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")  # not the demo's business
        with (output / "console.txt").open("w") as out:
            options = DemoOptions(output=output, speed=60.0, worker=STUB, page=PAGE)
            run_demo(options, Console(file=out), _no_picture)
    return output


def test_finds_what_the_worker_flagged(finished: Path) -> None:
    """All 93 PVCs and no normal beat are counted as flagged, by beats and by events."""
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["classes"]["V"] == {
        "annotated": 93,
        "detected": 93,
        "flagged_beats": 93,
        "flagged_events": 93,
        "flagged": 93,
    }
    assert summary["classes"]["N"]["flagged"] == 0
    assert _figure(summary, "sensitivity", "V")["met"] is True
    assert _figure(summary, "false_beats", "N")["value"] == 0


def test_latency_is_measured(finished: Path) -> None:
    """An event comes after its R peak, and within the target."""
    summary = json.loads((finished / "summary.json").read_text())
    p50, p99 = (_figure(summary, f"latency_{part}_s")["value"] for part in ("p50", "p99"))
    assert isinstance(p50, float)
    assert isinstance(p99, float)
    assert 0 < p50 <= p99 < 10


def test_events_name_their_r_peak(finished: Path) -> None:
    """Each line is the CloudEvent from the topic with its R peak's sample in the excerpt on top."""
    events = [json.loads(line) for line in (finished / "events.jsonl").read_text().splitlines()]
    assert len({event["id"] for event in events}) == 93
    assert all(event["r_peak_sample"] == event["data"]["r_peak_sample"] for event in events)
    assert all(event["specversion"] == "1.0" for event in events)


def test_without_a_terminal_there_are_lines(finished: Path) -> None:
    """Progress and summary can be read in a log."""
    text = (finished / "console.txt").read_text()
    assert "of 5:00.00" in text
    assert "Found against annotated" in text
    assert "\x1b" not in text


def test_it_opens_with_addresses(finished: Path) -> None:
    """Of the page and of Prometheus' text, before anything is sent."""
    text = (finished / "console.txt").read_text()
    opening = text[: text.index("of 5:00.00")]
    assert re.search(r"bedside page http://127\.0\.0\.1:\d+/", opening)
    assert re.search(r"Prometheus text http://127\.0\.0\.1:\d+/metrics", opening)


def test_a_page_that_ends_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a worker is."""
    monkeypatch.delenv("KAFKA_HOME", raising=False)
    page = (sys.executable, "-c", "print('no port'); raise SystemExit(4)")
    with pytest.raises(MonitorError, match=r"page ended with code 4.*no port"):
        run_demo(DemoOptions(output=tmp_path, worker=STUB, page=page), Console(quiet=True), _no_picture)


def test_a_port_in_use_is_not_taken() -> None:
    """Any other one is; one that has just been left is."""
    with listen() as other:
        port = other.getsockname()[1]
        with listen(port) as mine:
            assert mine.getsockname()[1] != port
        with socket.create_connection(other.getsockname()), other.accept()[0]:
            pass
    with listen(port) as mine:
        assert mine.getsockname()[1] == port


@pytest.mark.slow
def test_two_at_once(tmp_path: Path) -> None:
    """Started in the same moment, each has its own ports; in one folder the second says why it ends."""
    folders = [tmp_path / name for name in ("one", "other", "one")]
    for folder in folders:
        folder.mkdir(exist_ok=True)
    demos = [start(_RUN.replace("speed=2", "speed=0"), folder) for folder in folders]
    said = [demo.communicate(timeout=100)[0] for demo in demos]
    codes = [demo.returncode for demo in demos]
    (refused,) = (number for number in (0, 2) if codes[number])
    assert codes.count(0) == 2
    assert "another demo is at work in" in said[refused].splitlines()[-1]
    for folder in folders:
        assert _figure(json.loads((folder / "summary.json").read_text()), "sensitivity", "V")["value"] == 1.0
    pages = {re.search(r"page http://127.0.0.1:(\d+)/", text) for text in said} - {None}
    assert len({page[1] for page in pages if page is not None}) == 2


def test_an_older_demos_results_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that fails leaves none that could be taken for its own; what is not a demo's stays."""
    monkeypatch.delenv("KAFKA_HOME", raising=False)
    for name in ("summary.json", "events.jsonl", "strip.png", "mine.txt"):
        (tmp_path / name).write_text("old")
    worker = (sys.executable, "-c", "raise SystemExit(3)")
    with pytest.raises(MonitorError, match="code 3"):
        run_demo(DemoOptions(output=tmp_path, worker=worker, page=None), Console(quiet=True), _no_picture)
    assert {path.name for path in tmp_path.iterdir()} & {"summary.json", "events.jsonl", "strip.png"} == set()
    assert (tmp_path / "mine.txt").read_text() == "old"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """With the option that names another."""
    (tmp_path / "file").write_text("")
    options = DemoOptions(output=tmp_path / "file" / "demo", page=None)
    with pytest.raises(MonitorError, match=r"file/demo cannot be written: Not a directory.*--output"):
        run_demo(options, Console(quiet=True), _no_picture)


def test_a_worker_that_ends_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its exit code and last words are in the error."""
    monkeypatch.delenv("KAFKA_HOME", raising=False)
    worker = (sys.executable, "-c", "print('no model'); raise SystemExit(3)")
    with pytest.raises(MonitorError, match=r"code 3.*no model"):
        run_demo(DemoOptions(output=tmp_path, worker=worker, page=None), Console(quiet=True), _no_picture)


def test_the_daemon_finds_what_a_scan_finds(tmp_path: Path) -> None:
    """The real worker, as a process behind Kafka, gives the events of a scan of the same recording."""
    model = small_model(tmp_path / "model")
    options = DemoOptions(output=tmp_path, speed=0, model=tmp_path / "model", page=None)
    run = run_demo(options, Console(quiet=True), _no_picture)
    scanned = [_place(event) for event in scan(run.recording, Detector(model)).events]
    found = sorted(_place(event) for event in run.found.events)
    # The scan also judges the tail, whose windows the stream never completed.
    tail = set(scanned) - set(found)
    assert found
    assert set(found) <= set(scanned)
    assert all(last > len(run.recording) - 3 * run.recording.rate_hz for _, last, *_ in tail)


def _place(event: Event) -> tuple[int, int, str, str]:
    return event.r_peak_sample, event.last_sample, event.kind, event.phase or ""


def test_twice_on_ones_own_broker(tmp_path: Path) -> None:
    """The second demo reports its own events alone, and leaves the broker up."""
    if not os.environ.get("KAFKA_HOME"):
        missing("KAFKA_HOME is not set")
    # Not the other tests': a demo's topics have the names of everybody's.
    with embedded_broker("kafka") as servers:
        for turn in ("first", "second"):
            options = DemoOptions(
                output=tmp_path / turn, speed=0, bootstrap_servers=servers, worker=STUB, page=None
            )
            run = run_demo(options, Console(quiet=True), _no_picture)
            assert (len(run.found.events), run.found.beats, len(run.latency_s)) == (93, 508, 0)
    log = (tmp_path / "second" / "worker.log").read_text()
    assert "0 streams" in log


def test_keep_stays_until_interrupted(tmp_path: Path) -> None:
    """With --keep the metrics are there after the summary, and Ctrl-C is a clean end."""
    code = _RUN.replace("speed=2", "speed=0, keep=True")
    with start(code, tmp_path) as demo:
        assert demo.stdout is not None
        line = next(line for line in demo.stdout if line.startswith("staying up"))
        address = line.split("metrics on ")[1].split(";")[0]
        with urllib.request.urlopen(address, timeout=5) as answer:
            assert b"ecg_" in answer.read()
        demo.send_signal(signal.SIGINT)
        assert demo.wait(30) == 0
    assert processes_with(str(tmp_path)) == []


# Ctrl-C while running is the end of `--keep` and of a ward.
@pytest.mark.parametrize(
    ("number", "after_s"), [(signal.SIGINT, 0.5), (signal.SIGTERM, 0.5), (signal.SIGTERM, 4.0)]
)
def test_a_signal_leaves_no_child(tmp_path: Path, number: signal.Signals, after_s: float) -> None:
    """Neither broker nor worker outlive a demo that was interrupted while starting or while running."""
    with start(_RUN, tmp_path) as demo:
        time.sleep(after_s)
        demo.send_signal(number)
        assert demo.wait(30) in (128 + number, -number)  # the latter before the handlers are there
    assert processes_with(str(tmp_path)) == []


def start(code: str, folder: Path) -> subprocess.Popen[str]:
    """A process that runs this code, the folder its argument, without KAFKA_HOME."""
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if key != "KAFKA_HOME"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


# The broker's directory lies in the test's folder, so that its command line names it as the worker's does.
_RUN = """
import os, sys, tempfile
from pathlib import Path
tempfile.tempdir = sys.argv[1]
from rich.console import Console
from monitor.demo.demo import run_demo
from monitor.demo.stack import DemoOptions
page = (sys.executable, "-m", "tests.support.demo_stub_page")
worker = (sys.executable, "-m", "tests.support.demo_stub_worker")
options = DemoOptions(output=Path(sys.argv[1]), speed=2, worker=worker, page=page)
run_demo(options, Console(), lambda run, path: None)
"""


def processes_with(text: str) -> list[str]:
    """Command lines that hold these words."""
    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in lines.splitlines() if text in line]


def test_another_record_comes_without_targets(tmp_path: Path) -> None:
    """A record of one's own is compared with nothing where it has no annotations."""
    path = tmp_path / "mine.csv"
    path.write_text("time,II\n" + "".join(f"{index / 100},0\n" for index in range(500)))
    source = read_source(path)
    assert (source.recording.name, source.labels, source.targets) == ("mine", None, {})
