"""The locks as they are, installed from an index that has newer releases of everything, by two pips.

The files come from pip's own index.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.broker.embedded import embedded_broker, free_ports
from tests.deploy.test_install import install
from tests.support.deploy_files import last_stage
from tests.support.image import build_image
from tests.support.made_up_release import Checkout, clean_environment, expected, locked, version_of
from tests.support.package_index import make_wheel, newer, serving
from tests.support.project import ROOT
from tests.support.unprivileged import unprivileged

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]
OLDEST = "pip==22.3"  # came with Python 3.11.0
HASHED = ("requirements.lock", "deploy/build.lock")


def pip(*words: object) -> None:
    """This environment's pip, with its index."""
    command = [sys.executable, "-m", "pip", "--quiet", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the locks name, as it was released, and a made-up newer release of each."""
    folder = tmp_path_factory.mktemp("index") / "files"
    for name in HASHED:
        only = ("--no-deps", "--require-hashes", "--only-binary", ":all:")
        pip("download", *only, "-d", folder, "-r", ROOT / name)
    size_mb = sum(each.stat().st_size for each in folder.iterdir()) / 1e6
    assert size_mb == pytest.approx(install.LOCKED_MB, rel=0.25), "deploy/install.py tells another size"
    pip("download", "--no-deps", "-d", folder, "-r", ROOT / "requirements-torch.lock")
    for name in (*HASHED, "requirements-torch.lock"):
        for one in locked((ROOT / name).read_text(encoding="utf-8")):
            make_wheel(folder, one.name, newer(version_of(one)))
    return folder


@pytest.fixture(scope="module")
def index(files: Path) -> Iterator[str]:
    """Its address."""
    with serving(files) as address:
        yield address


@pytest.fixture(scope="module")
def pips(files: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheels of the oldest pip that Python 3.11 brings, and of the newest there is today."""
    found = {}
    for age, wanted in (("oldest", OLDEST), ("newest", "pip")):
        folder = tmp_path_factory.mktemp(age)
        pip("download", "--no-deps", "-d", folder, wanted)
        (found[age],) = folder.iterdir()
    return found


def with_pip(folder: Path, wheel: Path) -> str:
    """A virtual environment that has this pip; returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = str(folder / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-index", wheel], check=True)
    return python


def clone(folder: Path) -> Path:
    """What git has of this project, in an empty folder."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


def test_resolving_fails_here(index: str, pips: dict[str, Path], tmp_path: Path) -> None:
    """The oldest pip, left to resolve as `make venv` once did, asks for what no lock has."""
    python = with_pip(tmp_path / "venv", pips["oldest"])
    command = [python, "-m", "pip", "install", "--require-hashes", "-r", str(ROOT / "requirements.lock")]
    environment = clean_environment() | {"PIP_INDEX_URL": index}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "must have their versions pinned with ==" in done.stderr


@pytest.mark.parametrize("age", ["oldest", "newest"])
def test_the_first_two_commands(age: str, index: str, pips: dict[str, Path], tmp_path: Path) -> None:
    """`make demo` and `make test` go through in a fresh clone, and install the locked versions."""
    checkout = Checkout(clone(tmp_path / "clone"), index)
    with_pip(checkout.folder / ".venv", pips[age])
    code, said = checkout.make("demo", "ARGS=--speed 0 --no-web", KAFKA_HOME="", timeout_s=400)
    assert code == 0, said
    assert re.search(r"sensitivity +V +0\.9[3-9]", said)
    assert (checkout.folder / "build" / "demo" / "strip.png").stat().st_size > 10_000
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert expected(lock).items() <= checkout.installed().items()
    code, said = checkout.make(
        "test", "ARGS=-q tests/monitor/formats/test_events.py tests/deploy/test_locks.py"
    )
    assert code == 0, said
    assert " passed" in said


@pytest.fixture(scope="module")
def image(index: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """The worker's image as far as a folder can be one, with the demo's data; none of it can be written."""
    root = Path(tempfile.mkdtemp(prefix="ecg-monitor-image-"))
    try:
        build_image("Dockerfile", "excerpt", root, clean_environment() | {"PIP_INDEX_URL": index})
        settings = dict(re.findall(r"(NUMBA_\w+)=(\S+)", last_stage("Dockerfile")["ENV"]))
        subprocess.run(["chmod", "-R", "a-w", root], check=True)
        home = root.with_name(f"{root.name}-tmp")
        home.mkdir()
        path = f"{root}/opt/ecg/bin:{os.environ['PATH']}"
        yield root, clean_environment() | settings | {"PATH": path, "HOME": str(home), "TMPDIR": str(home)}
    finally:
        subprocess.run(["chmod", "-R", "u+w", root], check=True)
        shutil.rmtree(root)
        shutil.rmtree(root.with_name(f"{root.name}-tmp"), ignore_errors=True)


def started(image: tuple[Path, dict[str, str]], *words: object) -> subprocess.CompletedProcess[str]:
    """An ecg-monitor of the image, away from the clone."""
    _, environment = image
    command = unprivileged("ecg-monitor", *words)
    return subprocess.run(
        command, cwd=environment["HOME"], env=environment, capture_output=True, text=True, check=False
    )


def test_the_image_brings_compiled_code(image: tuple[Path, dict[str, str]]) -> None:
    """On a root that can't be written, nothing is compiled again; for another processor it is, and told."""
    done = started(image, "warm-up")
    assert done.returncode == 0, done.stderr
    assert "signal path for generic compiled already" in done.stdout
    assert done.stderr == ""
    root, environment = image
    own = {key: value for key, value in environment.items() if key != "NUMBA_CPU_NAME"}
    done = started((root, own), "warm-up")
    assert done.returncode == 0, done.stderr
    assert "what is cached was compiled for generic" in done.stderr
    assert f"kept in {environment['HOME']}" in done.stdout


def test_the_wheel_scans(image: tuple[Path, dict[str, str]]) -> None:
    """The installed package has its model: the demo's record is read and its beats are found."""
    root, _ = image
    done = started(image, "scan", root / "demo" / "208.csv", "--rate", "360", "--json", "found.json")
    assert done.returncode == 0, done.stderr
    assert "compiling" not in done.stderr


def test_the_wheel_runs_the_demo(image: tuple[Path, dict[str, str]]) -> None:
    """It has the demo's labels, broker and page as well."""
    done = started(image, "demo", "--speed", "0")
    assert done.returncode == 0, done.stderr
    assert re.search(r"sensitivity +V +0\.9[3-9]", done.stdout)


def test_the_wheel_serves_the_page(image: tuple[Path, dict[str, str]]) -> None:
    """`web` answers with the page and its scripts."""
    _, environment = image
    (port,) = free_ports(1)
    with embedded_broker("noida") as servers:
        command = unprivileged("ecg-monitor", "web", "--bootstrap-servers", servers, "--port", port)
        with subprocess.Popen(command, cwd=environment["HOME"], env=environment) as page:
            try:
                text = _get(f"http://127.0.0.1:{port}/")
                assert "<title>" in text
                for script in re.findall(r'src="(/?[\w./-]+\.js)"', text):
                    assert _get(f"http://127.0.0.1:{port}/{script.lstrip('/')}")
            finally:
                page.terminate()


def _get(url: str) -> str:
    for _ in range(200):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(answer.read().decode())
        except ConnectionError:
            time.sleep(0.1)
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionError):
                raise
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


def test_the_training_image_installs(index: str, tmp_path: Path) -> None:
    """Its Dockerfile's lines go through with these locks, and give an `ecg-train` that starts."""
    variables = build_image(
        "training.Dockerfile", "build", tmp_path, clean_environment() | {"PIP_INDEX_URL": index}
    )
    done = subprocess.run(
        ["ecg-train", "--help"], env=variables, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "calibrate" in done.stdout
