"""SASL_SSL with SCRAM on real Kafka, and what is said when it does not work."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import KafkaAdminClient, UserScramCredentialUpsertion

from monitor.broker.embedded import embedded_broker, free_ports
from tests.conftest import missing
from tests.support.daemon.harness import Bench, complaint, ecg, worker

pytestmark = [pytest.mark.integration, pytest.mark.kafka]
MECHANISM = "SCRAM-SHA-512"


def _make_certificate(folder: Path, name: str) -> None:
    """A self-signed certificate of localhost as NAME.crt, with its key before it in NAME.pem."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", f"{name}.key", "-out", f"{name}.crt"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    (folder / f"{name}.pem").write_bytes(
        b"".join((folder / f"{name}.{e}").read_bytes() for e in ("key", "crt"))
    )


def _properties(folder: Path, port: int) -> dict[str, str]:
    plain = "PLAINTEXT://127.0.0.1:{client}"
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    return {
        "listeners": f"{plain},CONTROLLER://127.0.0.1:{{controller}},SASL_SSL://127.0.0.1:{port}",
        "advertised.listeners": f"{plain},SASL_SSL://localhost:{port}",
        "sasl.enabled.mechanisms": MECHANISM,
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": scram,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "server.pem"),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS;User:worker",
    }


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Settings of a user who may do everything; "stranger" exists and may do nothing."""
    if not os.environ.get("KAFKA_HOME"):
        missing("KAFKA_HOME is not set")
    folder = tmp_path_factory.mktemp("tls")
    for name in ("server", "other"):
        _make_certificate(folder, name)
    (port,) = free_ports(1)
    with embedded_broker("kafka", folder / "broker", _properties(folder, port)) as plain:
        admin = KafkaAdminClient(bootstrap_servers=plain)
        users = [UserScramCredentialUpsertion(user, MECHANISM, "sesame") for user in ("worker", "stranger")]
        admin.alter_user_scram_credentials(users)
        admin.close()
        yield {
            "bootstrap_servers": f"localhost:{port}",
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": MECHANISM,
            "sasl_plain_username": "worker",
            "sasl_plain_password": "sesame",
            "ssl_cafile": str(folder / "server.crt"),
            "connect_timeout_s": 8.0,
        }


def test_a_worker_runs_over_sasl_ssl(secure: dict[str, Any], tmp_path: Path) -> None:
    """Authenticated and encrypted, the events are the same."""
    bench = Bench(secure["bootstrap_servers"], tmp_path, kafka=secure)
    bench.send(ecg(streams=3, first=0, last=6))
    with worker(bench, "one") as running:
        bench.await_events()
        assert running.end() == 0
    assert bench.events() == bench.expected()
    assert "sesame" not in running.text()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sasl_plain_password": "wrong"}, "the broker refused our user or password"),
        ({"ssl_cafile": "other.crt"}, "no TLS connection could be made"),
        ({"security_protocol": "PLAINTEXT", "sasl_mechanism": None}, "cannot be reached"),
    ],
)
def test_what_is_wrong_with_a_connection_is_said(
    secure: dict[str, Any], change: dict[str, Any], words: str
) -> None:
    """A wrong password, a certificate not trusted and a missing protocol are told apart."""
    if "ssl_cafile" in change:
        change = {"ssl_cafile": str(Path(secure["ssl_cafile"]).with_name(change["ssl_cafile"]))}
    said = complaint({**secure, "connect_timeout_s": 3.0, **change})
    assert words in said
    assert "sesame" not in said


def test_a_user_without_rights_is_told_so(secure: dict[str, Any]) -> None:
    """The password is right, the access rules are not."""
    said = complaint({**secure, "sasl_plain_username": "stranger"}, "create_topics(settings, 1)")
    assert "not allowed by the broker's access rules" in said
