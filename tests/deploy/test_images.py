"""The Dockerfiles and the training job's script, read and run without a Docker engine."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from monitor.config import MetricsSettings, load_settings
from monitor.worker.health import Health, HealthServer
from tests.support.deploy_files import DEPLOY, instructions, last_stage, parse, stages
from tests.support.project import ROOT

DOCKERFILES = ["Dockerfile", "training.Dockerfile"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_images_do_not_run_as_root(dockerfile: str) -> None:
    """The image runs as a user with a number that is not 0, and that has a name and a home."""
    stage = last_stage(dockerfile)
    user, group = stage["USER"].split(":")
    assert int(user) > 0
    made = " ".join(rest for name, rest in instructions(dockerfile) if name == "RUN")
    assert f"groupadd --gid {group} " in made
    assert f"useradd --uid {user} " in made


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_images_write_to_tmp_alone(dockerfile: str) -> None:
    """With a read-only root every cache has a place: fonts, home (newly compiled code, too), work folder."""
    stage = last_stage(dockerfile)
    places = dict(re.findall(r"(HOME|MPLCONFIGDIR)=(\S+)", stage["ENV"]))
    assert len(places) == 2
    assert all(place == "/tmp" or place.startswith("/tmp/") for place in places.values())
    assert stage["WORKDIR"] == "/tmp"
    assert "PYTHONDONTWRITEBYTECODE=1" in stage["ENV"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_images_are_built_in_stages(dockerfile: str) -> None:
    """What runs copies the finished environment alone from what built it, on the same pinned base."""
    bases = {rest.split()[0] for name, rest in instructions(dockerfile) if name == "FROM"}
    (python,) = bases - set(stages(dockerfile))
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-bookworm", python)
    copies = [rest for name, rest in instructions(dockerfile) if name == "COPY" and "--from=build" in rest]
    assert copies == ["--from=build /opt/ecg /opt/ecg"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_what_is_installed_is_locked(dockerfile: str) -> None:
    """Nothing is resolved or compiled: the rest by hashes, PyTorch within the lock; no build isolation."""
    made = " && ".join(rest for name, rest in instructions(dockerfile) if name == "RUN")
    installs = re.findall(r"pip install ([^&]+)", made)
    wanted = (
        r"--no-deps --require-hashes --only-binary :all:( -r [a-z]+\.lock)+",
        r"\$TORCH_ARGS -c constraints\.txt -r requirements-torch\.lock",
        r"--no-deps /wheel/\*\.whl",
    )
    assert len(installs) >= len(wanted)
    assert all(any(re.fullmatch(one, words.strip()) for one in wanted) for words in installs), installs
    assert "pip check" in made


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_compiled_code_fits_where_it_runs(dockerfile: str) -> None:
    """What the image compiles at its build is for the processor that it asks for when it runs: any."""
    built = [rest for name, rest in instructions(dockerfile) if name == "ENV" and "NUMBA" in rest]
    assert built[0] == "NUMBA_CPU_NAME=generic"
    assert "NUMBA_CPU_NAME=generic" in last_stage(dockerfile)["ENV"].split()
    runs = [rest for name, rest in instructions(dockerfile) if name == "RUN"]
    assert "ecg-monitor warm-up" in runs


def test_worker_image_refuses_cuda() -> None:
    """Hundreds of megabytes that no worker uses fail the build."""
    assert any("torch.version.cuda" in rest for name, rest in instructions("Dockerfile") if name == "RUN")


def test_worker_image_is_healthy_by_healthz() -> None:
    """The worker's health check asks /healthz at the port that it serves."""
    stage = last_stage("Dockerfile")
    assert f"http://127.0.0.1:{MetricsSettings().port}/healthz" in stage["HEALTHCHECK"]
    assert stage["EXPOSE"].split() == [str(MetricsSettings().port), "8080"]


@pytest.mark.parametrize("stands_still", [False, True])
def test_the_health_check_tells_alive_from_stalled(stands_still: bool) -> None:
    """The image's own command succeeds while the main loop advances, and fails when it has stood still."""
    times = iter([0.0, *[1000.0 if stands_still else 1.0] * 9])
    health = Health(stalled_after_s=120.0, clock=lambda: next(times))
    command = json.loads(last_stage("Dockerfile")["HEALTHCHECK"].partition("CMD ")[2])
    assert command[0] == "python"
    with HealthServer("127.0.0.1", 0, health, CollectorRegistry()) as server:
        script = command[2].replace(str(MetricsSettings().port), str(server.port))
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode != 0) is stands_still
    assert ("503" in done.stderr) is stands_still


def test_worker_image_sets_what_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its ECG_MONITOR_ variables are read, and /metrics can be reached from outside the container."""
    variables = re.findall(r"(ECG_MONITOR_\w+)=(\S+)", last_stage("Dockerfile")["ENV"])
    for name, value in variables:
        monkeypatch.setenv(name, value)
    assert load_settings().metrics.host == "0.0.0.0"


@pytest.mark.parametrize("stage", ["worker", "demo"])
def test_images_start_commands_that_exist(stage: str) -> None:
    """What an image starts by itself is a command line that ecg-monitor takes."""
    there = stages("Dockerfile")[stage]
    assert json.loads(there["ENTRYPOINT"]) == ["ecg-monitor"]
    parse("ecg-monitor", json.loads(there["CMD"]))


def test_worker_image_has_no_training() -> None:
    """Neither a COPY nor the build context brings training/ into the worker image; its command is removed."""
    copied = [rest.split()[0] for name, rest in instructions("Dockerfile") if name == "COPY"]
    assert not [source for source in copied if source.startswith((".", "training"))]
    ignore = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    assert "*" in ignore
    assert not [line for line in ignore if line.startswith("!training")]
    assert any("rm /opt/ecg/bin/ecg-train" in rest for _, rest in instructions("Dockerfile"))


def test_worker_image_installs_monitor_alone(tmp_path: Path) -> None:
    """A wheel built of what the Dockerfile copies has the code, the model and the page, and no training."""
    copies = [rest for name, rest in instructions("Dockerfile") if name == "COPY"]
    for rest in (rest for rest in copies if not rest.startswith("--from")):
        for source in (ROOT / word for word in rest.split()[:-1] if not word.startswith("--")):
            if source.is_dir():
                shutil.copytree(source, tmp_path / source.name)
            elif source.suffix != ".lock":
                shutil.copy(source, tmp_path)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "out"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (wheel,) = (tmp_path / "out").iterdir()
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"monitor", "ecg_monitor"}
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "monitor").rglob("*") if path.is_file()}
    assert {name for name in there if "__pycache__" not in name} <= set(names)


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_build_context_holds_what_is_copied(dockerfile: str) -> None:
    """Every file that a Dockerfile copies exists and passes its ignore file, and no other passes."""
    ignore = (DEPLOY / f"{dockerfile}.dockerignore").read_text(encoding="utf-8").split()
    copied = set()
    for name, rest in instructions(dockerfile):
        if name == "COPY" and not rest.startswith("--from"):
            copied |= {word.rstrip("/") for word in rest.split()[:-1] if not word.startswith("--")}
    assert all((ROOT / source).exists() for source in copied)
    assert {line.removeprefix("!") for line in ignore if line.startswith("!")} == copied


@pytest.fixture
def recorder(tmp_path: Path) -> Path:
    """A folder with an `ecg-train` that writes down how it is called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "ecg-train"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>"{tmp_path}/calls"\n', encoding="utf-8")
    program.chmod(0o755)
    return folder


def _train(recorder: Path, **variables: str) -> list[list[str]]:
    """The command lines that the script runs."""
    environment = {
        "PATH": f"{recorder}:{os.environ['PATH']}",
        "DATA": "/data",
        "MODELS": "/models",
        **variables,
    }
    subprocess.run([DEPLOY / "train.sh"], env=environment, check=True)
    return [shlex.split(line) for line in (recorder.parent / "calls").read_text().splitlines()]


def test_training_script_runs_command_lines_that_parse(recorder: Path) -> None:
    """Data, fit, calibrate and evaluate, all into one model's folder and one textfile."""
    calls = _train(recorder, RUN="job-1", PUSHGATEWAY="http://gateway:9091", MIRROR="http://mirror/")
    assert [call[0] for call in calls] == ["data", "fit", "calibrate", "evaluate"]
    for call in calls:
        parse("ecg-train", call)
    for call in calls[1:]:
        text = " ".join(call)
        assert "/models/job-1 " in text
        assert "--metrics /models/ecg-train.prom --pushgateway http://gateway:9091" in text


def test_training_script_needs_no_gateway(recorder: Path) -> None:
    """Without one it writes the textfile alone, and names the model by the time."""
    calls = _train(recorder)
    assert not [call for call in calls if "--pushgateway" in call or "--mirror" in call]
    assert re.fullmatch(r"/models/\d{8}T\d{6}Z", calls[1][calls[1].index("--out") + 1])


def test_training_script_stops_at_the_first_failure(recorder: Path) -> None:
    """A model that was not fitted is not calibrated."""
    program = recorder / "ecg-train"
    program.write_text(program.read_text() + '[ "$1" != fit ]\n', encoding="utf-8")
    with pytest.raises(subprocess.CalledProcessError):
        _train(recorder)
    assert len((recorder.parent / "calls").read_text().splitlines()) == 2


def test_training_image_starts_the_script() -> None:
    """It is on the PATH under the name that the image starts, with the folders that it reads."""
    stage = last_stage("training.Dockerfile")
    assert json.loads(stage["CMD"]) == ["train"]
    assert "ENTRYPOINT" not in stage
    copies = [rest for name, rest in instructions("training.Dockerfile") if name == "COPY"]
    assert "--chmod=755 deploy/train.sh /opt/ecg/bin/train" in copies
    assert {"DATA=/data", "MODELS=/models"} <= set(stage["ENV"].split())
    assert "/data /models" in stage["RUN"]
