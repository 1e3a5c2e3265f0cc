"""The broker for demo and tests: up on a free port, gone at the end, whatever the end is."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monitor.broker.embedded import available_kind, embedded_broker, free_ports
from monitor.errors import BrokerError

pytestmark = pytest.mark.integration


def _listens(servers: str) -> bool:
    host, _, port = servers.partition(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True


def test_a_broker_is_up_and_then_gone(tmp_path: Path) -> None:
    """Its data stay where they were asked to be."""
    with embedded_broker("noida", tmp_path / "here") as servers:
        assert _listens(servers)
    assert not _listens(servers)
    assert (tmp_path / "here" / "broker.log").exists()


def test_a_temporary_directory_goes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after an error."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(RuntimeError, match="in the block"), embedded_broker("noida") as servers:
        raise RuntimeError("in the block")
    assert not _listens(servers)
    assert list(tmp_path.iterdir()) == []


def test_kafka_takes_properties(kafka_broker: str, tmp_path: Path) -> None:
    """With the ports filled in."""
    listeners = "PLAINTEXT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}"
    with embedded_broker("kafka", tmp_path, {"listeners": listeners, "num.partitions": "3"}) as servers:
        assert _listens(servers)
        assert _listens(kafka_broker)
    properties = (tmp_path / "server.properties").read_text()
    assert "num.partitions=3" in properties
    assert servers in properties


def test_the_kind_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka where it is, else noida-db, else neither, which is said."""
    monkeypatch.setenv("KAFKA_HOME", "/somewhere")
    assert available_kind() == "kafka"
    monkeypatch.delenv("KAFKA_HOME")
    assert available_kind() == "noida"
    monkeypatch.setattr("monitor.broker.embedded.find_spec", lambda _: None)
    assert available_kind() is None
    with pytest.raises(BrokerError, match="no broker to embed"), embedded_broker():
        pass
    with pytest.raises(BrokerError, match="noida-db is not installed"), embedded_broker("noida"):
        pass


def test_a_kafka_home_without_kafka_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """So is a missing Java."""
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path))
    with pytest.raises(BrokerError, match="holds no libs"), embedded_broker("kafka"):
        pass
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "kafka_2.13.jar").touch()
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(BrokerError, match="no java"), embedded_broker("kafka"):
        pass


def test_a_kafka_that_cannot_be_formatted_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With its own words."""
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "kafka_2.13.jar").touch()
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho no such class >&2\nexit 1\n")
    java.chmod(0o755)
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    refused = pytest.raises(BrokerError, match="cannot format its directory: no such class")
    with refused, embedded_broker("kafka", tmp_path / "data"):
        pass


def test_a_broker_that_ends_at_once_is_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A port may be taken while it starts; in the end its last words are shown."""
    starts: list[int] = []

    def start(place: Path) -> tuple[subprocess.Popen[bytes], int]:
        starts.append(1)
        (place / "broker.log").write_text("address in use")
        return subprocess.Popen([sys.executable, "-c", "exit(3)"]), free_ports(1)[0]

    monkeypatch.setattr("monitor.broker.embedded._start_noida", start)
    with pytest.raises(BrokerError, match="code 3: address in use"), embedded_broker("noida", tmp_path):
        pass
    assert len(starts) == 3


def test_a_broker_that_never_listens_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And ended."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(_: Path) -> tuple[subprocess.Popen[bytes], int]:
        processes.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]))
        return processes[-1], free_ports(1)[0]

    monkeypatch.setattr("monitor.broker.embedded._start_noida", start)
    monkeypatch.setattr("monitor.broker.embedded.START_S", 0.2)
    with pytest.raises(BrokerError, match="does not listen"), embedded_broker("noida", tmp_path):
        pass
    assert all(process.returncode is not None for process in processes)


def test_a_broker_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left running."""
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE)
    assert process.stdout
    with process.stdout as out:
        out.readline()
        monkeypatch.setattr("monitor.broker.embedded.STOP_S", 0.2)
        from monitor.broker.embedded import _stop

        _stop(process)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_broker_outlives_its_parent(number: int) -> None:
    """However the parent ends."""
    code = (
        "import time\nfrom monitor.broker.embedded import embedded_broker\n"
        "with embedded_broker('noida') as servers:\n print(servers, flush=True)\n time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert parent.stdout
    with parent.stdout as out:
        servers = out.readline().decode().strip()
    assert _listens(servers)
    os.kill(parent.pid, number)
    parent.wait(20)
    deadline = time.monotonic() + 10
    while _listens(servers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _listens(servers)


def test_another_listener_is_not_taken_for_the_broker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two demos may choose one port in the same moment: whose broker lost it starts again elsewhere."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        ports = iter([taken, *free_ports(2)])
        monkeypatch.setattr("monitor.broker.embedded.free_ports", lambda count: [next(ports)])
        with embedded_broker("noida", tmp_path) as servers:
            assert servers != f"127.0.0.1:{taken}"
