"""A broker for the demo and the tests: Apache Kafka where KAFKA_HOME points to one, otherwise noida-db."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from monitor.errors import BrokerError
from monitor.processes import dying_with_parent

logger = logging.getLogger(__name__)
BrokerKind = Literal["auto", "kafka", "noida"]
HOST = "127.0.0.1"
START_S = 60.0  # Kafka takes 3 s, on a loaded machine ten times that
STOP_S = 15.0
ATTEMPTS = 3  # another process may take a port between our looking and the broker's binding
_HEAP = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_KAFKA = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.voters": f"1@{HOST}:{{controller}}",
    "listeners": f"PLAINTEXT://{HOST}:{{client}},CONTROLLER://{HOST}:{{controller}}",
    "advertised.listeners": f"PLAINTEXT://{HOST}:{{client}}",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # Ended transactions of killed workers hide what follows them; looked for often, so that tests are quick.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
}


def available_kind() -> Literal["kafka", "noida"] | None:
    """The kind that "auto" takes here, or None if there is neither."""
    if os.environ.get("KAFKA_HOME"):
        return "kafka"
    return "noida" if find_spec("noida_db") else None


@contextmanager
def embedded_broker(
    kind: BrokerKind = "auto", directory: Path | None = None, config: Mapping[str, str] | None = None
) -> Iterator[str]:
    """A broker on a free loopback port, giving its bootstrap servers; stopped and gone at the end.

    Data and log lie in `directory`, or in a temporary one that is removed. `config` overrides
    Kafka's properties; {client} and {controller} stand for the ports. Call it on a thread that
    lives as long as the broker shall.
    """
    found = available_kind() if kind == "auto" else kind
    if found is None:
        raise BrokerError("no broker to embed: set KAFKA_HOME, or install the `demo` extra for noida-db")
    with _directory(directory) as place:
        process, port = _start_somewhere(found, place, config or {})
        try:
            yield f"{HOST}:{port}"
        finally:
            _stop(process)


@contextmanager
def _directory(directory: Path | None) -> Iterator[Path]:
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        yield directory
        return
    temporary = Path(tempfile.mkdtemp(prefix="ecg-monitor-broker-"))
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _start_somewhere(
    kind: Literal["kafka", "noida"], place: Path, config: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], int]:
    start: Callable[[], tuple[subprocess.Popen[bytes], int]]
    start = (lambda: _start_kafka(place, config)) if kind == "kafka" else (lambda: _start_noida(place))
    for attempt in range(1, ATTEMPTS + 1):
        process, port = start()
        try:
            _await_listener(process, port, place)
        except BrokerError as error:
            _stop(process)
            if attempt == ATTEMPTS:
                raise
            logger.warning("broker did not start, once more: %s", error)
            continue
        except BaseException:  # Ctrl-C while it starts
            _stop(process)
            raise
        return process, port
    raise AssertionError("unreachable")


def _start_kafka(place: Path, config: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], int]:
    home = os.environ.get("KAFKA_HOME", "")
    if not list(Path(home, "libs").glob("kafka_*.jar")):
        raise BrokerError(f"KAFKA_HOME is {home!r}, which holds no libs/kafka_*.jar")
    java = shutil.which("java", path=_java_path())
    if java is None:
        raise BrokerError("KAFKA_HOME is set, but there is no java on PATH or in JAVA_HOME")
    client, controller = free_ports(2)
    properties = place / "server.properties"
    lines = {**_KAFKA, "log.dirs": str(place / "data"), **config}
    properties.write_text(
        "".join(
            f"{key}={value.replace('{client}', str(client)).replace('{controller}', str(controller))}\n"
            for key, value in lines.items()
        )
    )
    classes = ["-cp", f"{home}/libs/*"]
    if not (place / "data" / "meta.properties").exists():
        _format_kafka([java, "-XX:TieredStopAtLevel=1", *classes], properties)
    command = [java, *_HEAP, *classes, "kafka.Kafka", str(properties)]
    return _spawn(command, place), client


def _java_path() -> str:
    own = os.environ.get("JAVA_HOME")
    return os.pathsep.join(([f"{own}/bin"] if own else []) + [os.environ.get("PATH", "")])


def _format_kafka(java: list[str], properties: Path) -> None:
    cluster = "ZWNnLW1vbml0b3ItdGVzdA"  # any 16 bytes in base64
    command = [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_S)
    if done.returncode:
        raise BrokerError(f"Kafka cannot format its directory: {(done.stderr or done.stdout).strip()[-500:]}")


def _start_noida(place: Path) -> tuple[subprocess.Popen[bytes], int]:
    spec = find_spec("noida_db")
    if spec is None or spec.origin is None:
        raise BrokerError("noida-db is not installed; the `demo` extra has it")
    binary = Path(spec.origin).parent / ("noida-db.exe" if os.name == "nt" else "noida-db")
    if not os.access(binary, os.X_OK):
        binary.chmod(0o755)  # the wheel forgets it
    (port,) = free_ports(1)
    options = ["--only", "kafka", "--data-dir", str(place / "data"), "--kafka-port", str(port)]
    return _spawn([str(binary), "start", *options], place), port


def _spawn(command: list[str], place: Path) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C at the terminal reaches the clients first, which still want to commit.
    with (place / "broker.log").open("ab") as log:
        return subprocess.Popen(
            dying_with_parent(command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "LOG_DIR": str(place)},
        )


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on just now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _await_listener(process: subprocess.Popen[bytes], port: int, place: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            tail = (place / "broker.log").read_text(errors="replace")[-500:]
            raise BrokerError(f"broker ended while starting, code {process.returncode}: {tail.strip()}")
        try:
            socket.create_connection((HOST, port), 1.0).close()
        except OSError:
            time.sleep(0.05)
        else:
            if _listens(process, port):
                return
            time.sleep(0.05)  # somebody else does: ours ends as soon as it finds its port taken
    raise BrokerError(f"broker does not listen on {port} after {START_S:.0f} s")


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """Whether it is this process that listens on the port; taken for granted where Linux can't tell."""
    try:
        files = [entry.readlink().name for entry in Path(f"/proc/{process.pid}/fd").iterdir()]
        tables = [Path(f"/proc/{process.pid}/net/{name}").read_text() for name in ("tcp", "tcp6")]
    except OSError:
        # Of a process that is just ending Linux tells nothing either: it listens no longer.
        return not Path("/proc/self/fd").is_dir() and process.poll() is None
    rows = [row.split() for table in tables for row in table.splitlines()[1:]]
    # Local address, state (0A: listening) and inode, as proc(5) has them.
    inodes = {row[9] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "0A"}
    return any(f"socket:[{inode}]" in files for inode in inodes)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
