"""The textfile of `ecg-train`, and its push to a Pushgateway."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitor.errors import ConfigError, MonitorError
from monitor.formats.figures import Figure
from tests.conftest import missing
from tests.support.databases import write_record
from tests.support.invocation import invoke
from tests.support.models import small_model
from tests.support.project import ROOT
from training.cli import app
from training.report.textfile import FAMILIES, TrainingMetrics, newest_file_s

DOC = ROOT / "docs" / "metrics.md"
AUROC = Figure(name="auroc", group="V/detected", value=0.987)


class _Gateway(BaseHTTPRequestHandler):
    """Takes what a Pushgateway would be sent."""

    def do_PUT(self) -> None:
        server = self.server
        assert isinstance(server, _Server)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        server.pushed.append((self.path, body))
        self.send_response(server.answer)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        pass


class _Server(HTTPServer):
    """Remembers paths and bodies."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Gateway)
        self.pushed: list[tuple[str, str]] = []
        self.answer = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def gateway() -> Iterator[_Server]:
    """A server on loopback that takes pushes."""
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the textfile goes; its folder is not there yet."""
    return tmp_path / "textfiles" / "ecg-train.prom"


def series(text: str) -> dict[str, float]:
    """Values by name and labels, these in the order of the alphabet, as in PromQL."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ", ".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def tell(path: Path, command: str, version: str, **more: object) -> dict[str, float]:
    """What the file holds after one run of a command for the model `m`."""
    TrainingMetrics(command, path, None).succeeded("m", version, **more)  # type: ignore[arg-type]
    return series(path.read_text(encoding="utf-8"))


def test_a_later_command_keeps_what_an_earlier_one_wrote(path: Path) -> None:
    """Fit, calibrate and evaluate leave one file with what each of them had to say."""
    tell(path, "fit", "1", data_s=1000.0)
    tell(path, "calibrate", "2", data_s=1000.0)
    found = tell(path, "evaluate", "2", protocol="ec57", figures=[AUROC])
    for command in ("fit", "calibrate", "evaluate"):
        labels = f'{{command="{command}", model="m"}}'
        assert found[f"ecg_train_last_success_timestamp_seconds{labels}"] > 1.7e9
        assert 0 <= found[f"ecg_train_duration_seconds{labels}"] < 60
    assert found['ecg_train_data_timestamp_seconds{model="m"}'] == 1000.0
    measure = '{group="V/detected", measure="auroc", model="m", protocol="ec57"}'
    assert found[f"ecg_train_measure{measure}"] == 0.987
    assert [key for key in found if "info" in key] == ['ecg_train_info{model="m", version="2"}']


def test_a_protocol_replaces_its_own_measures_alone(path: Path) -> None:
    """A figure that is no longer measured goes; another protocol's and another model's stay."""
    tell(path, "evaluate", "1", protocol="a", figures=[AUROC, Figure(name="f1", value=0.5)])
    tell(path, "evaluate", "1", protocol="b", figures=[AUROC])
    TrainingMetrics("evaluate", path, None).succeeded("other", "7", protocol="a", figures=[AUROC])
    found = tell(path, "evaluate", "1", protocol="a", figures=[Figure(name="f1", value=None)])
    kept = [re.findall(r'"([^"]*)"', key)[2:] for key in found if "measure" in key]
    assert kept == [["m", "b"], ["other", "a"]]


def test_another_version_was_not_measured(path: Path) -> None:
    """A model that is fitted anew does not show its forerunner's measures as its own."""
    tell(path, "evaluate", "1", protocol="a", figures=[AUROC])
    found = tell(path, "fit", "2")
    assert not [key for key in found if "measure" in key]
    assert [key for key in found if "info" in key] == ['ecg_train_info{model="m", version="2"}']
    assert 'ecg_train_duration_seconds{command="evaluate", model="m"}' in found


def test_the_file_is_written_in_one_step(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is cut off while it writes leaves the old file and nothing beside it."""
    before = tell(path, "fit", "1")

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", cut_off)
        with pytest.raises(KeyboardInterrupt):
            tell(path, "fit", "2")
    assert series(path.read_text(encoding="utf-8")) == before
    assert not [other for other in path.parent.iterdir() if other.suffix == ".prom" and other != path]


def test_nothing_is_written_without_a_path(tmp_path: Path) -> None:
    """The metrics are an option."""
    TrainingMetrics("fit", None, None).succeeded("m", "1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["not { metrics", "up 1\n", 'ecg_train_info{model="m"} 1\n'])
def test_another_file_is_not_overwritten(path: Path, text: str) -> None:
    """What is not a textfile of ours is refused before hours of training, and left as it is."""
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="not a textfile of ecg-train"):
        TrainingMetrics("fit", path, None)
    assert path.read_text(encoding="utf-8") == text


def test_a_path_that_cannot_be_written_is_refused_at_once(path: Path) -> None:
    """A folder in the file's place, and a file in the folder's."""
    path.mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot be read"):
        TrainingMetrics("fit", path, None)
    (path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be made"):
        TrainingMetrics("fit", path / "file" / "a.prom", None)


def test_the_gateway_gets_all_of_one_model(path: Path, gateway: _Server) -> None:
    """A push replaces the model's group with the file's series of that model, and of no other."""
    TrainingMetrics("fit", path, None).succeeded("other", "7")
    tell(path, "fit", "1", data_s=1000.0)
    TrainingMetrics("evaluate", path, gateway.url).succeeded("m", "1", protocol="a", figures=[AUROC])
    ((place, body),) = gateway.pushed
    assert place == "/metrics/job/ecg-train/model/m"
    in_file = series(path.read_text(encoding="utf-8"))
    assert series(body) == {key: value for key, value in in_file.items() if 'model="m"' in key}
    assert len(series(body)) < len(in_file)


def test_a_gateway_that_refuses_is_an_error(path: Path, gateway: _Server) -> None:
    """The command fails with the gateway's address; the textfile is there by then."""
    gateway.answer = 400
    with pytest.raises(MonitorError, match=f"{gateway.url}: the Pushgateway did not take the metrics"):
        TrainingMetrics("fit", path, gateway.url).succeeded("m", "1")
    assert 'ecg_train_info{model="m",version="1"} 1.0' in path.read_text(encoding="utf-8")


def test_a_push_needs_the_file(gateway: _Server) -> None:
    """Without it the push would take the other commands' series away."""
    with pytest.raises(ConfigError, match="--pushgateway is given without --metrics"):
        TrainingMetrics("fit", None, gateway.url)


def test_data_are_as_old_as_their_newest_file(tmp_path: Path) -> None:
    """Of the records that are trained on, signal or annotations; other records do not count."""
    for name in ("100", "1001"):
        write_record(tmp_path / "mitdb", name)
    for file in (tmp_path / "mitdb").iterdir():
        os.utime(file, (9000, 9000) if file.stem == "1001" else (1000, 1000))
    os.utime(tmp_path / "mitdb" / "100.atr", (2000, 2000))
    assert newest_file_s(tmp_path, ["100"]) == 2000.0


def test_evaluate_writes_its_figures_and_promtool_takes_them(tmp_path: Path, gateway: _Server) -> None:
    """As an operator runs it, with and without a model; Prometheus' own checker finds no fault."""
    write_record(tmp_path / "mitdb", "100", 330)  # the first five minutes don't count for `qrs`
    write_record(tmp_path / "mitdb", "103", 90, ventricular=range(40, 100, 9), seed=1)
    small_model(tmp_path / "model")
    path = tmp_path / "ecg-train.prom"
    command = ["evaluate", "--data", tmp_path, "--metrics", path, "--pushgateway", gateway.url]
    invoke(app, *command, "--model", tmp_path / "model", "--records", "103")
    invoke(app, *command, "--protocol", "qrs", "--records", "100")
    found = series(path.read_text(encoding="utf-8"))
    measure = '{group="V", measure="auroc", model="small", protocol="inter-patient"}'
    assert found[f"ecg_train_measure{measure}"] > 0.95
    assert any(key.endswith('model="none", protocol="qrs"}') for key in found)
    assert [place.rpartition("/")[2] for place, _ in gateway.pushed] == ["small", "none"]
    if (promtool := shutil.which("promtool")) is None:
        missing("promtool is not installed")
    done = subprocess.run(
        [str(promtool), "check", "metrics"],
        input=path.read_bytes(),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_page_lists_the_families_and_no_others() -> None:
    """docs/metrics.md has a row for each, with its labels."""
    rows = re.findall(r"^\| `(ecg_train_\w+)` \| \w+ \| ([^|]*)\|", DOC.read_text(encoding="utf-8"), re.M)
    assert {name: tuple(re.findall(r"`(\w+)`", labels)) for name, labels in rows} == {
        name: labels for name, (_, labels) in FAMILIES.items()
    }
